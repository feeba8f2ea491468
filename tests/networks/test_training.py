"""Fine-tuning: reproducible to the bit, the best epoch kept, and nothing of the test set in it."""

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from brats_al_utils import InputError
from brats_al_utils.networks import training as training_module
from brats_al_utils.networks.network import build
from brats_al_utils.networks.training import Images, Settings, finetune, predict

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


def settled(network: nn.Module, images: Images) -> nn.Module:
    """Return a network whose batch normalisation knows the images: with 0 and 1, GoogLeNet's activations vanish."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(images.batch(torch.arange(20)))
    return network


def test_two_steps_by_hand(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """SGD with L2: each step is the last one times the momentum, and the gradient plus decay times weights."""
    linear = nn.Linear(48, 2)
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), linear)
    ids, weight, bias = torch.from_numpy(TRAINING), linear.weight.detach().clone(), linear.bias.detach().clone()
    steps, losses = [torch.zeros_like(weight), torch.zeros_like(bias)], []
    inputs = nn.Sequential(*list(network)[:-1])(images.batch(ids))
    for _ in range(2):
        at = [weight.clone().requires_grad_(), bias.clone().requires_grad_()]
        loss = cross_entropy(inputs @ at[0].T + at[1], images.labels[ids])
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, at)
        pulls = [gradient + 0.01 * value.detach() for gradient, value in zip(gradients, at, strict=True)]
        steps = [0.8 * step + pull for step, pull in zip(steps, pulls, strict=True)]
        weight, bias = weight - 0.1 * steps[0], bias - 0.1 * steps[1]
    rising = iter([0.6, 0.7])
    monkeypatch.setattr(training_module, "auc", lambda *_: next(rising))  # the second epoch is kept
    history = finetune(network, images, TRAINING, VALIDATION, Settings(2, 12, 0.1, 0.8, 0.01), seed=0)
    torch.testing.assert_close(linear.weight.detach(), weight)
    assert history.train_loss == pytest.approx(losses, rel=1e-6)


def test_a_smaller_last_batch_counts_by_its_slices(images: Images) -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 2))
    ids = torch.from_numpy(TRAINING)  # twelve, in batches of 5, 5 and 2; the rate is too small to move a weight
    whole = cross_entropy(network(images.batch(ids)), images.labels[ids]).item()
    history = finetune(network, images, TRAINING, VALIDATION, Settings(1, 5, 1e-12, 0.0, 0.0), seed=0)
    assert history.train_loss[0] == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_training_that_diverges_says_so(images: Images, epochs: int) -> None:
    """With one step in all, only the predictions are no numbers; with more, the loss is none either."""
    settings = Settings(epochs, 12, 1e38, 0.8, 0.0)
    words = f"the training diverged in epoch 1 of {epochs}: .*learning rate 1e\\+38 .*lower learning_rate"
    with pytest.raises(InputError, match=words):
        finetune(build("scratch", 0), images, TRAINING, VALIDATION, settings, seed=0)


def test_a_nan_loss_is_seen_where_no_epoch_is_evaluated(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an AUC of 1 only the loss tells."""
    network = small()
    monkeypatch.setattr(training_module, "auc", lambda *_: 1.0)

    def spoil(epoch: int) -> None:
        for weight in network.parameters():
            weight.data.fill_(float("nan"))

    with pytest.raises(InputError, match="the training diverged in epoch 2 of 3"):
        finetune(network, images, TRAINING, VALIDATION, SETTINGS, 0, spoil)


@pytest.mark.parametrize(("scores", "kept"), [([0.6, 0.9, 0.9, 0], 2), ([0.4, 0.3, 0.2, 0.1], 1), ([0, 0, 0, 0.1], 4)])
def test_earliest_best_is_kept(images: Images, monkeypatch: pytest.MonkeyPatch, scores: list[float], kept: int) -> None:
    network, states, told = small(), [], iter(scores)
    (weight, _) = network.parameters()

    def auc(*_: Any) -> float:
        states.append(weight.detach().clone())
        return next(told)

    monkeypatch.setattr(training_module, "auc", auc)
    history = finetune(network, images, TRAINING, VALIDATION, Settings(4, 4, 0.1, 0.8, 0.0), seed=0)
    assert history.best_epoch == kept
    assert torch.equal(weight, states[kept - 1])


