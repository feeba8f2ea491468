"""The state of an annotation, which it needs to resume: held-out patients, queries, and what was learned."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from brats_al_utils import InputError
from brats_al_utils.cohorts.layout import shown
from brats_al_utils.cohorts.split import HELD_OUT_SHARE, PARTS
from brats_al_utils.files import mend_for, write_file

FEWEST_HELD_OUT = 10
"""Smallest number of patients in the validation and in the test set."""

FEWEST_PATIENTS = 3 * FEWEST_HELD_OUT
"""Smallest number of patients: with fewer, nothing would be left to choose from."""

FEWEST_GIVEN = 2
"""Smallest number of patients in a part of the table's split: one patient may have one class only."""


@dataclass(frozen=True)
class Query:
    """One query.

    Attributes
    ----------
    strategy, unit : str
    budget : int
    random_share : float
    labelled : int
        Number of labelled training slices before the query.
    asked : dict of str to str
        Why each slice was proposed: one of `draws.WHY`, or the strategy.
    """

    strategy: str
    unit: str
    budget: int
    random_share: float
    labelled: int
    asked: dict[str, str]


@dataclass(frozen=True)
class Point:
    """A committee's predictions for the test set.

    Attributes
    ----------
    fingerprint : str
        Fingerprint of the slice set with the labels that it was trained on.
    labelled : int
        Number of slices that it was trained on.
    probability : dict of str to float
        Probability of the positive class, mean over the members, by slice.
    """

    fingerprint: str
    labelled: int
    probability: dict[str, float]


@dataclass(frozen=True)
class State:
    """Everything that is stored of an annotation, apart from its answers.

    Attributes
    ----------
    settings : dict
        Settings that differ from the profile ``open``, among them the classes.
    validation, test : tuple of str
        Patients held out, in the order in which they are asked for.
    queries : tuple of Query
    points : tuple of Point
    learned : dict of str to str
        The answers by slice when `learning.learn` was called last.
    format : int
        Version of the file, increased when older ones can no longer be used.
    """

    settings: dict[str, Any]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    queries: tuple[Query, ...] = ()
    points: tuple[Point, ...] = ()
    learned: dict[str, str] = field(default_factory=dict)
    format: Literal[1] = 1


def random_order(names: Iterable[str], seed: int, what: str) -> list[str]:
    """Return names in random order; names that are added later do not change the order of the others.

    Parameters
    ----------
    what : str
        Another word gives another order.
    """
    return sorted(set(names), key=lambda name: sha256(f"{seed} {what} {name}".encode()).digest())


def hold_out(patients: Mapping[str, str], seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Draw the patients of the validation and of the test set, whether they have a label or not.

    Parameters
    ----------
    patients : mapping of str to str
        Part of each patient in the table's column split, or an empty text.

    Returns
    -------
    validation, test : tuple of str
        As the table says. A part that it names nowhere gets, of the patients without a part, the paper's share of all
        (66 of 335), but at least ``FEWEST_HELD_OUT``; in random order.

    Raises
    ------
    InputError
        If there are fewer than ``FEWEST_PATIENTS``, or fewer than ``FEWEST_GIVEN`` in a part of the table's split.
    """
    if len(patients) < FEWEST_PATIENTS:
        raise InputError(
            f"{len(patients)} patients, expected at least {FEWEST_PATIENTS}, of which {FEWEST_HELD_OUT} each are held "
            "out for validation and test: add images of others"
        )
    order = random_order(patients, seed, "patients")
    size, others = max(FEWEST_HELD_OUT, round(HELD_OUT_SHARE * len(order))), iter(given_to("", patients, order))
    validation, test = (given_to(part, patients, order) or tuple(islice(others, size)) for part in PARTS[1:])
    sizes = dict(zip(PARTS, (len(order) - len(validation) - len(test), len(validation), len(test)), strict=True))
    if min(sizes.values()) < FEWEST_GIVEN:
        told = ", ".join(f"{part}: {size}" for part, size in sizes.items())
        raise InputError(
            f"column split: patients in {told}, expected at least {FEWEST_GIVEN} in each, or nothing can be "
            "learned: change the column, or leave it empty and they are drawn"
        )
    return validation, test


def given_to(part: str, patients: Mapping[str, str], order: Iterable[str]) -> tuple[str, ...]:
    """Return the patients in a part of the table's split, in the given order."""
    return tuple(name for name in order if patients.get(name) == part)


def still_held_out(state: State, patients: Mapping[str, str], known: Collection[str], seed: int) -> State:
    """Return a state in which new patients are held out only if the table's column split says so.

    Parameters
    ----------
    patients : mapping of str to str
        Part of each patient in the table's column split, or an empty text.
    known : collection of str
        Earlier patients.

    Raises
    ------
    InputError
        If the table moves an earlier patient to another part.
    """
    part = dict.fromkeys(state.validation, PARTS[1]) | dict.fromkeys(state.test, PARTS[2])
    earlier = {*known, *part}  # interrupted here, the register lacks those who are held out already
    for name in earlier:
        if (given := patients.get(name)) and given != part.get(name, PARTS[0]):
            raise InputError(
                f"column split: patient {shown(name)} is in {given}, and was in {part.get(name, PARTS[0])} when the "
                "annotation began: put it back, or begin anew in another folder with --out"
            )
    new = random_order(patients.keys() - earlier, seed, "patients")
    validation, test = (given_to(each, patients, new) for each in PARTS[1:])
    return replace(state, validation=(*state.validation, *validation), test=(*state.test, *test))


def write_state(path: Path, state: State) -> None:
    """Write a state atomically."""
    write_file(path, (json.dumps(asdict(state), indent=1) + "\n").encode())


def read_state(path: Path) -> State | None:
    """Return the state of an annotation; None if the folder has none.

    Raises
    ------
    InputError
        If the file is damaged, or of another version.
    """
    if not path.exists():
        return None
    try:
        return TypeAdapter(State).validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        why, mend = shown(str(error)[:300]), mend_for(error, "take it from a copy, or name another folder with --out")
        raise InputError(f"{path}: not the state of an annotation ({why}): {mend}") from error
