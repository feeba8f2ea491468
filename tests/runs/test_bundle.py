"""Results survive their packing: to the bit, or in the order of slices and patients."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.beyond.bundles.bundle import (
    KEPT,
    Lists,
    distances,
    from_planes,
    pack,
    planes,
    probabilities,
    rounded,
    shortened,
    unpack,
    unpacked_lists,
)
from brats_al_utils.networks.training import Settings, auc
from brats_al_utils.runs.run import Published, Result, Run

SETTINGS = Settings(epochs=2, batch_size=16, learning_rate=0.001, momentum=0.8, weight_decay=0.0001)
RUN = Run("f" * 64, (0, 1, 2), (3, 4), (5, 6), (), "scratch", False, SETTINGS, weights_seed=1, order_seed=2)
MEMBER = replace(RUN, pool=(0, 1, 2), views=("features",), order_seed=3)
CHANCES = st.floats(0, 1) | st.sampled_from([0.5, np.nextafter(0.5, 1), 1 - 2**-53, 2**-1074, 0.0, 1.0])


def published(run: Run = RUN, **arrays: np.ndarray) -> Published:
    usual = {"train_loss": np.array([0.7, 0.6]), "validation_auc": np.array([np.nan, 1.0])}
    usual |= {"probability/validation": np.array([0.1, 0.9]), "probability/test": np.array([0.3, 1.0])}
    return Published(Result(run, usual | arrays, 2, 1.5, {"device": "cpu"}), "d" * 64)


@given(st.lists(CHANCES, min_size=1, max_size=20))
def test_a_distance_keeps_every_bit(values: list[float]) -> None:
    given_, distance = np.array(values), distances(np.array(values))
    assert np.abs(distance).max() <= 0.5
    assert probabilities(distance).tobytes() == given_.tobytes()
    assert from_planes(planes(distance)).tobytes() == distance.tobytes()


def test_numbers_are_packed_byte_by_byte() -> None:
    assert planes(np.array([1.0, -2.0])) == bytes(12) + bytes([0xF0, 0x00, 0x3F, 0xC0])


def test_rounding_by_hand() -> None:
    """1.25 is 1.01 in binary: to one digit 1.1 (halves go up), to two it stays."""
    values = np.array([1.25, -1.25, 1.2, 0.4375])
    assert rounded(values, 1).tolist() == [1.5, -1.5, 1.0, 0.5]
    assert rounded(values, 2).tolist() == [1.25, -1.25, 1.25, 0.4375]
    assert rounded(values, 52).tolist() == values.tolist()


@given(st.lists(st.tuples(CHANCES, st.integers(0, 3), st.booleans()), min_size=1, max_size=30))
def test_the_order_of_slices_and_of_patients_is_kept(rows: list[tuple[float, int, bool]]) -> None:
    values, patient = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    label, short = np.array([row[2] for row in rows]), shortened(values, patient)
    assert np.abs(short - values).max() <= KEPT
    for one in (short, short[::-1]):
        before = values if one is short else values[::-1]
        assert (np.sign(one[:, None] - one) == np.sign(before[:, None] - before)).all()
    if len(set(label)) == 2:
        assert auc(label, short) == auc(label, values)
    count = np.bincount(patient)
    means = [np.bincount(patient, each)[count > 0] / count[count > 0] for each in (values, short)]
    order = [np.sign(each[:, None] - each) for each in means]
    assert (order[0] == order[1]).all()


def test_few_digits_are_kept_where_few_are_needed() -> None:
    rng, patient = np.random.default_rng(0), np.arange(400) // 4
    short = shortened(rng.random(400), patient)
    bits = distances(short).view(np.uint64)
    assert not (bits & np.uint64(2**20 - 1)).any(), "at most 32 of 52 digits"
    close = np.array([0.3, 0.3 + 1e-16, 0.7])
    first, second, third = shortened(close, np.arange(3))
    assert first < second < third, "as many as need be"


def test_lists_by_hand() -> None:
    lists = Lists()
    assert [lists.place(ids) for ids in ((0, 2), (1,), (), (0, 2), (8,))] == [0, 1, 2, 0, 3]
    content = lists.packed(9)
    assert content == bytes([0b10100000, 0, 0b01000000, 0, 0, 0, 0, 0b10000000])
    assert unpacked_lists(content, 9) == [(0, 2), (1,), (), (8,)]


@pytest.mark.parametrize(
    ("content", "slices", "words"),
    [
        (bytes(3), 9, "expected a multiple of 2"),
        (bytes([0, 0b01000000]), 9, "beyond the 9"),
        (b"", 0, "lists of 0 bytes"),
        (b"\xff" * 2**21, 8, "lists of more than"),
    ],
)
def test_lists_that_cannot_be(content: bytes, slices: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        unpacked_lists(content, slices)


def test_results_come_back() -> None:
    some = [published(), published(MEMBER, **{"probability/pool": np.array([0.25, 0.5, 1 - 2**-53])})]
    lists = Lists()
    parts = pack(some, lists)
    assert parts == pack(reversed(some), lists), "in order of their keys"
    assert lists.place(RUN.training) == lists.place(MEMBER.pool), "kept once"
    found = unpack(parts, unpacked_lists(lists.packed(7), 7))
    assert set(found) == {RUN.key, MEMBER.key}
    for before in some:
        after = found[before.result.run.key]
        assert (after.result.run, after.digest) == (before.result.run, before.digest)
        assert (after.result.best_epoch, after.result.facts) == (2, {"device": "cpu"})
        assert set(after.result.arrays) == set(before.result.arrays)
        for name, values in before.result.arrays.items():
            assert after.result.arrays[name].tobytes() == values.tobytes(), name
