"""Fine-tuning: reproducible to the bit, the best epoch kept, and nothing of the test set in it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from brats_al_utils import InputError
from brats_al_utils import training as training_module
from brats_al_utils.network import build
from brats_al_utils.training import Images, Settings, choose_device, finetune, predict

SETTINGS = Settings(epochs=3, batch_size=4, learning_rate=0.001, momentum=0.8, weight_decay=0.0001)
TRAINING, VALIDATION = np.arange(12), np.arange(12, 20)


@pytest.fixture(scope="module")
def images() -> Images:
    """Twenty slices; those of label 1 are brighter on one side."""
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 2
    pixels = rng.integers(0, 120, (20, 3, 64, 64), dtype=np.uint8)
    pixels[labels == 1, :, :, :32] += 100
    return Images.load(pixels, labels, ((0.5,) * 3, (0.25,) * 3), torch.device("cpu"))


def small() -> nn.Sequential:
    """Return a network small enough to train in no time, with dropout as AlexNet has."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(), nn.Linear(48, 2))


def test_the_same_seed_gives_the_same_bits(images: Images) -> None:
    outcomes = []
    for _ in range(2):
        network = build("scratch", 1)
        history = finetune(network, images, TRAINING, VALIDATION, SETTINGS, seed=5)
        outcomes.append((history.train_loss.tobytes(), predict(network, images, np.arange(20)).tobytes()))
        torch.rand(1)  # whatever else draws numbers in between
    assert outcomes[0] == outcomes[1]
    other = finetune(build("scratch", 1), images, TRAINING, VALIDATION, SETTINGS, seed=6)
    assert other.train_loss.tobytes() != outcomes[0][0]


def test_it_learns(images: Images) -> None:
    settings = Settings(epochs=30, batch_size=4, learning_rate=0.02, momentum=0.8, weight_decay=0.0)
    history = finetune(small(), images, TRAINING, VALIDATION, settings, seed=0)
    assert history.train_loss[-1] < 0.5 * history.train_loss[0]
    assert np.nanmax(history.validation_auc) == 1


def test_one_step_by_hand(images: Images) -> None:
    """The first step of SGD with L2 is the weights less the rate times (gradient plus decay times weights)."""
    linear = nn.Linear(48, 2)
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), linear)
    before = linear.weight.detach().clone()
    ids = torch.from_numpy(TRAINING)
    loss = cross_entropy(network(images.batch(ids)), images.labels[ids])
    (gradient,) = torch.autograd.grad(loss, linear.weight)
    history = finetune(network, images, TRAINING, VALIDATION, Settings(1, 12, 0.1, 0.8, 0.01), seed=0)
    torch.testing.assert_close(linear.weight.detach(), before - 0.1 * (gradient + 0.01 * before))
    assert history.train_loss[0] == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize(
    ("scores", "kept"), [([0.6, 0.9, 0.9, 0.7], 2), ([0.4, 0.3, 0.2, 0.1], 1), ([0.0, 0.0, 0.0, 0.1], 4)]
)
def test_the_earliest_best_epoch_is_kept(
    images: Images, monkeypatch: pytest.MonkeyPatch, scores: list[float], kept: int
) -> None:
    network, states, told = small(), [], iter(scores)
    (weight, _) = network.parameters()

    def auc(*_: Any) -> float:
        states.append(weight.detach().clone())
        return next(told)

    monkeypatch.setattr(training_module, "auc", auc)
    history = finetune(network, images, TRAINING, VALIDATION, Settings(4, 4, 0.1, 0.8, 0.0), seed=0)
    assert history.best_epoch == kept
    assert torch.equal(weight, states[kept - 1])


def test_every_epoch_is_told(images: Images) -> None:
    told: list[int] = []
    finetune(small(), images, TRAINING, VALIDATION, SETTINGS, 0, told.append)
    assert told == [1, 2, 3]


def test_frozen_layers_stay(images: Images) -> None:
    network = build("scratch", 0, freeze=True)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    finetune(network, images, TRAINING, VALIDATION, SETTINGS, 0)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if name.startswith("classifier.")}


def test_prediction_does_not_depend_on_batches(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small()
    whole = predict(network, images, np.arange(20))
    monkeypatch.setattr(training_module, "EVALUATION_BATCH", 3)
    np.testing.assert_allclose(predict(network, images, np.arange(20)), whole, atol=1e-7)
    np.testing.assert_allclose(predict(network, images, np.array([7, 2])), whole[[7, 2]], atol=1e-7)
    assert whole.dtype == np.float64
    assert ((whole > 0) & (whole < 1)).all()


def test_normalisation_by_hand(images: Images) -> None:
    batch = images.batch(torch.tensor([3]))
    expected = (images.pixels[3].double() / 255 - 0.5) / 0.25
    torch.testing.assert_close(batch[0].double(), expected, atol=1e-5, rtol=0)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(InputError, match="finds no GPU"):
        choose_device("cuda")
    with pytest.raises(InputError, match="expected auto, cpu or cuda"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
    assert choose_device("cpu").type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cuda_is_reproducible(images: Images) -> None:
    device = torch.device("cuda")
    moved = Images(*(getattr(images, name).to(device) for name in ("pixels", "labels", "mean", "std")))
    losses = [
        finetune(build("scratch", 1).to(device), moved, TRAINING, VALIDATION, SETTINGS, 5).train_loss for _ in range(2)
    ]
    np.testing.assert_array_equal(losses[0], losses[1])


@pytest.mark.parametrize("arithmetic", ["tf32", "bfloat16", pytest.param("compiled", marks=pytest.mark.slow)])
def test_every_arithmetic_trains_as_float32_does_to_its_rounding(arithmetic: str, images: Images) -> None:
    """On the CPU TF32 is float32; bfloat16 keeps 8 bits; compiled draws other numbers for dropout, so without it."""
    losses = {}
    for one in ("float32", arithmetic):
        network = build("scratch", 0)
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        history = finetune(network, images, TRAINING, VALIDATION, replace(SETTINGS, arithmetic=one), 0)
        losses[one] = history.train_loss
    tolerance = {"tf32": 0.0, "bfloat16": 0.02, "compiled": 1e-4}[arithmetic]
    np.testing.assert_allclose(losses[arithmetic], losses["float32"], rtol=0, atol=tolerance)
    if arithmetic == "bfloat16":
        assert (losses[arithmetic] != losses["float32"]).any(), "it had no effect"
    assert not torch.backends.cuda.matmul.allow_tf32, "the process's flags are put back"
