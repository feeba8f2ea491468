"""The results in a bundle: a record of each run as JSON, and its arrays as safetensors.

Probabilities are float32 if no AUC changes by it, else float64. Lists of slices, which runs share, are stored once.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load, save

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.cohorts.layout import shown
from brats_al_utils.networks.training import Settings
from brats_al_utils.runs.run import Result, Run

RUNS, ARRAYS = "runs.json", "arrays.safetensors"

LISTS = ("training", "validation", "test", "pool")
"""Fields of a run that hold ids of slices."""

OF_EPOCHS = ("train_loss", "validation_auc")
OF_SLICES = {
    "probability/validation": "validation",
    "probability/test": "test",
    "probability/test_last": "test",
    "audit/tumour_hidden": "test",
    "audit/tumour_alone": "test",
    "probability/pool": "pool",
}
"""Published arrays, with the fields of their slices."""

ALWAYS = (*OF_EPOCHS, "probability/validation", "probability/test", "probability/pool")
"""Arrays of every run; the last only of those with a pool."""

ROUNDING = 2.0**-24
"""Largest difference between a probability and the nearest float32."""

MAX_IDS = 2**22
"""Largest number of ids in all lists of a file, and in all its runs."""

MAX_EPOCHS = 10_000


class Lists:
    """Lists of ascending ids of slices, each stored once."""

    def __init__(self) -> None:
        """Start with no lists."""
        self.places: dict[tuple[int, ...], int] = {}

    def place(self, ids: Iterable[int]) -> int:
        """Return the number of a list, and store it if it is new."""
        return self.places.setdefault(tuple(int(number) for number in ids), len(self.places))

    @property
    def table(self) -> Array:
        """The lists as a table: one row a list, one column a slice, 1 if the slice is in the list."""
        width = 1 + max((ids[-1] for ids in self.places if ids), default=0)
        table = np.zeros((len(self.places), width), np.uint8)
        for ids, row in self.places.items():
            table[row, list(ids)] = 1
        return table


def narrowed(probability: Array, label: Array, patient: Array) -> Array:
    """Return probabilities as float32 if no slice-level or patient-level AUC changes by it; else unchanged.

    Parameters
    ----------
    probability : np.ndarray [n] of float64
    label : np.ndarray [n] of int
        0 or 1.
    patient : np.ndarray [n] of int
        The patient of each slice.
    """
    short = probability.astype(np.float32)
    same = np.array_equal(below(probability, label, patient), below(short.astype(float), label, patient))
    return short if same else probability


def below(probability: Array, label: Array, patient: Array) -> Array:
    """Return the numbers of negative slices below, and not above, each positive one; and the same for patients."""
    means = pd.DataFrame({"mean": probability, "label": label}).groupby(patient).mean()  # as `statistics.by_unit`
    pairs = [(probability, label == 1), (means["mean"].to_numpy(), means["label"].to_numpy() > 0.5)]
    return np.concatenate(
        [
            np.searchsorted(np.sort(values[~positive]), values[positive], side)
            for values, positive in pairs
            for side in ("left", "right")
        ]
    )


def pack(results: Iterable[Result], lists: Lists) -> dict[str, bytes]:
    """Return the parts of a bundle's file with results and lists; ``lists`` may hold some already."""
    records: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {}
    for number, result in enumerate(results):
        spec = {field.name: getattr(result.run, field.name) for field in fields(Run)}
        spec |= {name: lists.place(spec[name]) for name in LISTS} | {"settings": asdict(result.run.settings)}
        records.append({"run": spec, "best_epoch": result.best_epoch, "seconds": result.seconds, "facts": result.facts})
        arrays |= {f"{number}/{name}": np.ascontiguousarray(values) for name, values in result.arrays.items()}
    return {ARRAYS: save(arrays | {"lists": lists.table}), RUNS: json.dumps(records, sort_keys=True).encode()}


