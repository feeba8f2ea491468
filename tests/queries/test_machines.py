"""A strategy chooses the same with any number of threads, and with the arithmetic of another processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from brats_al_utils.beyond.competitors.competitors import STRATEGIES
from brats_al_utils.queries.pool import Pool, Views


def pool() -> Pool:
    """Return 140 slices and 60 labelled ones: clusters of two and equal scores, which rounding could decide."""
    rng = np.random.default_rng(0)
    signal = rng.integers(-9, 10, (200, 12)) @ rng.integers(-9, 10, (12, 1024)) / 100  # whole numbers
    features = np.maximum(signal + rng.standard_normal(signal.shape), 0).astype(np.float16).astype(np.float32)
    single = rng.random(140, np.float32)
    single[50:80] = 1 - single[20:50]  # as uncertain
    views = Views(single, features[:140])
    score = -np.log(single.astype(float))
    return Pool(np.arange(140) * 3, score, np.arange(140).astype(str), views, features[140:], np.arange(140) % 2)


def choices() -> dict[str, list[list[int]]]:
    """Return what each strategy chooses, by seed."""
    given = pool()
    return {name: [each.choose(given, 40, seed).tolist() for seed in range(2)] for name, each in STRATEGIES.items()}


def test_two_threads_and_another_processor_choose_the_same() -> None:
    """OpenBLAS can be told to add up as another processor would; the choice may not follow it."""
    env = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "OPENBLAS_CORETYPE": "Haswell"}
    code = "import json; from test_machines import choices; print(json.dumps(choices()))"
    here = Path(__file__).parent
    said = subprocess.check_output([sys.executable, "-c", code], cwd=here, encoding="utf-8", env=env)
    with threadpool_limits(1):
        assert json.loads(said.splitlines()[-1]) == choices()
