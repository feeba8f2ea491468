"""Read a slice of the open cohort as published: a MATLAB 7.3 file, which is HDF5, with a struct ``cjdata``.

A hostile file cannot make us read other files or take much memory. Links, references, virtual and external storage
are refused, and sizes are checked before anything is read. Chunks are inflated here, because HDF5 has no bound for that
and loads plug-ins for filters that it does not know.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.cohorts.volumes import MAX_VOXELS, Volume
from brats_al_utils.files import mend_for

STRUCT = "cjdata"
IMAGE, TUMOUR, PERSON, LABEL = "image", "tumorMask", "PID", "label"

MOST = {IMAGE: MAX_VOXELS, TUMOUR: MAX_VOXELS, PERSON: 64, LABEL: 1}
"""Largest number of values in each field (an image has 512 x 512)."""

MAX_BYTES = 2**26
"""Largest size in bytes of a file, of a stored chunk, and of an inflated one (the open cohort's files: below 1 MB)."""

MAX_CHUNKS = 2**12
"""Largest number of chunks of a field (MATLAB writes about ten)."""


@contextmanager
def opened(path: Path) -> Iterator[dict[str, h5py.Dataset]]:
    """Open a file, and yield its fields, which are not read yet.

    Raises
    ------
    InputError
        If it cannot be read, also within the block, or if a field has another form than in the open cohort.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes, expected at most {MAX_BYTES}")
        with h5py.File(path, "r", locking=False) as file:
            struct = linked(file, STRUCT, h5py.Group)
            fields = {name: linked(struct, name, h5py.Dataset) for name in MOST}
            for name, found in fields.items():
                check(name, found)
            if fields[IMAGE].shape != fields[TUMOUR].shape:
                raise ValueError(f"{IMAGE} of {fields[IMAGE].shape}, {TUMOUR} of {fields[TUMOUR].shape}: not one size")
            yield fields
    except InputError:
        raise
    except Exception as error:  # a damaged file can make HDF5 stumble over anything
        why = " ".join(str(error).split()) or type(error).__name__
        otherwise = "download it again, or convert your own images (PNG or NIfTI) and name them in a table"
        raise InputError(
            f"{path}: cannot be read as a MATLAB 7.3 file of the open cohort ({why}): {mend_for(error, otherwise)}"
        ) from error


def linked(group: h5py.Group, name: str, kind: type) -> Any:
    """Return the member of a group with a name, which must lie in the same file."""
    link = group.get(name, getlink=True)
    if link is None:
        raise ValueError(f"no {name} in it")
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"{name} is a link to something else")
    found = group[name]
    if not isinstance(found, kind):
        raise ValueError(f"{name} is a {type(found).__name__}, expected a {kind.__name__}")
    return found


def check(name: str, found: h5py.Dataset) -> None:
    """Refuse a field that does not hold a few numbers, before it is read."""
    shape = found.shape or ()
    if len(shape) != 2 or not 0 < prod(shape) <= MOST[name]:
        raise ValueError(f"{name} of shape {shape}, expected two dimensions and at most {MOST[name]} numbers")
    if found.dtype.kind not in "iuf" or found.dtype.itemsize > 8:
        raise ValueError(f"{name} of type {found.dtype}, expected numbers")
    if found.is_virtual or found.external:
        raise ValueError(f"{name} lies in other files")


def read(found: h5py.Dataset) -> Array:
    """Return a field's numbers with MATLAB's axes reversed, as the file stores them."""
    if found.chunks is None:
        if found.id.get_storage_size() != found.nbytes:
            raise ValueError(f"{found.id.get_storage_size()} bytes stored, expected {found.nbytes}")
        return np.asarray(found[()])
    return unpacked(found)


def unpacked(found: h5py.Dataset) -> Array:
    """Return a chunked field's numbers; MATLAB uses no filter but deflate."""
    plan = found.id.get_create_plist()
    filters = [plan.get_filter(place)[0] for place in range(plan.get_nfilters())]
    size = prod(found.chunks) * found.dtype.itemsize
    count = prod(ceil(whole / step) for whole, step in zip(found.shape, found.chunks, strict=True))
    if filters not in ([], [h5py.h5z.FILTER_DEFLATE]) or size > MAX_BYTES or count > MAX_CHUNKS:
        raise ValueError(f"{count} chunks of {size} bytes with the filters {filters}, expected few and deflate alone")
    made = np.empty(found.shape, found.dtype)
    for start in product(*map(range, [0] * 2, found.shape, found.chunks)):
        if (found.id.get_chunk_info_by_coord(start).size or 0) > MAX_BYTES:
            raise ValueError(f"a chunk of more than {MAX_BYTES} bytes")
        skipped, stored = found.id.read_direct_chunk(start)
        if filters and not skipped:
            stream = zlib.decompressobj()
            stored = stream.decompress(stored, size + 1)
            if not stream.eof:
                raise ValueError("a chunk whose deflated numbers do not end where they should")
        if len(stored) != size:
            raise ValueError(f"a chunk of {len(stored)} bytes, expected {size}")
        rows, columns = (
            min(step, whole - at) for at, step, whole in zip(start, found.chunks, found.shape, strict=True)
        )
        piece = np.frombuffer(stored, found.dtype).reshape(found.chunks)[:rows, :columns]
        made[start[0] : start[0] + rows, start[1] : start[1] + columns] = piece
    return made


def read_facts(path: Path) -> tuple[float, str]:
    """Return the label and the person's id of a slice.

    Raises
    ------
    InputError
        As `opened`.
    """
    with opened(path) as fields:
        letters = read(fields[PERSON]).ravel()
        return float(read(fields[LABEL])[0, 0]), "".join(map(chr, letters.astype(np.int64)))


def read_matlab(path: Path, field: str) -> Volume:
    """Read ``IMAGE`` or ``TUMOUR`` as a volume of one slice [columns, rows, 1]; pixels count as 1 mm.

    Raises
    ------
    InputError
        As `opened`, and if there are NaN or infinite pixels.
    """
    with opened(path) as fields:
        pixels = read(fields[field])
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise ValueError(f"{field} holds NaN or infinite pixels")
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    return Volume(pixels[:, :, None], np.eye(4), (1.0, 1.0, 1.0))
