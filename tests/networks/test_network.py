"""AlexNet's layers against Table 1, the other networks, and what they start from."""

import pandas as pd
import pytest
import torch
from torchvision.models import AlexNet_Weights, get_model, get_model_weights

from brats_al_utils import InputError
from brats_al_utils.findings.paper import published_table1
from brats_al_utils.networks.network import LAST_LAYERS, NETWORKS, architecture, build, normalisation, starts_of
from brats_al_utils.networks.sources import weights
from brats_al_utils.networks.weights import trunk_state

OTHERS = ["googlenet", "resnet18", pytest.param("vgg16", marks=pytest.mark.long)]
"""VGG-16 has 134 million weights."""


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


@pytest.mark.parametrize(("name", "layers", "alike"), [("alexnet", 5, 0.5), ("vgg16", 13, 0.25)])
def test_the_trunk_is_the_network_s_convolutions(name: str, layers: int, alike: float) -> None:
    """Of its shapes; kernels learned on natural images are smooth, random ones are not."""
    state = trunk_state(name)
    with torch.device("meta"):  # VGG-16's 134 million weights are not needed
        network = get_model(name)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items() if name.startswith("features.")}
    assert {name: tensor.shape for name, tensor in state.items()} == shapes
    assert len(shapes) == 2 * layers
    kernels = state["features.0.weight"]
    assert (kernels[..., 1:] * kernels[..., :-1]).sum() / (kernels[..., 1:] ** 2).sum() > alike


def test_the_trunk_of_vgg_16() -> None:
    state = trunk_state("vgg16")
    # The first kernel of torchvision's vgg16-397923af.pth, of the red channel first: not Caffe's, which has blue first
    # and expects pixels of 0 to 255.
    expected = torch.tensor([[-0.5537, 0.1427, 0.5290], [-0.5831, 0.3566, 0.7657], [-0.6902, -0.0480, 0.4841]])
    torch.testing.assert_close(state["features.0.weight"][0, 0], expected, atol=1e-4, rtol=0)
    # Deeper layers have more inputs and so smaller weights, as He's initialisation has them.
    spread = [state[name].std().item() for name in state if name.endswith("weight")]
    assert spread[0] > 4 * spread[1] > 4 * 2 * spread[-1]
    assert normalisation("imagenet-trunk", "vgg16") == normalisation("imagenet", "vgg16")


def test_starts() -> None:
    trunk, scratch = build("imagenet-trunk", 3), build("scratch", 3)
    for name, tensor in trunk.state_dict().items():
        if name.startswith("features."):
            assert torch.equal(tensor, trunk_state()[name])
        else:  # the random layers are the same: the starts differ in nothing else
            assert torch.equal(tensor, scratch.state_dict()[name])
    other, last = build("scratch", 4), "classifier.6.weight"
    assert not torch.equal(other.state_dict()[last], scratch.state_dict()[last])


def test_building_draws_no_random_number_of_the_caller() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    build("scratch", 0)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", OTHERS)
def test_another_network(name: str) -> None:
    network = build("scratch", 3, freeze=True, network=name).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 2)
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    head = LAST_LAYERS[name].split(".")[0]
    assert trained == {name for name, _ in network.named_parameters() if name.startswith(f"{head}.")}
    assert len(trained) == (6 if name == "vgg16" else 2), "weights and biases of the fully connected layers"
    again = build("scratch", 3, network=name)
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), again.parameters(), strict=True))
    assert all(parameter.requires_grad for parameter in again.parameters())


@pytest.mark.parametrize("name", ["alexnet", *OTHERS])
def test_full_imagenet_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of torchvision's layers but the last are taken; stand-in weights, since the file is a download."""
    options = {"init_weights": False} if name == "googlenet" else {}
    pretrained = get_model(name, **options).state_dict()
    monkeypatch.setattr(get_model_weights(name), "get_state_dict", lambda *_, **__: dict(pretrained))
    state = build("imagenet", 0, network=name).state_dict()
    drawn = {name for name in state if not torch.equal(state[name], pretrained[name])}
    assert drawn == {f"{LAST_LAYERS[name]}.weight", f"{LAST_LAYERS[name]}.bias"}


def test_weights_of_another_network_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AlexNet_Weights, "get_state_dict", lambda *_, **__: {"conv1.weight": torch.zeros(1)})
    with pytest.raises(InputError, match="the weights of imagenet are not AlexNet's"):
        build("imagenet", 0)


def test_shuffled_weights_have_the_same_values_in_another_order() -> None:
    starts = ("imagenet-trunk", 3), ("imagenet-trunk-shuffled", 3), ("imagenet-trunk-shuffled", 4)
    pretrained, shuffled, other = (build(start, seed).state_dict() for start, seed in starts)
    for name, tensor in pretrained.items():
        if name.startswith("features."):
            values = tensor.flatten().sort().values
            for one in (shuffled, other):
                assert torch.equal(one[name].flatten().sort().values, values)
                assert not torch.equal(one[name], tensor)
            assert not torch.equal(shuffled[name], other[name])
        else:  # what is random is that of the pretrained start
            assert torch.equal(shuffled[name], tensor)
    # What was learned is gone: neighbours of a kernel are no longer alike.
    kernels = shuffled["features.0.weight"]
    assert abs((kernels[..., 1:] * kernels[..., :-1]).sum() / (kernels[..., 1:] ** 2).sum()) < 0.05


def test_shuffled_batch_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its counter, a single number, has no other order; a variance stays one."""
    pretrained = get_model("resnet18").state_dict()
    pretrained = {name: torch.rand(tensor.shape) + 1 if tensor.ndim else tensor for name, tensor in pretrained.items()}
    monkeypatch.setattr(get_model_weights("resnet18"), "get_state_dict", lambda *_, **__: dict(pretrained))
    state = build("imagenet-shuffled", 0, network="resnet18").state_dict()
    assert (state["bn1.running_var"] >= 1).all()
    assert not torch.equal(state["bn1.running_var"], pretrained["bn1.running_var"])
    assert state["bn1.num_batches_tracked"] == 0


def test_each_start_is_normalised_as_it_was_trained() -> None:
    """torchvision's GoogLeNet turns the usual normalisation into its own; ours is given its own at once."""
    assert normalisation("scratch", "googlenet") == normalisation("scratch") == ((0.0,) * 3, (1.0,) * 3)
    usual, own = normalisation("imagenet-shuffled", "resnet18"), normalisation("imagenet", "googlenet")
    assert usual == normalisation("imagenet-trunk") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    pixels = torch.rand(1, 3, 2, 2)
    googlenet = get_model("googlenet", init_weights=False, transform_input=True)
    by_usual, by_own = (
        (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1) for mean, std in (usual, own)
    )
    torch.testing.assert_close(googlenet._transform_input(by_usual), by_own)


def test_every_network_and_start_is_listed() -> None:
    listed = [(known.network, known.start) for known in weights()]
    assert listed[:3] == [("alexnet", start) for start in ("imagenet", "imagenet-trunk", "scratch")]
    assert listed == [(network, start) for network in NETWORKS for start in starts_of(network)]
    assert len(listed) == 2 * 5 + 2 * 3
    assert all(known.available for known in weights() if known.start in ("scratch", "imagenet-trunk-shuffled"))