def test_after_an_auc_of_1_only_the_last_epoch_is_evaluated(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each had been: the same weights are kept and the same losses seen, to the bit."""
    found = []
    for highest in (1.0, 0.999):
        told = iter([0.6, highest, 0.5, 0.4, 0.7] if highest < 1 else [0.6, highest, 0.7])
        monkeypatch.setattr(training_module, "auc", lambda *_, told=told: next(told))
        network = small()
        history = finetune(network, images, TRAINING, VALIDATION, Settings(5, 4, 0.1, 0.8, 0.0), seed=0)
        assert next(told, None) is None, "all were asked for"
        assert history.best_epoch == 2
        found.append((history, network.state_dict()))
    (skipped, state), (whole, other) = found
    np.testing.assert_array_equal(skipped.validation_auc, [0.6, 1.0, np.nan, np.nan, 0.7])
    np.testing.assert_array_equal(skipped.train_loss, whole.train_loss)
    assert all(torch.equal(state[name], other[name]) for name in state)


@pytest.mark.parametrize("name", ["googlenet", "resnet18"])
def test_networks_with_batch_normalisation(name: str, images: Images) -> None:
    """An epoch's last batch of one image at 64 pixels; the kept statistics are those of the kept epoch."""
    outcomes = []
    for _ in range(2):
        network = build("scratch", 1, network=name)
        states: list[dict[str, torch.Tensor]] = []

        def keep(_: int, network: nn.Module = network, states: list[dict[str, torch.Tensor]] = states) -> None:
            states.append({name: tensor.clone() for name, tensor in network.state_dict().items()})

        settings = replace(SETTINGS, epochs=2)
        history = finetune(network, images, np.arange(13), np.arange(13, 20), settings, 0, keep)
        kept, state = states[history.best_epoch - 1], network.state_dict()
        assert all(torch.equal(state[name], kept[name]) for name in state)
        counters = [tensor for name, tensor in state.items() if name.endswith("num_batches_tracked")]
        assert counters
        assert all(counter == 4 * history.best_epoch for counter in counters)
        outcomes.append(predict(network, images, np.arange(20)).tobytes())
        assert all(torch.equal(state[name], kept[name]) for name in state), "a prediction changes nothing"
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(("name", "trained"), [("alexnet", "classifier."), ("resnet18", "fc.")])
def test_frozen_layers_and_their_statistics_stay(name: str, trained: str, images: Images) -> None:
    network = build("scratch", 0, freeze=True, network=name)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    finetune(network, images, TRAINING, VALIDATION, SETTINGS, 0)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if name.startswith(trained)}


@pytest.mark.parametrize(("name", "size"), [("alexnet", 4096), ("googlenet", 1024), ("resnet18", 512)])
def test_features_are_what_the_last_layer_is_given(name: str, size: int, images: Images) -> None:
    network, ids = settled(build("scratch", 0, network=name), images), np.arange(20)
    found = training_module.features(network, images, ids)
    assert (found.shape, found.dtype) == ((20, size), np.float32)
    assert len(np.unique(found, axis=0)) == 20
    *_, last = (module for module in network.modules() if isinstance(module, nn.Linear))
    with torch.inference_mode():
        again = last(torch.from_numpy(found)).double().softmax(1)[:, 1].numpy()
    np.testing.assert_allclose(again, predict(network, images, ids), rtol=1e-5)
    np.testing.assert_array_equal(training_module.features(network, images, ids), found)


def test_features_by_hand(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_module, "EVALUATION_BATCH", 3)
    found = training_module.features(small(), images, np.array([7, 2, 9, 4]))
    blocks = ((images.pixels.double() / 255 - 0.5) / 0.25).reshape(20, 3, 4, 16, 4, 16).mean((3, 5))
    np.testing.assert_allclose(found, blocks.reshape(20, 48)[[7, 2, 9, 4]], atol=1e-5)


@pytest.mark.parametrize("found", [False, True])
def test_devices(found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: found)
    assert training_module.choose_device("auto").type == ("cuda" if found else "cpu")
    assert training_module.choose_device("cpu").type == "cpu"
    for asked, words in (("gpu", "expected auto, cpu or cuda"), *[("cuda", "finds no GPU")] * (not found)):
        with pytest.raises(InputError, match=words):
            training_module.choose_device(asked)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cuda_is_reproducible(images: Images) -> None:
    device = torch.device("cuda")
    moved = Images(*(getattr(images, name).to(device) for name in ("pixels", "labels", "mean", "std")))
    losses = [
        finetune(build("scratch", 1).to(device), moved, TRAINING, VALIDATION, SETTINGS, 5).train_loss for _ in range(2)
    ]
    np.testing.assert_array_equal(losses[0], losses[1])


@pytest.mark.parametrize(("arithmetic", "tolerance"), [("tf32", 0.0), ("bfloat16", 0.02)])
def test_every_arithmetic_trains_as_float32_to_its_rounding(arithmetic: str, tolerance: float, images: Images) -> None:
    """On the CPU TF32 is float32; bfloat16 keeps 8 bits."""
    losses = []
    for one in ("float32", arithmetic):
        network = build("scratch", 0)
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        settings = replace(SETTINGS, arithmetic=one)
        losses.append(finetune(network, images, TRAINING, VALIDATION, settings, 0).train_loss)
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=tolerance)
    assert (losses[0] != losses[1]).any() == bool(tolerance), "it had no effect"
    assert not torch.backends.cuda.matmul.allow_tf32, "the process's flags are put back"


@pytest.mark.parametrize("slices", [3, 4, 8, 11])
def test_every_slice_comes_once_before_any_comes_again(slices: int) -> None:
    places, order = torch.arange(slices), torch.Generator().manual_seed(3)
    drawn = training_module.shuffled_batches(places, 4, order, torch.device("cpu"))
    passes = [torch.cat(list(islice(drawn, -(-slices // 4)))) for _ in range(3)]
    assert all(sorted(one.tolist()) == places.tolist() for one in passes)
    assert slices < 4 or len({tuple(one.tolist()) for one in passes}) > 1


def test_one_epoch_of_six_updates_is_two_of_three(images: Images) -> None:
    by_updates, by_slices = (replace(SETTINGS, epochs=1, epoch_updates=6), replace(SETTINGS, epochs=2))
    assert (by_updates.updates(12), by_slices.updates(12), by_slices.updates(13)) == (6, 3, 4)
    one, two = (finetune(small(), images, TRAINING, VALIDATION, each, seed=0) for each in (by_updates, by_slices))
    assert one.train_loss[0] == pytest.approx(two.train_loss.mean())
    assert one.validation_auc[0] == two.validation_auc[1]
