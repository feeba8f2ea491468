"""Write a slice as the open cohort holds it: MATLAB 7.3, which is HDF5 behind 512 bytes of MATLAB's own."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

HEADER = b"MATLAB 7.3 MAT-file, Platform: PCWIN64, Created on: Sat Apr 08 20:44:28 2017 HDF5 schema 1.00 ."


def write_slice(path: Path, label: int, person: str, image: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> Path:
    """Write one file; image and mask [rows, columns] are stored with their axes reversed, in chunks, deflated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512, libver="earliest") as file:
        struct = file.create_group("cjdata")
        struct["label"] = np.array([[label]], float)
        struct["PID"] = np.array([[ord(letter)] for letter in person], np.uint16)
        struct["tumorBorder"] = np.zeros((8, 1))
        for name, matrix in (("image", image), ("tumorMask", mask)):
            stored = matrix.T.astype(np.int16 if name == "image" else np.uint8)
            # Chunks that do not divide the image, as MATLAB's do not always.
            chunks = tuple(max(1, (size + 2) // 3) for size in stored.shape)
            struct.create_dataset(name, data=stored, chunks=chunks, compression="gzip", compression_opts=3)
    with path.open("r+b") as raw:
        raw.write(HEADER.ljust(124) + b"\0\2IM")
    return path
