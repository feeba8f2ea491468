"""Proposals without regard to scores: held-out patients and a random sample, in orders that are fixed beforehand."""

import numpy as np
import pandas as pd

from brats_al_utils.beyond.annotation.candidates import UNLABELLED
from brats_al_utils.beyond.annotation.session import TEST, TRAINING, VALIDATION, Session, numbers
from brats_al_utils.beyond.annotation.state import random_order
from brats_al_utils.cohorts.split import one_class_each
from brats_al_utils.queries.selection import Ids

UNITS = ("slice", "patient")

WHY = {part: f"{part} set, drawn at random" for part in (VALIDATION, TEST)} | {TRAINING: "drawn at random"}
"""Reasons in a query for slices that no strategy chooses, by part."""


def units_of(session: Session, part: str, unit: str) -> dict[str, Ids]:
    """Return the slices that may be proposed of each unit of a part, in the order of the table."""
    rows = session.slices[session.askable & (session.part == part)]
    groups = rows.groupby("slice_id" if unit == UNITS[0] else "patient_id", sort=False).groups
    return {str(name): np.sort(np.asarray(numbers, np.int64)) for name, numbers in groups.items()}


def held_out(session: Session, part: str, unit: str) -> list[Ids]:
    """Return the slices of validation or test patients that are still to be proposed, in their order.

    A patient's slices are alike, so one slice of each patient is proposed, drawn at random; with whole patients, all
    are. If patients have slices of both classes, these differ, and further slices of each patient follow in turn.
    """
    rows, whole, seed = session.slices, units_of(session, part, UNITS[1]), session.profile.seed
    labelled = rows.assign(label=session.label)[session.label != UNLABELLED]
    further = unit == UNITS[0] and not one_class_each(labelled, "label")  # one label does not tell the others
    known = labelled.groupby("patient_id").size().to_dict()
    found: list[tuple[int, Ids]] = []
    for name in getattr(session.state, part):
        if name not in whole or (name in known and not further):
            continue
        if unit == UNITS[1]:
            found.append((0, whole[name]))
            continue
        by_name = {str(rows.at[number, "slice_id"]): number for number in whole[name].tolist()}
        order = random_order(by_name, seed, "slices")[: None if further else 1]
        found += [(turn, np.array([by_name[each]])) for turn, each in enumerate(order, known.get(name, 0))]
    return [slices for _, slices in sorted(found, key=lambda each: each[0])]


def random_units(session: Session, unit: str) -> list[Ids]:
    """Return the slices that may be proposed of each unit of the training set, in an order fixed before any score."""
    units = units_of(session, TRAINING, unit)
    if unit == UNITS[1]:
        labelled = set(session.slices.loc[session.label != UNLABELLED, "patient_id"])
        units = {name: slices for name, slices in units.items() if name not in labelled}
    return [units[name] for name in random_order(units, session.profile.seed, unit)]


def drawn_at_random(session: Session) -> Ids:
    """Return the labelled slices of the training set that are a random sample of it.

    They are the first slices in the random order, up to the last one that was proposed. Slices that a strategy had
    chosen before are among them. Without those, the rest would be a sample of what no strategy wants.
    """
    rows = session.slices[session.part == TRAINING]
    member = pd.Series(False, session.slices.index)
    for unit in UNITS:
        name = rows["slice_id" if unit == UNITS[0] else "patient_id"]
        asked = [
            slice_id
            for query in session.state.queries
            if query.unit == unit
            for slice_id, why in query.asked.items()
            if why == WHY[TRAINING]
        ]
        order = pd.Index(random_order(name, session.profile.seed, unit))
        last = order.get_indexer(pd.Index(name[rows["slice_id"].isin(asked)].unique())).max(initial=-1)
        member[rows.index[name.isin(order[: last + 1]).to_numpy()]] = True
    return numbers(member & (session.label != UNLABELLED))
