"""What is often found in place of an image, and is none: by the ending of its name, and by its first bytes."""

from contextlib import suppress
from pathlib import Path

TO_NIFTI = "convert it to NIfTI, for instance with SimpleITK (SimpleITK.WriteImage(SimpleITK.ReadImage(A), 'B.nii.gz'))"
TO_PNG = "save it as PNG"

KINDS = (
    (b"GIF8", "a GIF", TO_PNG),
    (b"BM", "a BMP", TO_PNG),
    (b"RIFF", "a WebP", TO_PNG),
    (b"ftyp", "a HEIC or AVIF picture", TO_PNG),
    (b"NRRD", "an NRRD file", TO_NIFTI),
    (b"DICM", "a DICOM file", "convert its series with dcm2niix"),
    (b"PK\3\4", "a ZIP archive", "unpack it"),
    (b"<!DOCTYPE", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file with git lfs pull"),
)
"""How such files begin (HEIC after 4 bytes, DICOM after 128), what they are, and the mend."""


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
        if first.lstrip()[: len(begins)].lower() == begins.lower() or begins in (first[4:8], first[128:]):
            return f"{kind}, expected {expected}: {mend}"
    return ""
