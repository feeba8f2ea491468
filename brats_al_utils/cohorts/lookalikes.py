"""What is often found under the name of an image, and is none."""

from contextlib import suppress
from pathlib import Path

KINDS = (
    (b"GIF8", "a GIF", "save it as PNG"),
    (b"BM", "a BMP", "save it as PNG"),
    (b"RIFF", "a WebP", "save it as PNG"),
    (b"DICM", "a DICOM file", "convert its series with dcm2niix"),
    (b"PK\3\4", "a ZIP archive", "unpack it"),
    (b"<!DOCTYPE", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file with git lfs pull"),
)
"""How such files begin (DICOM after 128 bytes), what they are, and the mend."""


def other_kind(path: Path, expected: str) -> str:
    """Return what a message says of a file that is of another kind; nothing of one whose kind is not known.

    Parameters
    ----------
    expected : str
        The kinds that are read.
    """
    first = b""
    with suppress(OSError), path.open("rb") as file:
        first = file.read(132)
    for begins, kind, mend in KINDS:
        if first.lstrip()[: len(begins)].lower() == begins.lower() or first[128:] == begins:
            return f"{kind}, expected {expected}: {mend}"
    return ""
