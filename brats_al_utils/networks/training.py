"""Fine-tune a network on some slices, and predict others."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn
from torch.nn.functional import cross_entropy

from brats_al_utils import InputError
from brats_al_utils.memory import keep_freed_memory

EVALUATION_BATCH = 128

ARITHMETICS = ("float32", "tf32", "bfloat16")
"""Arithmetic of a training. ``tf32``: the GPU's tensor cores round factors to 10 bits of fraction; on the CPU it is
``float32``. ``bfloat16``: layers round to 7 bits; weights and updates stay float32. Predictions are always float32."""


@dataclass(frozen=True)
class Images:
    """Slices on the network's device, as bytes: a batch is converted to numbers when it is used.

    Attributes
    ----------
    pixels : torch.Tensor [N, 3, H, W] of uint8
    labels : torch.Tensor [N] of int64
        Negative 0 (LGG), positive 1 (HGG).
    mean, std : torch.Tensor [3, 1, 1] of float32
        Mean and standard deviation of pixels in 0..255.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor

    @classmethod
    def load(
        cls,
        pixels: np.ndarray[Any, Any],
        labels: np.ndarray[Any, Any],
        normalisation: tuple[tuple[float, ...], tuple[float, ...]],
        device: torch.device,
    ) -> "Images":
        """Put arrays on a device; on the CPU the pixels are not copied: they may be a memory map of a file."""
        mean, std = (255 * torch.tensor(values, device=device).reshape(3, 1, 1) for values in normalisation)
        resident = torch.from_numpy(pixels).to(device)
        return cls(resident, torch.from_numpy(labels.astype(np.int64)).to(device), mean, std)

    def batch(self, ids: torch.Tensor) -> torch.Tensor:
        """Return normalised float32 images [n, 3, H, W]."""
        images = (self.pixels[ids].float() - self.mean) / self.std
        return images.contiguous(memory_format=torch.channels_last)  # the layout of the weights, see `network.build`


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of one training (section 3.1 gives the values; `profile.Profile` holds the defaults).

    ``arithmetic`` is one of ``ARITHMETICS``; ``threads`` is the number of the processor's threads, on which the last
    bits of a sum depend. ``epoch_updates`` is the number of updates in an epoch, after which the validation AUC is
    computed; 0: one pass over the training slices.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    arithmetic: str = ARITHMETICS[0]
    threads: int = 1
    epoch_updates: int = 0

    def updates(self, slices: int) -> int:
        """Return the updates of an epoch on so many training slices."""
        return self.epoch_updates or -(-slices // self.batch_size)


@dataclass(frozen=True)
class History:
    """The course of a training.

    Attributes
    ----------
    train_loss, validation_auc : np.ndarray [epochs] of float64
        Mean cross-entropy of the training batches, and slice-level AUC. After an AUC of 1, which cannot be surpassed,
        only that of the last epoch is computed; the others are NaN.
    best_epoch : int
        Counted from 1: the one with the highest validation AUC, the earliest of equals; its weights are kept.
    validation : np.ndarray [n] of float64
        P(positive) of the validation slices, by the kept weights.
    """

    train_loss: np.ndarray[Any, Any]
    validation_auc: np.ndarray[Any, Any]
    best_epoch: int
    validation: np.ndarray[Any, Any]


def auc(label: np.ndarray[Any, Any], score: np.ndarray[Any, Any]) -> float:
    """Return the area under the ROC curve: the share of (positive, negative) pairs in order, ties counting half.

    Parameters
    ----------
    label : np.ndarray [n] of int
        Negative 0 (LGG), positive 1 (HGG).
    score : np.ndarray [n] of float
        P(positive).

    Raises
    ------
    InputError
        If there is only one class.
    """
    if len(np.unique(label)) != 2:
        raise InputError(f"labels {np.unique(label).tolist()}, expected both 0 and 1: an AUC compares two classes")
    positive, ranks = label == 1, rankdata(score)
    wins = ranks[positive].sum() - positive.sum() * (positive.sum() + 1) / 2
    return float(wins / (positive.sum() * (~positive).sum()))


def choose_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is CUDA if there is a GPU, else the CPU.

    Raises
    ------
    InputError
        If it is CUDA and no GPU is found.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device is {name!r}, expected auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda' and torch finds no GPU: use device=cpu, or install its driver")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


@contextmanager
def rounding(arithmetic: str) -> Iterator[None]:
    """Set the GPU's kernels to be deterministic and to compute in one of ``ARITHMETICS``, within a block."""
    fast = arithmetic == "tf32"
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = fast
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=fast):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def logits(network: nn.Module, images: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Return the logits [n, 2] of a training batch, computed in the arithmetic of the settings."""
    with torch.autocast(images.device.type, torch.bfloat16, enabled=settings.arithmetic == "bfloat16"):
        return network(images)  # type: ignore[no-any-return]


def outputs(forward: Callable[[torch.Tensor], torch.Tensor], images: Images, ids: np.ndarray[Any, Any]) -> torch.Tensor:
    """Return the outputs of a forward pass for some slices, one row a slice, computed in float32 batch by batch."""
    places = torch.from_numpy(ids).to(images.pixels.device)
    with torch.inference_mode(), rounding("float32"):
        return torch.cat([forward(images.batch(batch)) for batch in places.split(EVALUATION_BATCH)])


def predict(network: nn.Module, images: Images, ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return P(positive) of some slices, computed in float32.

    Parameters
    ----------
    ids : np.ndarray [n] of int

    Returns
    -------
    np.ndarray [n] of float64
    """
    if not len(ids):
        return np.empty(0)
    logits_of_each = outputs(network.eval(), images, ids)
    # Softmax in double, so that 1 - p is not rounded to 0: the uncertainty takes its logarithm.
    return np.asarray(logits_of_each.double().softmax(-1)[:, 1].cpu().numpy())


def features(network: nn.Module, images: Images, ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the features that enter the last layer of a network, without dropout.

    Parameters
    ----------
    ids : np.ndarray [n] of int
        At least one.

    Returns
    -------
    np.ndarray [n, D] of float32
        D is 4096 of AlexNet and VGG-16, 1024 of GoogLeNet and 512 of ResNet-18.
    """
    *_, last = (module for module in network.eval().modules() if isinstance(module, nn.Linear))
    entered: list[torch.Tensor] = []

    def forward(batch: torch.Tensor) -> torch.Tensor:
        network(batch)
        return entered.pop()

    with last.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0])):
        return np.asarray(outputs(forward, images, ids).cpu().numpy())


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's random numbers within a block; the state of the process's own is restored afterwards."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def start_training(network: nn.Module) -> None:
    """Set a network to training mode; frozen layers of batch normalisation stay in evaluation mode."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


def check_finite(numbers: np.ndarray[Any, Any], epoch: int, settings: Settings) -> None:
    """Refuse a loss or predictions that are not finite: the training has diverged."""
    if not np.isfinite(numbers).all():
        raise InputError(
            f"the training diverged in epoch {epoch} of {settings.epochs}: the loss is no longer finite, at learning "
            f"rate {settings.learning_rate:g} and momentum {settings.momentum:g}: lower learning_rate, or the rate of "
            "committee_rates that this is"
        )


def shuffled_batches(
    places: torch.Tensor, size: int, order: torch.Generator, device: torch.device
) -> Iterator[torch.Tensor]:
    """Yield batches of ids without end: pass after pass over all of them, each in a new random order.

    The last batch of a pass may be smaller.
    """
    while True:
        # Copied once a pass, so that the processor never waits for the GPU within it.
        shuffled = places[torch.randperm(len(places), generator=order)].to(device, non_blocking=True)
        yield from shuffled.split(size)


def train_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: Images,
    batches: Iterable[torch.Tensor],
    settings: Settings,
) -> float:
    """Update the network with each batch of ids, and return the mean cross-entropy of their slices."""
    total, seen = torch.zeros((), device=images.pixels.device), 0
    for ids in batches:
        optimiser.zero_grad()
        loss = cross_entropy(logits(network, images.batch(ids), settings), images.labels[ids])
        loss.backward()
        optimiser.step()
        total += loss.detach() * len(ids)
        seen += len(ids)
    return total.item() / seen


def finetune(
    network: nn.Module,
    images: Images,
    training: np.ndarray[Any, Any],
    validation: np.ndarray[Any, Any],
    settings: Settings,
    seed: int,
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> History:
    """Train a network by SGD on cross-entropy; afterwards it has the weights of its best validation epoch.

    Parameters
    ----------
    network : nn.Module
        On the device of the images; changed in place.
    training, validation : np.ndarray of int
        Ids of slices.
    seed : int
        Seed of the order of the batches and of dropout. The same machine, number of threads and version of torch give
        the same result to the bit.
    after_epoch : callable
        Called after each epoch with the number of epochs done; the network then has the weights of that epoch.

    Raises
    ------
    InputError
        If the training diverges.
    """
    keep_freed_memory()
    device = images.pixels.device
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(
        trainable, settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay, fused=True
    )
    order = torch.Generator().manual_seed(seed)
    batches = shuffled_batches(torch.from_numpy(training), settings.batch_size, order, device)
    validation_labels = images.labels.cpu().numpy()[validation]
    losses, scores = np.zeros(settings.epochs), np.full(settings.epochs, np.nan)
    best = {name: torch.empty_like(tensor) for name, tensor in network.state_dict().items()}
    with seeded(seed, device):
        for epoch in range(settings.epochs):
            start_training(network)
            with rounding(settings.arithmetic):
                losses[epoch] = train_epoch(
                    network, optimiser, images, islice(batches, settings.updates(len(training))), settings
                )
            check_finite(np.asarray(losses[epoch]), epoch + 1, settings)
            highest = np.nanmax(scores[:epoch], initial=-1.0)
            if highest < 1 or epoch + 1 == settings.epochs:
                predicted = predict(network, images, validation)
                check_finite(predicted, epoch + 1, settings)  # the last update itself may have diverged
                scores[epoch] = auc(validation_labels, predicted)
            if scores[epoch] > highest:
                kept = predicted
                for name, tensor in network.state_dict().items():
                    best[name].copy_(tensor)
            after_epoch(epoch + 1)
    network.load_state_dict(best)
    return History(losses, scores, int(np.nanargmax(scores)) + 1, kept)
