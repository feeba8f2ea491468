"""AlexNet and the other networks that the paper names, with two outputs, from each of their starts.

torchvision takes seconds to import and is needed only where a network is built: the functions that use it import it.
"""

import copy
from functools import lru_cache
from typing import Any

import pandas as pd
import torch
from torch import nn

from brats_al_utils import InputError
from brats_al_utils.networks.weights import TRUNKS, imagenet_state, trunk_state
from brats_al_utils.seeds import generator

NETWORK_NAMES = {"alexnet": "AlexNet", "googlenet": "GoogLeNet", "vgg16": "VGG-16", "resnet18": "ResNet-18"}
NETWORKS = tuple(NETWORK_NAMES)
"""torchvision's names of the networks."""

LAST_LAYERS = {"alexnet": "classifier.6", "googlenet": "fc", "vgg16": "classifier.6", "resnet18": "fc"}
"""The last layer, which has ImageNet's classes; its module holds every layer that is not convolutional."""

OPTIONS = {"googlenet": {"aux_logits": False, "init_weights": True}}
"""GoogLeNet without its two auxiliary heads, and with torchvision's default initialisation."""

SHUFFLED = "-shuffled"

START_NAMES = {
    "imagenet": "ImageNet",
    "imagenet-trunk": "ImageNet convolutional layers",
    "scratch": "random",
    "imagenet-shuffled": "ImageNet, shuffled",
    "imagenet-trunk-shuffled": "ImageNet convolutional layers, shuffled",
}
STARTS = tuple(START_NAMES)
"""Initialisations: all of torchvision's ImageNet layers but the last; the convolutional layers only (AlexNet's five,
VGG-16's thirteen); random weights; and the first two with the values of each tensor in random order. Shuffled weights
have the scale of the pretrained ones, and nothing that these have learned (after Raghu et al. 2019, Transfusion, who
draw values of the same mean and variance)."""

NORMALISATIONS = {
    "scratch": ((0.0,) * 3, (1.0,) * 3),
    "googlenet": ((0.5,) * 3, (0.5,) * 3),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and standard deviation of pixels in 0..1. GoogLeNet's weights have another origin than torchvision's own and
expect other values, which torchvision computes in a first step (``transform_input``) that is switched off here."""

SIZES = ("kernel", "stride", "padding")
LAYER_NAMES: dict[type[nn.Module], str] = {nn.Conv2d: "Conv", nn.MaxPool2d: "Maxpool", nn.Linear: "FC"}
"""Names of the layers in Table 1."""


def starts_of(network: str) -> tuple[str, ...]:
    """Return the initialisations of a network: convolutional layers alone are not available of all."""
    return tuple(start for start in STARTS if network in TRUNKS or "trunk" not in start)


def initial_state(start: str, network: str = "alexnet") -> dict[str, torch.Tensor]:
    """Return the pretrained tensors of an initialisation by torchvision's names, not shuffled; all others are random.

    Raises
    ------
    InputError
        If its weights are not available.
    """
    source = start.removesuffix(SHUFFLED)
    if source == "imagenet":
        # GoogLeNet's file also holds its auxiliary heads.
        left_out = (f"{LAST_LAYERS[network]}.", "aux1.", "aux2.")
        return {name: tensor for name, tensor in imagenet_state(network).items() if not name.startswith(left_out)}
    return trunk_state(network) if source == "imagenet-trunk" else {}


def shuffled_state(state: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """Return each tensor with its values in random order."""
    return {
        name: torch.from_numpy(generator(seed, "shuffled weights", name).permutation(tensor.flatten().numpy())).view(
            tensor.shape
        )
        for name, tensor in state.items()
    }


def build(start: str, seed: int, freeze: bool = False, network: str = "alexnet") -> nn.Module:
    """Return a network with two logits, LGG and HGG: AlexNet (Table 1) or another that the paper names.

    Parameters
    ----------
    start : str
        One of `starts_of` the network.
    seed : int
        Seed of the random weights, and of the order of shuffled ones.
    freeze : bool
        Freeze the convolutional layers (section 2.2.2, the scenario that the paper does not use).
    network : str
        One of ``NETWORKS``.

    Raises
    ------
    InputError
        As `initial_state`.
    """
    return copy.deepcopy(initial_network(start, seed, freeze, network))


@lru_cache(maxsize=1)
def initial_network(start: str, seed: int, freeze: bool, network: str) -> nn.Module:
    """Return the network that `build` copies: drawing 57 million weights is slow, and consecutive runs share a seed."""
    from torchvision.models import get_model

    state = initial_state(start, network)
    with torch.random.fork_rng(devices=[]):  # weights are drawn on the CPU
        torch.default_generator.manual_seed(seed)
        built: nn.Module = get_model(network, num_classes=2, **OPTIONS.get(network, {}))
    if start.endswith(SHUFFLED):
        state = shuffled_state(state, seed)
    if built.load_state_dict(state, strict=False).unexpected_keys:
        raise InputError(f"the weights of {start} are not {NETWORK_NAMES[network]}'s: install them again")
    if freeze:
        head, _, _ = LAST_LAYERS[network].partition(".")
        for name, part in built.named_children():
            part.requires_grad_(name == head)
    # Channels last: the layout in which convolutions are fastest on the CPU and on tensor cores.
    return built.to(memory_format=torch.channels_last)


def normalisation(start: str, network: str = "alexnet") -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and standard deviation of pixels in 0..1 of an initialisation: its pretraining's, or none."""
    return NORMALISATIONS.get(start if start == "scratch" else network, NORMALISATIONS["imagenet"])


def architecture() -> pd.DataFrame:
    """Return Table 1 of this network: layer, kernel, stride, padding and output, for images of 224 x 224 pixels.

    The numbers are read off the network and off the outputs of its layers.
    """
    network = build("scratch", 0).eval()
    counts = dict.fromkeys(LAYER_NAMES.values(), 0)
    rows: list[dict[str, Any]] = []

    def record(layer: nn.Module, _: Any, output: torch.Tensor) -> None:
        kind = LAYER_NAMES[type(layer)]
        counts[kind] += 1
        sizes = {name: getattr(layer, f"{name}_size" if name == "kernel" else name, None) for name in SIZES}
        width = {name: size[0] if isinstance(size, tuple) else size for name, size in sizes.items()}
        rows.append({"layer": f"{kind}{counts[kind]}", **width, "output": "x".join(map(str, output.shape[1:]))})

    for layer in network.modules():
        if type(layer) in LAYER_NAMES:
            layer.register_forward_hook(record)
    with torch.inference_mode():
        network(torch.zeros(1, 3, 224, 224))
    return pd.DataFrame(rows).astype(dict.fromkeys(SIZES, "Int64"))
