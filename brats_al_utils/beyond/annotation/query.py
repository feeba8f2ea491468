"""What to annotate next: patients held out at random, a random share, and what a strategy chooses from the rest."""

from dataclasses import replace

import numpy as np
import pandas as pd

from brats_al_utils import InputError, nearest
from brats_al_utils.beyond.annotation.answers import digest
from brats_al_utils.beyond.annotation.committee import FEWEST, OF_PATIENTS, USABLE, chosen_by, taught, trainable
from brats_al_utils.beyond.annotation.draws import UNITS, WHY, held_out, random_units, units_of
from brats_al_utils.beyond.annotation.session import QUERY, TEST, TRAINING, VALIDATION, Session, counts, numbers
from brats_al_utils.beyond.annotation.state import Query, random_order
from brats_al_utils.files import mend_for, write_file
from brats_al_utils.progress import say
from brats_al_utils.queries.pool import BudgetError, ranked
from brats_al_utils.queries.selection import Ids
from brats_al_utils.seeds import integer

RANDOM_SHARE = 0.2
"""Share of each query that is drawn at random, without regard to scores."""

GENEROUS = 3
"""Factor by which more patients than needed are drawn for held-out sets: with two equally frequent classes, 15 patients
hold 5 or more of each class in 88 % of draws, and 10 patients in 25 %."""

COLUMNS = ("slice_id", "patient_id", "image", "z", "image_sha256", "rank", "score", "why")
"""Columns of ``query.csv``."""


def query(
    session: Session, budget: int, strategy: str = "middle", unit: str = "slice", random_share: float = RANDOM_SHARE
) -> tuple[Session, pd.DataFrame]:
    """Propose what to annotate next, and write it down.

    Parameters
    ----------
    budget : int
        Number of slices or whole patients. A held-out patient is asked about with one slice, which counts as one.
    strategy : str
        One of ``USABLE``. If too few slices are left for it, they are drawn at random.
    unit : {"slice", "patient"}
    random_share : float
        Share of the budget, after the validation set's part, that is drawn at random, half of it from the test set.

    Returns
    -------
    Session
        With the query in its state.
    pd.DataFrame
        ``query.csv``: see docs/annotation.md.

    Raises
    ------
    InputError
        If an option is invalid, or nothing is left to propose.
    """
    check_options(budget, strategy, unit, random_share)
    fresh = numbers(session.askable & (session.part == TRAINING))
    asked: dict[str, list[Ids]] = {}
    wanted = allotted(session, budget, random_share, unit)
    for name in (VALIDATION, TEST):
        asked[WHY[name]] = held_out(session, name, unit)[: wanted[name]]
    by_chance = random_units(session, unit)
    asked[WHY[TRAINING]] = by_chance[: wanted[TRAINING]]
    ranking, left = pd.Series(np.nan, session.slices.index), budget - sum(map(len, asked.values()))
    if fresh.size and trainable(session) and strategy != "random":
        session, study, uncertainty = taught(session)
        ranking[fresh] = uncertainty[fresh]
        taken = np.concatenate([np.empty(0, np.int64), *asked[WHY[TRAINING]]])
        seed = integer(session.profile.seed, "query", len(session.state.queries))
        free = np.setdiff1d(fresh, taken)
        left = min(left, session.slices.loc[free, "slice_id" if unit == UNITS[0] else "patient_id"].nunique())
        if left:
            without = np.setdiff1d(uncertainty.index, free)
            try:
                chosen = chosen_by(study, strategy, unit, uncertainty, session.training, without, left, seed)
                asked[f"chosen by {strategy}"] = [chosen]
            except BudgetError:  # the strategy drops some slices, and too few are left
                asked[WHY[TRAINING]] = by_chance[: wanted[TRAINING] + left]
    else:
        asked[WHY[TRAINING]] = by_chance[: wanted[TRAINING] + left]
    why = {number: reason for reason, units in asked.items() for of_unit in units for number in of_unit.tolist()}
    if not why:
        every = "every training image and every patient held out has a label or an answer"
        raise InputError(f"{session.cohort.root}: nothing left to propose: {every}")
    table = proposals(session, why, ranking, fresh)
    why_asked = dict(zip(table["slice_id"], table["why"], strict=True))
    done = Query(strategy, unit, budget, random_share, len(session.training), why_asked)
    # The state first: interrupted here, the annotation has a query without proposals, and makes another.
    path, content = session.folder / QUERY, table.to_csv(index=False, lineterminator="\n").encode()
    session = session.keep(
        lambda state: replace(state, queries=(*state.queries, done)), then=lambda: write_file(path, content)
    )
    if table["slice_id" if unit == UNITS[0] else "patient_id"].nunique() < budget:
        say(f"fewer than {budget}: no more are left to propose")
    return session, table


