"""Results as they are published: every run's specification and predictions, packed into few bytes.

A probability is kept as its distance to the nearer of 0 and 1, to as many binary digits as keep the order of the
slices and of the patients' means, in which every AUC lies; or to the last bit, where a table needs the value itself.
Lists of slices, which runs share, are kept once.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.networks.training import Settings
from brats_al_utils.runs.run import Published, Result, Run

Array = np.ndarray[Any, Any]

LISTS = ("training", "validation", "test", "pool")
"""Fields of a run that are ids of slices."""

OF_EPOCHS = ("train_loss", "validation_auc")
OF_SLICES = {
    "probability/validation": "validation",
    "probability/test": "test",
    "probability/test_last": "test",
    "audit/tumour_hidden": "test",
    "audit/tumour_alone": "test",
    "probability/pool": "pool",
}
"""Arrays that are published, by the slices that they are of."""

MANTISSA = 52
"""Bits of a float64's mantissa."""

FEWEST_DIGITS = 14
"""Bits of the mantissa that are kept at least, so that what is kept differs from the whole by ``KEPT`` at most."""

KEPT = 2.0 ** -(FEWEST_DIGITS + 2)
"""Half of the last digit of a distance of a half, the largest."""

MAX_IDS = 2**23
"""Ids of all lists together, and of all runs together: several times what a published study has."""


class Lists:
    """Lists of slices, each kept once; ids ascend in each."""

    def __init__(self) -> None:
        """Start without any."""
        self.places: dict[tuple[int, ...], int] = {}

    def place(self, ids: Iterable[int]) -> int:
        """Return the number of a list, which is kept now if it is new."""
        return self.places.setdefault(tuple(int(number) for number in ids), len(self.places))

    def packed(self, slices: int) -> bytes:
        """Return the lists, one after the other, as a bit for each of so many slices."""
        rows = np.zeros((len(self.places), slices), bool)
        for ids, row in self.places.items():
            rows[row, list(ids)] = True
        return np.packbits(rows, axis=1).tobytes()


