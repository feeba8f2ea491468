"""A strategy chooses the same with any number of threads, and with the arithmetic of another processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from brats_al_utils.beyond.competitors.competitors import STRATEGIES
from brats_al_utils.queries.pool import Pool, Views

SEEDS = range(2)


def pool() -> Pool:
    """Return 140 slices and 60 labelled ones: clusters of two and equal scores, which rounding could decide."""
    rng = np.random.default_rng(0)
    signal = (
        rng.integers(-9, 10, (200, 12)) @ rng.integers(-9, 10, (12, 1024)) / 100
    )  # whole numbers: the same anywhere
    features = np.maximum(signal + rng.standard_normal(signal.shape), 0).astype(np.float16).astype(np.float32)
    single = rng.random(140, np.float32)
    single[50:80] = 1 - single[20:50]  # as uncertain
    views = Views(single, features[:140])
    score = -np.log(single.astype(float))
    return Pool(np.arange(140) * 3, score, np.arange(140).astype(str), views, features[140:], np.arange(140) % 2)


def choices() -> dict[str, list[list[int]]]:
    """Return what each strategy chooses, by seed."""
    given = pool()
    return {name: [each.choose(given, 40, seed).tolist() for seed in SEEDS] for name, each in STRATEGIES.items()}


@pytest.fixture(scope="module")
def expected() -> dict[str, list[list[int]]]:
    with threadpool_limits(1):
        return choices()


def test_one_and_two_threads_choose_the_same(expected: dict[str, list[list[int]]]) -> None:
    with threadpool_limits(2):
        assert choices() == expected


@pytest.mark.parametrize(("threads", "processor"), [("2", "Haswell")])
def test_another_process_and_processor_choose_the_same(
    expected: dict[str, list[list[int]]], threads: str, processor: str
) -> None:
    """OpenBLAS can be told to add up as another processor would; the choice may not follow it."""
    if not any(library["internal_api"] == "openblas" for library in threadpool_info()):
        pytest.skip("numpy has another BLAS here, which takes no orders")
    env = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "OPENBLAS_CORETYPE": processor}
    code = "import json; from test_machines import choices; print(json.dumps(choices()))"
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, capture_output=True, encoding="utf-8", env=env, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == expected
