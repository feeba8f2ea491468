"""Random numbers by name: each source of chance in a study has its own seed."""

from hashlib import sha256

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the random generator of a seed and a path of names.

    Generators with different names are independent, and do not depend on which others exist: a further patient, arm or
    source of chance changes no number of another.

    Parameters
    ----------
    seed : int
        Non-negative.
    *names : str or int
        Purpose of the numbers, from the general to the particular, as in ``generator(0, "slices", patient_id)``.
    """
    spawn_key = [int.from_bytes(sha256(str(name).encode()).digest()[:4], "big") for name in names]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))


def integer(seed: int, *names: str | int) -> int:
    """Return a seed in [0, 2**31), for a library that takes a number rather than a generator."""
    return int(generator(seed, *names).integers(2**31))
