"""Results survive their packing: no AUC changes, and nothing is read that cannot be."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save
from test_run_store import RUN

from brats_al_utils import InputError
from brats_al_utils.beyond.bundles.bundle import ARRAYS, MAX_IDS, ROUNDING, Lists, narrowed, pack, published, unpack
from brats_al_utils.networks.training import auc
from brats_al_utils.runs.run import Result, Run

MEMBER = replace(RUN, pool=(0, 1, 2), order_seed=3)
CHANCES = st.floats(0, 1) | st.sampled_from([0.3, np.nextafter(0.3, 1), 1 - 2**-53, 2**-1074, 0.0, 1.0])


def result(run: Run = RUN, **arrays: np.ndarray) -> Result:
    usual = {"train_loss": np.array([0.7, 0.6]), "validation_auc": np.array([np.nan, 1.0])}
    usual |= {"probability/validation": np.array([0.25, 0.875]), "probability/test": np.array([0.5, 1.0])}
    return Result(run, usual | arrays, 2, 1.5, {"device": "cpu"})


@given(st.lists(st.tuples(CHANCES, st.integers(0, 3)), min_size=4, max_size=30))
def test_no_auc_changes(rows: list[tuple[float, int]]) -> None:
    values, patient = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    for label in (patient % 2, np.arange(len(rows)) % 2):  # of the patient, and of each image
        short = narrowed(values, label, patient)
        assert np.abs(short - values).max() <= ROUNDING
        if len(set(label)) == 2:
            # Of the same pairs: scikit-learn adds them up in other steps where two negatives have become equal.
            assert auc(label, short.astype(float)) == pytest.approx(auc(label, values), abs=1e-12)
    if len(set(patient % 2)) == 2:
        short = narrowed(values, patient % 2, patient).astype(float)
        label = np.unique(patient) % 2
        means = [np.array([each[patient == one].mean() for one in np.unique(patient)]) for each in (values, short)]
        assert auc(label, means[1]) == pytest.approx(auc(label, means[0]), abs=1e-12)


def test_what_float32_would_merge_is_kept() -> None:
    """A negative and a positive slice as close as that; two of one class may be merged."""
    close, patient = np.array([0.3, 0.3 + 1e-16, 0.7]), np.arange(3)
    assert narrowed(close, np.array([0, 1, 1]), patient).dtype == np.float64
    assert narrowed(close, np.array([1, 1, 0]), patient).dtype == np.float32


def test_lists_by_hand() -> None:
    lists = Lists()
    assert [lists.place(ids) for ids in ((0, 2), (1,), (), (0, 2), (3,))] == [0, 1, 2, 0, 3]
    assert lists.table.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_results_come_back() -> None:
    pool = np.array([0.25, 0.5, 1 - 2**-53])
    some, lists = [result(), result(MEMBER, **{"probability/pool": pool})], Lists()
    kept = [published(each, each.arrays, np.arange(7) % 2, np.arange(7), "d" * 64) for each in some]
    parts = pack(kept, lists)
    assert load(parts[ARRAYS])["0/probability/test"].dtype == np.float32
    assert lists.place(RUN.training) == lists.place(MEMBER.pool), "kept once"
    found, again = unpack(parts)
    assert again == list(lists.places)
    for before, after in zip(some, found, strict=True):
        assert (after.run.key, after.best_epoch, after.seconds) == (before.run.key, 2, 1.5)
        assert after.facts == {"device": "cpu", "sha256": "d" * 64}
        for name, values in before.arrays.items():
            assert after.arrays[name].tobytes() == values.tobytes(), name
    once_more = published(found[0], found[0].arrays, np.arange(7) % 2, np.arange(7), "e" * 64)
    assert once_more.facts["sha256"] == "d" * 64, "of the arrays as they were computed"


def changed(**arrays: Any) -> bytes:
    kept = load(pack([result(MEMBER, **{"probability/pool": np.array([0.25, 0.5, 0.75])})], Lists())[ARRAYS])
    kept |= {name.replace("__", "/"): values for name, values in arrays.items()}
    return save({name: values for name, values in kept.items() if values is not None})


NO_ARRAYS = [
    (lambda: changed(lists=np.zeros((2, 3))), "lists is float64"),
    (lambda: changed(lists=np.ones((1, MAX_IDS + 1), np.uint8)), f"at most {MAX_IDS} ids"),
    (lambda: changed(lists=np.zeros((1, 3), np.uint8)), "list . is missing, expected one of 1"),
    (lambda: changed(**{"0__probability__test": np.zeros(3)}), r"probability/test is float64 \(3,\)"),
    (lambda: changed(**{"0__probability__test": np.array([0, 1])}), "probability/test is int64"),
    (lambda: changed(**{"0__probability__test": np.array([0, 1.5])}), "no probabilities"),
    (lambda: changed(**{"0__probability__test": np.array([0, np.nan])}), "no probabilities"),
    (lambda: changed(**{"0__probability__pool": None}), "a run without probability/pool"),
    (lambda: changed(**{"0__views": np.zeros(2)}), "views is float64"),
    (lambda: changed(**{"7__probability__test": np.zeros(2)}), "arrays of 1 runs that have no record"),
    (lambda: b"\xff" * 8 + changed(), "arrays.safetensors cannot be read"),
]


@pytest.mark.parametrize(("content", "words"), NO_ARRAYS)
def test_arrays_that_cannot_be(content: Callable[[], bytes], words: str) -> None:
    parts = pack([result(MEMBER, **{"probability/pool": np.array([0.25, 0.5, 0.75])})], Lists())
    with pytest.raises(InputError, match=words):
        unpack(parts | {ARRAYS: content()})
