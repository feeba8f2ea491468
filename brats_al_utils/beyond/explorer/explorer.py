"""The ranking of the training slices as a table: what the committee says of each slice, and which arms choose it.

`explorer_figures` draws these tables, `browser` and `side_by_side` show them in JupyterLab.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.findings import evidence
from brats_al_utils.findings.sentences import listed
from brats_al_utils.progress import Track, untracked
from brats_al_utils.queries.uncertainty import compared_pairs, divergence, entropy
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import Row, committee, labelled
from brats_al_utils.study.study import Study

DECILES = 10

FACTS = ["patient_id", "class_name", "label", "site", "z", "tumour_mm2"]
"""Columns of a slice set's table that the ranking repeats."""


@dataclass(frozen=True)
class Ranking:
    """The training slices of every run, by falling uncertainty.

    Attributes
    ----------
    dataset : str
        The slice set.
    table : pd.DataFrame
        A row for each training slice and run: slice_id, run (from 1), rank (from 1: most uncertain), decile (from 1),
        uncertainty (nats), probability (of the positive class, mean across the committee), first (annotated before any
        slice was chosen); ``FACTS``; and the columns that the next three attributes name.
    members : tuple of str
        Columns with the probability of the positive class by each member of the committee.
    terms : tuple of str
        Columns with the terms whose sum is the uncertainty (nats).
    arms : tuple of str
        Columns of bool: whether an arm trains on the slice.
    """

    dataset: str
    table: pd.DataFrame
    members: tuple[str, ...]
    terms: tuple[str, ...]
    arms: tuple[str, ...]

    def of_run(self, run: int) -> pd.DataFrame:
        """Return the rows of one run, by rank."""
        return self.table[self.table["run"] == run].sort_values("rank").reset_index(drop=True)