def check_options(budget: int, strategy: str, unit: str, random_share: float) -> None:
    """Raise an `InputError` that names an invalid option."""
    if budget < 1:
        raise InputError(f"budget is {budget}, expected at least 1")
    if unit not in UNITS:
        raise InputError(f"unit is {unit!r}, expected one of {', '.join(UNITS)}")
    usable = USABLE if unit == UNITS[0] else OF_PATIENTS
    if strategy not in usable:
        raise InputError(f"strategy is {strategy!r}, for the unit {unit} {nearest(strategy, usable)}")
    if not 0 <= random_share <= 1:
        raise InputError(f"random_share is {random_share:g}, expected 0 to 1")


def allotted(session: Session, budget: int, random_share: float, unit: str) -> dict[str, int]:
    """Return how many units of each part are proposed without regard to scores.

    The validation set gets ``GENEROUS`` times the labels that it still needs of a class. The random share of the rest
    comes half from the test set, as long as slices are left there, and half from the training set. What the training
    set has too few slices for goes to the test set, and then to the validation set.
    """
    label, part = session.label, session.part
    missing = max(FEWEST - count for count in counts(label[part == VALIDATION]))
    left = {name: len(held_out(session, name, unit)) for name in (TEST, VALIDATION)}
    wanted = {VALIDATION: min(GENEROUS * max(missing, 0), left[VALIDATION], budget)}
    drawn = round(random_share * (budget - wanted[VALIDATION]))
    wanted[TEST] = min((drawn + 1) // 2, left[TEST])
    training = drawn - wanted[TEST]
    spare = budget - sum(wanted.values()) - len(units_of(session, TRAINING, unit))
    for name in left:
        more = min(max(spare, 0), left[name] - wanted[name])
        wanted[name], spare = wanted[name] + more, spare - more
    return wanted | {TRAINING: training}


def proposals(session: Session, why: dict[int, str], score: pd.Series, fresh: Ids) -> pd.DataFrame:
    """Return the table of proposals, in an order that does not reveal why they were proposed.

    Parameters
    ----------
    why : dict of int to str
        Reason for each slice, by its number.
    score : pd.Series of float
        Uncertainty of each slice, NaN without a committee.
    fresh : np.ndarray of int
        The slices that are ranked.
    """
    table = session.slices.loc[list(why), ["slice_id", "patient_id", "image", "z"]]
    rank = pd.Series(pd.NA, session.slices.index, dtype="Int64")
    if score[fresh].notna().all():
        rank[ranked(fresh, score[fresh].to_numpy())] = np.arange(1, len(fresh) + 1)
    root = session.cohort.root
    table = table.assign(
        z=table["z"].where(table["z"] >= 0).astype("Int64"),
        image_sha256=[digest(root / name) for name in table["image"]],
        rank=rank[table.index],
        score=score[table.index].round(6),
        why=[why[number] for number in table.index],
    )
    name = table["patient_id"]  # a patient's slices follow each other
    order = random_order(name, session.profile.seed, f"query {len(session.state.queries)}")
    place = name.map({each: number for number, each in enumerate(order)})
    return table.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)


def read_query(session: Session) -> pd.DataFrame:
    """Return the proposals of the last query, all values as text, without images that are no longer in the table.

    Raises
    ------
    InputError
        If there are none, or ``query.csv`` holds something else.
    """
    path = session.folder / QUERY
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing, expected proposals: make some with brats-al query") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as proposals ({error}): {mend_for(error, 'make a new query')}"
        ) from error
    if tuple(table.columns) != COLUMNS or not table["slice_id"].map(session.knows).all():
        raise InputError(f"{path}: not the proposals of {session.cohort.root}: make a new query")
    return table[table["slice_id"].isin(session.slices["slice_id"])].reset_index(drop=True)
