"""Random numbers by name: each source of chance in the study has a seed of its own."""

from hashlib import sha256

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the random generator that belongs to a seed and a path of names.

    Generators with different names are independent, and one is the same whatever others are drawn from: adding a
    patient, an arm or a source of chance changes no number that another one sees.

    Parameters
    ----------
    seed : int
        Non-negative.
    *names : str or int
        What the numbers are for, from the general to the particular, as in ``generator(0, "slices", patient_id)``.
    """
    spawn_key = [int.from_bytes(sha256(str(name).encode()).digest()[:4], "big") for name in names]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))


def integer(seed: int, *names: str | int) -> int:
    """Return the seed, in [0, 2**31), of a library that wants a number rather than a generator."""
    return int(generator(seed, *names).integers(2**31))
