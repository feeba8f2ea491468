"""A file of several parts gives back what was put in, or is refused before it can do harm."""

import os
import re
import zipfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from conftest import read_alone

from brats_al_utils import InputError
from brats_al_utils.beyond.bundles.container import DIGEST, MAX_CONTENT, MAX_FILE, MAX_TEXT, packed, read_parts

PARTS = {"study.json": b'{"a": 1}', "slices/0.csv": b"a,b\n1,2\n", "arrays.safetensors": bytes(range(256))}


def signed(content: bytes) -> bytes:
    """Return a zip archive without comment as a bundle is, with its SHA-256 as the comment."""
    assert content[-2:] == b"\0\0", "the comment's length"
    content = content[:-2] + DIGEST.to_bytes(2, "little")
    return content + sha256(content).hexdigest().encode()


def archive(parts: list[tuple[str, bytes]], how: int = zipfile.ZIP_DEFLATED) -> bytearray:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as file:
        for name, content in parts:
            file.writestr(name, content)
    return bytearray(buffer.getvalue())


def test_what_was_put_in_comes_back(tmp_path: Path) -> None:
    for name, parts in (("one", PARTS), ("two", dict(reversed(PARTS.items())))):
        (tmp_path / name).write_bytes(packed(parts))
        assert read_parts(tmp_path / name) == (PARTS, sha256(packed(PARTS)).hexdigest())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with zipfile.ZipFile(tmp_path / "one") as file:  # as any other program opens it
        assert file.testzip() is None
        assert sorted(file.namelist()) == sorted(PARTS)


def test_each_changed_and_each_missing_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    content = packed({"study.json": b"{}"})
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        for damaged in (changed, content[:place], content[:place] + content[place + 1 :]):
            path.write_bytes(damaged)
            with pytest.raises(InputError, match=re.escape(str(path))):
                read_parts(path)


def test_what_is_no_bundle(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("profile: open", encoding="utf-8")
    (tmp_path / "other").write_bytes(archive([*PARTS.items()]))
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    for name, words in {
        "none.bundle": "none.bundle: not found, expected a bundle",
        ".": "a folder, expected a bundle",
        "pipe": "not found, expected a bundle",
        "text": "not a zip archive.*Git LFS",
        "other": "SHA-256 is another",
        "large": f"{MAX_FILE + 1} bytes, expected at most {MAX_FILE}",
    }.items():
        with pytest.raises(InputError, match=words):
            read_parts(tmp_path / name)


@pytest.mark.parametrize("name", ["../study.json", "/etc/passwd", "a\\b", "C:x", "a/b/c", "slices/", "ü", "x.py"])
def test_hostile_names(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(signed(bytes(archive([("study.json", b""), (name, b"")]))))
    with pytest.raises(InputError, match="a part is called"):
        read_parts(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_archives(tmp_path: Path) -> None:
    encrypted = archive([("lists", b"abc")])
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\1\2") + 8] |= 1
    hostile = {
        "expected each name once": archive([("lists", b"a"), ("lists", b"b")]),
        "51 parts, expected at most 50": archive([("lists", b"")] * 51),  # counted before names are compared
        "encrypted": encrypted,
        "packed in another way": archive([("lists", b"abc")], zipfile.ZIP_LZMA),
        f"and {MAX_TEXT} of each text": archive([("runs.json", bytes(MAX_TEXT + 1))]),
    }
    for words, content in hostile.items():
        (tmp_path / "a.bundle").write_bytes(signed(bytes(content)))
        with pytest.raises(InputError, match=words):
            read_parts(tmp_path / "a.bundle")


@pytest.mark.parametrize("claims", [MAX_CONTENT + 1, 10])
def test_a_part_that_inflates_without_end(claims: int, tmp_path: Path) -> None:
    """It claims what it is, or little: refused in bounded memory either way."""
    content = archive([("lists", bytes(2**26))])
    for place in (22, content.index(b"PK\1\2") + 24):
        content[place : place + 4] = claims.to_bytes(4, "little")
    (tmp_path / "a.bundle").write_bytes(signed(bytes(content)))
    said, megabytes, _ = read_alone(read_parts, tmp_path / "a.bundle", 2**29)
    assert "too large" in said if claims > 10 else "cannot be unpacked" in said
    assert megabytes < 50