def filtered(table: pd.DataFrame, wanted: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of a run that pass some filters, in their order.

    Parameters
    ----------
    wanted : mapping of str to str
        The value of a column; for ``chosen`` an arm that trains on the slices, for ``spared`` one that does not.
    """
    for name, value in wanted.items():
        if name in ("chosen", "spared"):
            table = table[table[value].astype(bool) == (name == "chosen")]
        else:
            table = table[table[name].astype(str) == value]
    return table


def terms(probability: Array, names: Sequence[str], pairs: str, aggregate: str) -> dict[str, Array]:
    """Return the terms whose sum is the uncertainty of each slice (section 2.2.3).

    Parameters
    ----------
    probability : np.ndarray [members, slices, classes]
    names : sequence of str
        Names of the members.
    pairs, aggregate : str
        See `uncertainty.score`.

    Returns
    -------
    dict of str to np.ndarray [slices]
        An entropy for each member and a divergence for each two members, in nats. A divergence is the sum of both
        directions if both count. With ``aggregate="mean"`` each is divided, so that the sum is `uncertainty.score`.
    """
    members, compared = len(probability), compared_pairs(len(probability), pairs)
    shares = (1 / members, 1 / max(len(compared), 1)) if aggregate == "mean" else (1, 1)
    found = {f"entropy of {name}": shares[0] * entropy(each) for name, each in zip(names, probability, strict=True)}
    for m, n in combinations(range(members), 2):
        both = [divergence(probability[a], probability[b]) for a, b in compared if {a, b} == {m, n}]
        found[f"divergence of {names[m]}, {names[n]}"] = shares[1] * np.sum(both, axis=0)
    return found


def ranking(study: Study, rows: Sequence[Row], arms: Sequence[Arm], track: Track = untracked) -> Ranking:
    """Return the ranking of a study's training slices, and which arms choose each slice.

    Parameters
    ----------
    study : Study
        A study whose committees are trained.
    rows : sequence of Row
        Its table of runs, in which the arms have chosen their slices.
    arms : sequence of Arm
        Arms on one slice set. Those whose budget cannot be drawn are skipped.
    track : Track
        Shows how many runs are done.

    Raises
    ------
    InputError
        If a committee is not trained yet, or the arms are on several slice sets or share a name.
    """
    datasets, chosen = {arm.dataset for arm in arms}, [arm.name for arm in arms]
    if len(datasets) != 1 or len(set(chosen)) < len(chosen):
        raise InputError(f"arms {', '.join(chosen)} of {len(datasets)} slice sets: expected different ones of one set")
    (dataset,) = datasets
    trained = {(row.arm, row.number): row.run.ids("training") for row in rows if not row.member}
    drawn = [arm for arm in arms if all((arm, number) in trained for number in range(study.profile.n_runs))]
    names, facts = [f"{rate:g}" for rate in study.profile.committee_rates], study.slice_set(dataset).table[FACTS]
    order = evidence.ranking(study, dataset)
    of_members = tuple(f"P by {name}" for name in names)
    parts: dict[str, Array] = {}
    frames = []
    for number in track(range(study.profile.n_runs)):
        ids, first = study.ids(dataset, "training", number), labelled(study, dataset, number)
        members = [study.store.load(run) for run in committee(study, dataset, number)]
        high = np.stack([member.arrays["probability/pool"] for member in members if member]).astype(np.float64)
        both = np.stack([1 - high, high], axis=-1)
        parts = terms(both, names, study.profile.pairs, study.profile.aggregate)
        of_run = pd.DataFrame(
            {
                "slice_id": ids,
                "run": number + 1,
                "probability": high.mean(0),
                "first": np.isin(ids, first),
                **dict(zip(of_members, high, strict=True)),
                **parts,
                **{arm.name: np.isin(ids, trained[arm, number]) for arm in drawn},
            }
        )
        ranked = order[order["seed"] == study.profile.seed + number].set_index("slice_id")["uncertainty"]
        of_run = of_run.set_index("slice_id").loc[ranked.index].assign(uncertainty=ranked)
        of_run.insert(1, "rank", range(1, len(of_run) + 1))
        of_run.insert(2, "decile", 1 + DECILES * np.arange(len(of_run)) // len(of_run))
        frames.append(facts.loc[of_run.index].join(of_run).rename_axis("slice_id").reset_index())
    table = pd.concat(frames, ignore_index=True)
    return Ranking(dataset, table, of_members, tuple(parts), tuple(arm.name for arm in drawn))


GROUPS = ("both", "only the first", "only the second", "neither")
"""Groups of slices, by which of two arms train on them."""


def grouped(table: pd.DataFrame, one: str, other: str) -> pd.Series:
    """Return which of two arms train on each slice of a run: one of ``GROUPS``."""
    of_one, of_other = table[one].to_numpy(bool), table[other].to_numpy(bool)
    names = np.select([of_one & of_other, of_one & ~of_other, ~of_one & of_other], GROUPS[:3], GROUPS[3])
    return pd.Series(names, table.index)


def compared(table: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """Return how the choices of two arms in one run differ, a row for each of ``GROUPS``.

    Returns
    -------
    pd.DataFrame
        slices; expected (how many there would be if both had drawn their numbers at random); patients;
        positive_share; uncertainty (mean, nats). Means of no slices are NaN.
    """
    rows = table.groupby(grouped(table, one, other)).agg(
        slices=("slice_id", "size"),
        patients=("patient_id", "nunique"),
        positive_share=("label", "mean"),
        uncertainty=("uncertainty", "mean"),
    )
    rows = rows.reindex(GROUPS).fillna({"slices": 0, "patients": 0}).astype({"slices": int, "patients": int})
    first, second = (table[name].to_numpy(bool).mean() for name in (one, other))
    shares = [first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second)]
    rows.insert(1, "expected", np.array(shares) * len(table))
    return rows.rename_axis("chosen_by")


def overlap(ranking: Ranking) -> pd.DataFrame:
    """Return the share of one arm's slices (row) that another (column) trains on too, in the first run."""
    chosen = ranking.of_run(1)[list(ranking.arms)].to_numpy(float)
    both = chosen.T @ chosen
    return pd.DataFrame(both / np.diag(both)[:, None], list(ranking.arms), list(ranking.arms))


def by_decile(ranking: Ranking) -> pd.DataFrame:
    """Return the share of each decile that an arm trains on, mean across runs: arm, decile, share."""
    shares = ranking.table.groupby(["run", "decile"])[list(ranking.arms)].mean().groupby("decile").mean()
    table = shares.reset_index().melt("decile", var_name="arm", value_name="share")
    order = table["arm"].map(ranking.arms.index)
    return table.iloc[order.argsort(kind="stable")][["arm", "decile", "share"]].reset_index(drop=True)


def along(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return ``count`` slices of a run in equal steps from the most to the least uncertain; all if there are fewer."""
    places = np.unique(np.linspace(0, len(table) - 1, count).round().astype(int))
    return table.iloc[places]


def said(ranking: Ranking, cohort_name: str, positive: str) -> str:
    """Say of the first run which class is uncertain, whether members agree, and how alike the first two arms choose."""
    table = ranking.of_run(1)
    top = table[table["decile"] <= 3]
    sides = table[list(ranking.members)] > 0.5
    split = 1 - (sides.all(axis=1) | ~sides.any(axis=1)).mean()
    one, other = ranking.arms[:2]
    both = compared(table, one, other).loc["both"]
    lines = [
        f"{top['label'].mean():.0%} of the three most uncertain deciles are {positive}, of all training slices "
        f"{table['label'].mean():.0%}.",
        f"On {split:.0%} of the training slices the members of the committee are on different sides of 0.5.",
        f"{one} and {other} choose {both['slices']:.0f} of the same slices; had both drawn as many at random, "
        f"{both['expected']:.1f} would be expected.",
    ]
    return listed(cohort_name, lines, ", in the first run")
