"""The slices in the ranges of the uncertainty ranking: why training on one range may teach less than on another."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils.cohorts.naming import sites
from brats_al_utils.networks.training import auc
from brats_al_utils.queries.sampling import WINDOWS
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.profile import BUDGET
from brats_al_utils.study.stages import committee, committee_pool
from brats_al_utils.study.study import Study

END = 2
"""Distance in slices from the first or last slice with tumour up to which a slice counts as at the tumour's end."""


EVERY = "all training slices"
"""The last row, beside the ranges."""


def depth(table: pd.DataFrame) -> "pd.Series[float]":
    """Return the distance of each slice from the nearer end of its patient's tumour in slices, negative outside.

    0 is the first and the last slice with tumour. NaN where a patient's slices do not tell where they lie.

    Parameters
    ----------
    table : pd.DataFrame
        Columns patient_id, z, position (0 at the first slice with tumour, 1 at the last).
    """
    of_patient = table.groupby("patient_id")[["z", "position"]]
    span = of_patient.transform("max") - of_patient.transform("min")
    extent = span["z"] / span["position"].where(span["position"] > 0)
    nearer = table["position"].where(table["position"] < 0.5, 1 - table["position"])
    return (nearer * extent).round(1)


def in_ranges(study: Study, numbers: Iterable[int]) -> pd.DataFrame:
    """Return properties of the training slices in each of the eight ranges, means across some runs.

    Returns
    -------
    pd.DataFrame
        arm (the range), and a last row for all training slices; positive_share (of the positive class); tumour_mm2
        (mean, of slices with tumour); first_last and next_to: share of the slices that are among the first or last two
        with tumour, or of the two beyond them; depth (`depth`, mean); sites_apart (share of the slices that would have
        to change their site for the sites' shares to be those of all training slices); labelled_share (of the slices
        that the committee was trained on); committee_auc (of the committee's mean probability, in the range alone).
        NaN where the cohort does not tell, or a range holds one class in every run.
    """
    frames = [of_run(study, number) for number in numbers]
    return pd.concat(frames).groupby("arm", sort=False).mean().reset_index()


def of_run(study: Study, number: int) -> pd.DataFrame:
    """Return `in_ranges` of one run."""
    slices, pool = study.slice_set(DATASETS[0]), committee_pool(study, DATASETS[0], number)
    members = committee(study, DATASETS[0], number)
    said = np.mean([study.store.load(member).arrays["probability/pool"] for member in members], axis=0)  # type: ignore[union-attr]
    inside = depth(slices.table)
    table = slices.table.assign(
        site=sites(slices),
        depth=inside,
        first_last=inside.between(0, END - 1).where(inside.notna()),
        next_to=inside.between(-END, -1).where(inside.notna()),
        tumour_mm2=slices.table["tumour_mm2"].where(slices.table["tumour_mm2"] > 0),
    )
    table = table.loc[pool.ids].assign(said=said, labelled=np.isin(pool.ids, members[0].ids("training")))
    everywhere = table["site"].value_counts(normalize=True)

    def facts(name: str, ids: Any) -> dict[str, Any]:
        own = table.loc[ids]
        here = own["site"].value_counts(normalize=True).reindex(everywhere.index, fill_value=0)
        return {
            "arm": name,
            "positive_share": own["label"].mean(),
            **{of: float(own[of].astype(float).mean()) for of in ("tumour_mm2", "first_last", "next_to", "depth")},
            "sites_apart": (here - everywhere).abs().sum() / 2,
            "labelled_share": own["labelled"].mean(),
            "committee_auc": auc(own["label"].to_numpy(), own["said"].to_numpy())
            if own["label"].nunique() > 1
            else np.nan,
        }

    budget = round(BUDGET * len(pool.ids))
    rows = [facts(name.removeprefix("window "), each.choose(pool, budget, 0)) for name, each in WINDOWS.items()]
    return pd.DataFrame([*rows, facts(EVERY, pool.ids)])


def said(table: pd.DataFrame) -> list[str]:
    """Say how the most uncertain range differs from all training slices.

    Parameters
    ----------
    table : pd.DataFrame
        From `in_ranges`, with `planned.taught`.
    """
    first, every = table.iloc[0], table.iloc[-1]
    words = {
        "positive_share": "of the positive class",
        "first_last": "among the first or last two of a tumour",
        "next_to": "of the two next to a tumour, without any",
        "sites_apart": "of another site than as many of all would be",
    }
    lines = [
        f"{first[name]:.0%} of the most uncertain {BUDGET:.0%} are {what}, {every[name]:.0%} of all training slices."
        for name, what in words.items()
        if pd.notna(first[name])
    ]
    if pd.notna(first["tumour_mm2"]):
        lines.append(f"Their tumours measure {first['tumour_mm2']:.0f} mm2, {every['tumour_mm2']:.0f} in all.")
    if pd.notna(first["committee_auc"]):
        auc_of = f"{first['committee_auc']:.2f} among them, {every['committee_auc']:.2f} in all"
        lines.append(f"The committee itself has an AUC of {auc_of}.")
    if pd.notna(first["test_auc"]):
        others = table["test_auc"].iloc[1:-1]
        elsewhere = f"on another range {others.min():.2f} to {others.max():.2f}, on all {every['test_auc']:.2f}"
        lines.append(
            f"Networks trained on them have a test AUC of {first['test_auc']:.2f}, {elsewhere} "
            f"({first['taught_runs']:.0f} runs)."
        )
    return lines
