"""Tidy tables of a study's results that the paper does not have."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from brats_al_utils.beyond.comparison.quality import measures
from brats_al_utils.findings.comparison import intervals, patient_pairs
from brats_al_utils.findings.evidence import (
    EVALUATION_SETS,
    annotation_cost,
    cost_of_run,
    has_learned,
    predictions,
    scores,
    unlearned_arms,
)
from brats_al_utils.findings.statistics import by_unit, units_of
from brats_al_utils.networks.training import auc
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import Results, Row
from brats_al_utils.study.study import Study


def interval_table(study: Study, results: Results) -> pd.DataFrame:
    """Return `comparison.intervals` of every arm on the test set, with columns unit and learned (most of its runs)."""
    test = scores(study, results, "test")
    tables = [intervals(patient_pairs(test, unit)).assign(unit=unit) for unit in units_of(test)]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(learned=~table["arm"].isin(unlearned_arms(study, results)))


def annotated_runs(study: Study, rows: Sequence[Row], results: Results) -> pd.DataFrame:
    """Return the table for `budgets`, slice-level on the test set: strategy (the arm), budget, seed, annotated, auc.

    And learned: see `evidence.has_learned`.
    """
    share = {(row.arm, row.number): cost_of_run(study, row)["share"] for row in rows if not row.member}
    found = []
    for (arm, number), result in results.items():
        frame, seed = predictions(study, arm, result, "test"), study.profile.seed + number
        value = auc(frame["label"].to_numpy(), frame["score"].to_numpy())
        found.append((arm.name, arm.share, seed, share[arm, number], value, has_learned(study, arm, result)))
    return pd.DataFrame(found, columns=["strategy", "budget", "seed", "annotated", "auc", "learned"])


def quality(study: Study, results: Results) -> pd.DataFrame:
    """Return `quality.measures` of every run, slice-level and patient-level: arm, seed, unit and the measures."""
    rows = []
    for (arm, number), result in results.items():
        validation, test = (predictions(study, arm, result, part) for part in EVALUATION_SETS)
        for unit in units_of(study.slice_set(arm.dataset).table):
            found = measures(by_unit(validation, unit), by_unit(test, unit))
            rows.append({"arm": arm.name, "seed": study.profile.seed + number, "unit": unit, **found})
    return pd.DataFrame(rows)


def epochs_kept_and_last(study: Study, results: Results) -> pd.DataFrame:
    """Return the table for `quality.optimism`: slice-level AUC at the kept and at the last epoch of every run."""
    rows = []
    for (arm, number), result in results.items():
        frames = [predictions(study, arm, result, "test", last_epoch) for last_epoch in (False, True)]
        best, last = (auc(frame["label"].to_numpy(), frame["score"].to_numpy()) for frame in frames)
        validation = result.arrays["validation_auc"]
        rows.append(
            {
                "arm": arm.name,
                "seed": study.profile.seed + number,
                "validation_best": np.nanmax(validation),
                "validation_last": validation[-1],
                "test_best": best,
                "test_last": last,
            }
        )
    return pd.DataFrame(rows)


def choices(study: Study, rows: Sequence[Row], arms: Iterable[Arm]) -> pd.DataFrame:
    """Return the annotation cost of arms, means across runs: arm, chosen, annotated, share, patient_share."""
    costs = annotation_cost(study, rows, arms)
    return costs.groupby("arm", sort=False)[["chosen", "annotated", "share", "patient_share"]].mean().reset_index()
