"""Fine-tune a network on some slices, and predict others."""

import ctypes
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from brats_al_utils import InputError
from brats_al_utils.statistics import auc

EVALUATION_BATCH = 128

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""From glibc's malloc.h."""


@dataclass(frozen=True)
class Images:
    """Slices where the network is, as bytes: a batch becomes numbers only when it is used.

    Attributes
    ----------
    pixels : torch.Tensor [N, 3, H, W] of uint8
    labels : torch.Tensor [N] of int64
        LGG 0, HGG 1.
    mean, std : torch.Tensor [3, 1, 1] of float32
        Of pixels in 0..255.
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
        """Put arrays on a device; on the CPU the pixels stay where they are, in a file's memory map for instance."""
        mean, std = (255 * torch.tensor(values, device=device).reshape(3, 1, 1) for values in normalisation)
        resident = torch.from_numpy(pixels).to(device)
        return cls(resident, torch.from_numpy(labels.astype(np.int64)).to(device), mean, std)

    def batch(self, ids: torch.Tensor) -> torch.Tensor:
        """Return normalised float32 images [n, 3, H, W]."""
        images = (self.pixels[ids].float() - self.mean) / self.std
        return images.contiguous(memory_format=torch.channels_last)  # as `network.build` lays out the weights


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of one training (section 3.1 gives the values; `study.Profile` holds the defaults)."""

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float


@dataclass(frozen=True)
class History:
    """What happened during a training.

    Attributes
    ----------
    train_loss, validation_auc : np.ndarray [epochs] of float64
        Mean cross-entropy of the training batches, and AUC by slice.
    best_epoch : int
        Counted from 1: the one with the highest validation AUC, the earliest of equals; its weights are kept.
    """

    train_loss: np.ndarray[Any, Any]
    validation_auc: np.ndarray[Any, Any]
    best_epoch: int


def choose_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is CUDA where there is one, and the CPU elsewhere.

    Raises
    ------
    InputError
        If it is CUDA and there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device is {name!r}, expected auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda' and torch finds no GPU: use device=auto, or install its driver")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def predict(network: nn.Module, images: Images, ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return P(HGG) of some slices.

    Parameters
    ----------
    ids : np.ndarray [n] of int

    Returns
    -------
    np.ndarray [n] of float64
    """
    if not len(ids):
        return np.empty(0)
    network.eval()
    places = torch.from_numpy(ids).to(images.pixels.device)
    with torch.inference_mode():
        logits = [network(images.batch(batch)) for batch in places.split(EVALUATION_BATCH)]
        # Softmax in double: 1 - p stays apart from 0 where the uncertainty's logarithm needs it.
        return np.asarray(torch.cat(logits).double().softmax(1)[:, 1].cpu().numpy())


def keep_freed_memory() -> None:
    """Let glibc keep the memory that a step frees, for the next step: fresh pages cost it a third of its time."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def finetune(
    network: nn.Module,
    images: Images,
    training: np.ndarray[Any, Any],
    validation: np.ndarray[Any, Any],
    settings: Settings,
    seed: int,
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> History:
    """Train a network by SGD on cross-entropy, and leave it with the weights of its best validation epoch.

    Parameters
    ----------
    network : nn.Module
        On the device of the images; changed in place.
    training, validation : np.ndarray of int
        Ids of slices.
    seed : int
        Of the order of the batches and of dropout. With the same machine, thread count and torch, the result is the
        same to the bit.
    after_epoch : callable
        Told the number of epochs done.
    """
    keep_freed_memory()
    device = images.pixels.device
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(
        trainable, settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay, fused=True
    )
    order = torch.Generator().manual_seed(seed)
    places = torch.from_numpy(training)
    validation_labels = images.labels.cpu().numpy()[validation]
    losses, scores = np.zeros(settings.epochs), np.zeros(settings.epochs)
    best = {name: torch.empty_like(tensor) for name, tensor in network.state_dict().items()}
    deterministic = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with torch.random.fork_rng(), deterministic:
        torch.manual_seed(seed)
        for epoch in range(settings.epochs):
            network.train()
            total = torch.zeros((), device=device)
            for batch in places[torch.randperm(len(places), generator=order)].split(settings.batch_size):
                ids = batch.to(device)
                optimiser.zero_grad()
                loss = cross_entropy(network(images.batch(ids)), images.labels[ids])
                loss.backward()
                optimiser.step()
                total += loss.detach() * len(batch)
            losses[epoch] = total.item() / len(places)
            scores[epoch] = auc(validation_labels, predict(network, images, validation))
            if scores[epoch] > scores[:epoch].max(initial=-1.0):
                for name, tensor in network.state_dict().items():
                    best[name].copy_(tensor)
            after_epoch(epoch + 1)
    network.load_state_dict(best)
    return History(losses, scores, int(scores.argmax()) + 1)
