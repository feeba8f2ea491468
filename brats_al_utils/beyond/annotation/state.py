"""The state of an annotation, which it needs to resume: held-out patients, queries, and what was learned."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from brats_al_utils import InputError
from brats_al_utils.cohorts.layout import shown
from brats_al_utils.cohorts.split import HELD_OUT_SHARE, PARTS
from brats_al_utils.files import write_file

FORMAT = 1
"""Version of the file, increased when older ones can no longer be used."""

FEWEST_HELD_OUT = 10
"""Smallest number of patients in the validation and in the test set."""

FEWEST_PATIENTS = 3 * FEWEST_HELD_OUT
"""With fewer, nothing would be left to choose from."""

FEWEST_GIVEN = 2
"""Patients of each part that a table gives: of one, a part would have one class."""


@dataclass(frozen=True)
class Query:
    """One query.

    Attributes
    ----------
    strategy, unit : str
    budget : int
    random_share : float
    labelled : int
        Slices for training that had a label before.
    asked : dict of str to str
        Why each slice was proposed: one of `query.WHY`.
    """

    strategy: str
    unit: str
    budget: int
    random_share: float
    labelled: int
    asked: dict[str, str]


@dataclass(frozen=True)
class Point:
    """Predictions of a committee, trained on some labels, for the test set.

    Attributes
    ----------
    fingerprint : str
        Of the slice set with these labels.
    labelled : int
        Slices that it was trained on.
    probability : dict of str to float
        Of the positive class, the mean over its members, by slice.
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
        Of the profile ``open``, those that are others here; the classes are among them.
    validation, test : tuple of str
        Patients held out, in the order in which they are asked for.
    queries : tuple of Query
    points : tuple of Point
    learned : dict of str to str
        The answers that `learning.learn` has told of, by slice.
    """

    settings: dict[str, Any]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    queries: tuple[Query, ...] = ()
    points: tuple[Point, ...] = ()
    learned: dict[str, str] = field(default_factory=dict)


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
        The part that the table gives each, or nothing.

    Returns
    -------
    validation, test : tuple of str
        Of either the paper's share (66 of 335 patients), but at least ``FEWEST_HELD_OUT``, in random order.

    Raises
    ------
    InputError
        If there are fewer than ``FEWEST_PATIENTS``, or too few in a part that the table gives.
    """
    if len(patients) < FEWEST_PATIENTS:
        raise InputError(
            f"{len(patients)} patients, expected at least {FEWEST_PATIENTS}, of which {FEWEST_HELD_OUT} each are held "
            "out for validation and test: add images of others"
        )
    order = random_order(patients, seed, "patients")
    if any(patients.values()):
        validation, test = (given_to(part, patients, order) for part in PARTS[1:])
        sizes = dict(zip(PARTS, (len(order) - len(validation) - len(test), len(validation), len(test)), strict=True))
        if min(sizes.values()) < FEWEST_GIVEN:
            told = ", ".join(f"{part}: {size}" for part, size in sizes.items())
            raise InputError(
                f"column split: patients in {told}, expected at least {FEWEST_GIVEN} in each, or nothing can be "
                "learned: change the column, or leave it empty and they are drawn"
            )
        return validation, test
    size = max(FEWEST_HELD_OUT, round(HELD_OUT_SHARE * len(order)))
    return tuple(order[:size]), tuple(order[size : 2 * size])


def given_to(part: str, patients: Mapping[str, str], order: Iterable[str]) -> tuple[str, ...]:
    """Return the patients whom the table gives to a part, in an order."""
    return tuple(name for name in order if patients.get(name) == part)


def still_held_out(state: State, patients: Mapping[str, str], known: Collection[str], seed: int) -> State:
    """Return a state in which new patients are held out as the table says; without a word of it they are not.

    Parameters
    ----------
    patients : mapping of str to str
        The part that the table gives each, or nothing.
    known : collection of str
        Patients of before.

    Raises
    ------
    InputError
        If the table gives a patient of before to another part.
    """
    part = dict.fromkeys(state.validation, PARTS[1]) | dict.fromkeys(state.test, PARTS[2])
    for name in known:
        if (given := patients.get(name)) and given != part.get(name, PARTS[0]):
            raise InputError(
                f"column split: patient {shown(name)} is in {given}, and was in {part.get(name, PARTS[0])} when the "
                "annotation began: put it back, or begin anew in another folder with --out"
            )
    new = random_order(set(patients) - set(known), seed, "patients")
    validation, test = (given_to(each, patients, new) for each in PARTS[1:])
    return replace(state, validation=(*state.validation, *validation), test=(*state.test, *test))


def write_state(path: Path, state: State) -> None:
    """Write a state atomically."""
    write_file(path, (json.dumps({"format": FORMAT} | asdict(state), indent=1) + "\n").encode())


def read_state(path: Path) -> State | None:
    """Return the state of an annotation; None if none was begun.

    Raises
    ------
    InputError
        If the file is damaged, or of another version.
    """
    if not path.exists():
        return None
    mend = "take it from a copy, or name another folder with --out"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise ValueError(f"expected format {FORMAT}")
        return TypeAdapter(State).validate_python(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not the state of an annotation ({shown(str(error)[:300])}): {mend}") from error