def unpack(parts: Mapping[str, bytes]) -> tuple[list[Result], list[tuple[int, ...]]]:
    """Return results and lists, the reverse of `pack`; all arrays are float64.

    Raises
    ------
    InputError, KeyError, TypeError, ValueError
        If a part is missing or invalid.
    """
    try:
        arrays = load(parts[ARRAYS])
    except SafetensorError as error:
        raise InputError(f"{ARRAYS} cannot be read ({error})") from error
    lists = lists_of(arrays.pop("lists"))
    of_runs: dict[str, dict[str, Array]] = {}
    for place, values in arrays.items():
        number, _, name = place.partition("/")
        of_runs.setdefault(number, {})[name] = values
    records = json.loads(parts[RUNS])
    if sum(len(lists[index(record["run"][name], lists)]) for record in records for name in LISTS) > MAX_IDS:
        raise InputError(f"runs of more than {MAX_IDS} slices")
    results = [result_of(record, lists, of_runs.pop(str(place), {})) for place, record in enumerate(records)]
    if of_runs:
        raise InputError(f"arrays of {len(of_runs)} runs that have no record")
    return results, lists


def lists_of(table: Array) -> list[tuple[int, ...]]:
    """Return the lists of a table: see `Lists.table`."""
    if table.dtype != np.uint8 or table.ndim != 2 or np.count_nonzero(table) > MAX_IDS:
        raise InputError(f"lists is {table.dtype} {table.shape}, expected uint8 [lists, slices], at most {MAX_IDS} ids")
    return [tuple(np.flatnonzero(row).tolist()) for row in table]


def index(number: Any, lists: Sequence[tuple[int, ...]]) -> int:
    """Check the number of a list, and return it."""
    if type(number) is not int or not 0 <= number < len(lists):
        raise InputError(f"list {number!r} is missing, expected one of {len(lists)}")
    return number


def result_of(record: Mapping[str, Any], lists: Sequence[tuple[int, ...]], arrays: Mapping[str, Array]) -> Result:
    """Return a run's result from its record and its arrays.

    Raises
    ------
    InputError
        If they are invalid, or do not fit each other.
    """
    spec = dict(record["run"])
    settings = Settings(**spec["settings"])
    if type(settings.epochs) is not int or not 0 < settings.epochs <= MAX_EPOCHS:
        raise InputError(f"epochs is {settings.epochs!r}, expected 1 to {MAX_EPOCHS}")
    ids = {name: lists[index(spec[name], lists)] for name in LISTS}
    run = Run(**spec | ids | {"settings": settings, "views": tuple(spec["views"])})
    if run.views:
        raise InputError(f"a run with {', '.join(run.views)}, which no bundle holds")
    if type(record["best_epoch"]) is not int or not 1 <= record["best_epoch"] <= settings.epochs:
        raise InputError(f"best_epoch is {record['best_epoch']!r}, expected 1 to {settings.epochs}")
    if missing := set(ALWAYS[: None if run.pool else -1]) - set(arrays):
        raise InputError(f"a run without {', '.join(sorted(missing))}")
    sizes = dict.fromkeys(OF_EPOCHS, settings.epochs) | {name: len(ids[of]) for name, of in OF_SLICES.items()}
    for name, values in arrays.items():
        if name not in sizes or values.shape != (sizes[name],) or values.dtype not in (np.float32, np.float64):
            raise InputError(f"{name} is {values.dtype} {values.shape}, expected float [{sizes.get(name, 0)}]")
        if name in OF_SLICES and not ((values >= 0) & (values <= 1)).all():
            raise InputError(f"{name}: values that are no probabilities, expected 0 to 1")
    facts = {shown(str(name)): shown(str(value)) for name, value in record["facts"].items()}
    exact = {name: values.astype(np.float64) for name, values in arrays.items()}
    return Result(run, exact, record["best_epoch"], float(record["seconds"]), facts)


def published(result: Result, names: Iterable[str], label: Array, patient: Array, digest: str) -> Result:
    """Return the published part of a result: some of its arrays, narrowed, and the SHA-256 of all original arrays.

    Parameters
    ----------
    label, patient : np.ndarray of int
        Label and patient of each slice of its set.
    digest : str
        SHA-256 of the arrays; a result that itself comes from a bundle keeps the SHA-256 there.
    """
    arrays = {name: result.arrays[name] for name in names}
    for name, values in arrays.items():
        ids = result.run.ids(OF_SLICES[name]) if name in OF_SLICES else np.empty(0, np.int64)
        if len(ids) and name != "probability/pool":  # the choice of slices depends on its last digits
            arrays[name] = narrowed(values, label[ids], patient[ids])
    return replace(result, arrays=arrays, facts={"sha256": digest} | result.facts)