def unpacked_lists(content: bytes, slices: int) -> list[tuple[int, ...]]:
    """Return the lists that `Lists.packed` gave.

    Raises
    ------
    InputError
        If they are not whole, name slices that there are not, or are too many.
    """
    width = -(-slices // 8)
    if not 0 < slices <= MAX_IDS or len(content) % width:
        raise InputError(f"lists of {len(content)} bytes, expected a multiple of {width}")
    rows = np.frombuffer(content, np.uint8).reshape(-1, width)
    if int(np.bitwise_count(rows).sum()) > MAX_IDS:
        raise InputError(f"lists of more than {MAX_IDS} slices")
    if slices % 8 and (rows[:, -1] & (2 ** (8 - slices % 8) - 1)).any():
        raise InputError(f"a list names slices beyond the {slices} that there are")
    return [tuple(np.flatnonzero(np.unpackbits(row)).tolist()) for row in rows]


def distances(probability: Array) -> Array:
    """Return the distance of each probability to the nearer of 0 and 1, negative for the latter; nothing is lost."""
    return np.where(probability > 0.5, -(1 - probability), probability)


def probabilities(distance: Array) -> Array:
    """Return what `distances` was given."""
    return np.where(np.signbit(distance), 1 + distance, distance)


def rounded(distance: Array, digits: int) -> Array:
    """Return float64 numbers with so many bits of their mantissa, the others zero."""
    if digits >= MANTISSA:
        return distance
    last = np.uint64(1) << np.uint64(MANTISSA - digits)
    half = last >> np.uint64(1)
    return ((distance.view(np.uint64) + half) & ~(last - np.uint64(1))).view(np.float64)


def ranks(values: Array) -> Array:
    """Return the rank of each value, from 0; equals share one."""
    return np.unique(values, return_inverse=True)[1]


def shortened(probability: Array, patient: Array) -> Array:
    """Return probabilities with the fewest digits that keep the order of slices and of patients' means.

    Parameters
    ----------
    probability : np.ndarray [n] of float64
    patient : np.ndarray [n] of int
        Whose slice each is, from 0.

    Returns
    -------
    np.ndarray [n] of float64
        At least ``FEWEST_DIGITS``: none is off by more than ``KEPT``.
    """

    def order(values: Array) -> Array:
        means = pd.Series(values).groupby(patient).mean().to_numpy()  # as `statistics.by_unit`, to the last bit
        return np.concatenate([ranks(values), ranks(means)])

    exact, expected = distances(probability), order(probability)
    tried = (probabilities(rounded(exact, digits)) for digits in range(FEWEST_DIGITS, MANTISSA))
    return next((values for values in tried if np.array_equal(order(values), expected)), probability)


def planes(values: Array) -> bytes:
    """Return float64 numbers byte by byte, first the lowest byte of all of them: alike bytes pack well."""
    return np.ascontiguousarray(values.astype("<f8").view(np.uint8).reshape(-1, 8).T).tobytes()


def from_planes(content: bytes) -> Array:
    """Return what `planes` was given."""
    return np.ascontiguousarray(np.frombuffer(content, np.uint8).reshape(8, -1).T).view("<f8").ravel()


def pack(published: Iterable[Published], lists: Lists) -> dict[str, bytes]:
    """Return the parts of a bundle that hold results, in order of their keys; their ids go among the lists."""
    records, numbers = [], {name: [np.empty(0)] for name in (*OF_EPOCHS, *OF_SLICES)}
    for each in sorted(published, key=lambda each: each.result.run.key):
        result = each.result
        spec = {field.name: getattr(result.run, field.name) for field in fields(Run)}
        spec |= {name: lists.place(spec[name]) for name in LISTS} | {"settings": asdict(result.run.settings)}
        facts = {"best_epoch": result.best_epoch, "seconds": round(result.seconds, 3), "facts": result.facts}
        arrays = [name for name in numbers if name in result.arrays]
        records.append({"run": spec, "digest": each.digest, "arrays": arrays} | facts)
        for name in arrays:
            values = result.arrays[name]
            numbers[name].append(values if name in OF_EPOCHS else distances(values))
    parts = {f"numbers/{name.replace('/', '_')}": planes(np.concatenate(some)) for name, some in numbers.items()}
    return parts | {"runs.json": json.dumps(records, sort_keys=True).encode()}


def unpack(parts: Mapping[str, bytes], lists: Sequence[tuple[int, ...]]) -> dict[str, Published]:
    """Return what `pack` was given, by key.

    Raises
    ------
    InputError, KeyError, TypeError, ValueError
        If a part is missing or not what it must be.
    """
    records = json.loads(parts["runs.json"])
    runs = [run_of(record["run"], lists) for record in records]
    if sum(len(getattr(run, name)) for run in runs for name in LISTS) > MAX_IDS:
        raise InputError(f"runs of more than {MAX_IDS} slices")
    arrays: list[dict[str, Array]] = [{} for _ in runs]
    for name in (*OF_EPOCHS, *OF_SLICES):
        having = [place for place, record in enumerate(records) if name in record["arrays"]]
        sizes = [size(runs[place], name) for place in having]
        content = parts[f"numbers/{name.replace('/', '_')}"]
        if len(content) != 8 * sum(sizes):
            raise InputError(f"{name}: {len(content)} bytes, expected {8 * sum(sizes)} for {len(having)} runs")
        values = from_planes(content)
        if name in OF_SLICES:
            values = probabilities(values)
            if not ((values >= 0) & (values <= 1)).all():
                raise InputError(f"{name}: values that are no probabilities, expected 0 to 1")
        for place, some in zip(having, np.split(values, np.cumsum(sizes)[:-1]), strict=True) if having else ():
            arrays[place][name] = some
    return {run.key: one_of(run, record, some) for run, record, some in zip(runs, records, arrays, strict=True)}


def one_of(run: Run, record: Mapping[str, Any], arrays: dict[str, Array]) -> Published:
    """Return a run's result from its record."""
    best = record["best_epoch"]
    if type(best) is not int or not 1 <= best <= run.settings.epochs:
        raise InputError(f"best_epoch is {best!r}, expected 1 to {run.settings.epochs}")
    result = Result(run, arrays, best, float(record["seconds"]), dict(record["facts"]))
    return Published(result, str(record["digest"]))


def run_of(spec: Mapping[str, Any], lists: Sequence[tuple[int, ...]]) -> Run:
    """Return a run from its record, in which lists stand by their numbers."""
    for name in LISTS:
        if type(spec[name]) is not int or not 0 <= spec[name] < len(lists):
            raise InputError(f"{name} is list {spec[name]!r}, expected one of {len(lists)}")
    settings = Settings(**spec["settings"])
    if type(settings.epochs) is not int or not 0 < settings.epochs <= MAX_IDS:
        raise InputError(f"epochs is {settings.epochs!r}, expected a number")
    ids = {name: lists[spec[name]] for name in LISTS}
    return Run(**dict(spec) | ids | {"settings": settings, "views": tuple(spec["views"])})


def size(run: Run, name: str) -> int:
    """Return how many numbers an array of a run has."""
    return run.settings.epochs if name in OF_EPOCHS else len(getattr(run, OF_SLICES[name]))
