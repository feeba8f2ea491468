"""From a study's results to the data frames that `comparison`, `budgets`, `statistics` and `planted` work on."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from brats_al_utils.findings.comparison import compare, holm, intervals, patient_pairs
from brats_al_utils.findings.planted import caught
from brats_al_utils.findings.statistics import CONFIDENCE, UNITS, by_unit, measures
from brats_al_utils.networks.training import auc
from brats_al_utils.study.arms import Arm, planted_outliers
from brats_al_utils.study.study import COHORTS, Results, Study


def scores(study: Study, results: Results, cohort: str) -> pd.DataFrame:
    """Return arm, seed, patient_id, label and score of each slice of a cohort, in every run."""
    frames = []
    for (arm, number), result in results.items():
        frame = study.predictions(arm, result, cohort)
        frames.append(frame.assign(arm=arm.name, seed=study.profile.seed + number))
    return pd.concat(frames, ignore_index=True)


def sets_scores(study: Study, results: Results) -> pd.DataFrame:
    """Return what `paper.patient_evidence` takes: `scores` with dataset and cohort, for each of both."""
    frames = []
    for dataset in dict.fromkeys(arm.dataset for arm, _ in results):
        of_set = {place: result for place, result in results.items() if place[0].dataset == dataset}
        frames += [scores(study, of_set, cohort).assign(dataset=dataset, cohort=cohort) for cohort in COHORTS]
    return pd.concat(frames, ignore_index=True)


def interval_table(study: Study, results: Results) -> pd.DataFrame:
    """Return `comparison.intervals` of every arm on the test cohort, with a column unit."""
    test = scores(study, results, "test")
    return pd.concat([intervals(patient_pairs(test, unit)).assign(unit=unit) for unit in UNITS], ignore_index=True)


def against(study: Study, results: Results, reference: str, arms: Iterable[str] = ()) -> pd.DataFrame:
    """Return `comparison.compare` of some arms, or of every other one, with a reference on the test cohort.

    Returns
    -------
    pd.DataFrame
        As `comparison.compare`, with a column unit; each unit's contrasts are one family.
    """
    test = scores(study, results, "test")
    others = list(arms) or [name for name in dict.fromkeys(arm.name for arm, _ in results) if name != reference]
    contrasts = [(name, reference) for name in others]
    tables = [compare(patient_pairs(test, unit), contrasts).assign(unit=unit) for unit in UNITS]
    return pd.concat(tables, ignore_index=True)


def paid_runs(study: Study, results: Results) -> pd.DataFrame:
    """Return what `budgets` takes, of the test cohort by slice: strategy (the arm), budget, seed, paid, auc."""
    cost = {arm: study.label_cost(arm).set_index("seed")["share"] for arm in dict.fromkeys(arm for arm, _ in results)}
    rows = []
    for (arm, number), result in results.items():
        frame, seed = study.predictions(arm, result, "test"), study.profile.seed + number
        value = auc(frame["label"].to_numpy(), frame["score"].to_numpy())
        rows.append((arm.name, arm.share, seed, cost[arm][seed], value))
    return pd.DataFrame(rows, columns=["strategy", "budget", "seed", "paid", "auc"])


def quality(study: Study, results: Results) -> pd.DataFrame:
    """Return `statistics.measures` of every run by slice and by patient: arm, seed, unit and the measures."""
    rows = []
    for (arm, number), result in results.items():
        validation, test = (study.predictions(arm, result, cohort) for cohort in COHORTS)
        for unit in UNITS:
            found = measures(by_unit(validation, unit), by_unit(test, unit))
            rows.append({"arm": arm.name, "seed": study.profile.seed + number, "unit": unit, **found})
    return pd.DataFrame(rows)


def epochs_kept_and_last(study: Study, results: Results) -> pd.DataFrame:
    """Return what `statistics.optimism` takes: AUC by slice at the kept and at the last epoch of every run."""
    rows = []
    for (arm, number), result in results.items():
        kept, last = (study.predictions(arm, result, "test", last_epoch) for last_epoch in (False, True))
        validation = result.arrays["validation_auc"]
        rows.append(
            {
                "arm": arm.name,
                "seed": study.profile.seed + number,
                "validation_best": np.nanmax(validation),
                "validation_last": validation[-1],
                **{
                    f"test_{epoch}": auc(frame["label"].to_numpy(), frame["score"].to_numpy())
                    for epoch, frame in (("best", kept), ("last", last))
                },
            }
        )
    return pd.DataFrame(rows)


def outliers_caught(study: Study, datasets: Iterable[str]) -> pd.DataFrame:
    """Return `planted.caught` of each set with planted outliers: kind, dose and its columns."""
    frames = []
    for dataset in datasets:
        kind, dose = planted_outliers(dataset) or ("", 0.0)
        frames.append(caught(study.ranking(dataset)).assign(kind=kind, dose=dose))
    return pd.concat(frames, ignore_index=True)


def gains_by_dose(study: Study, results: Results, arm: str, other: str) -> pd.DataFrame:
    """Return, for each set with planted outliers, by how much one arm's test AUC by slice exceeds another's.

    Returns
    -------
    pd.DataFrame
        kind, dose and the columns of `comparison.compare`.
    """
    frames = []
    for dataset in dict.fromkeys(arm.dataset for arm, _ in results):
        kind, dose = planted_outliers(dataset) or ("", 0.0)
        of_set = {place: result for place, result in results.items() if place[0].dataset == dataset}
        pairs = patient_pairs(scores(study, of_set, "test"), "slice")
        frames.append(compare(pairs, [(arm, other)]).assign(kind=kind, dose=dose))
    return pd.concat(frames, ignore_index=True)


def choices(study: Study, arms: Iterable[Arm]) -> pd.DataFrame:
    """Return what arms train on and pay for, means over the runs: arm, chosen, paid and share (of training slices)."""
    costs = pd.concat([study.label_cost(arm) for arm in arms], ignore_index=True)
    return costs.groupby("arm", sort=False)[["chosen", "paid", "share", "patient_share"]].mean().reset_index()


def family(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return contrasts of several references as one family: Holm's adjustment over all of one unit."""
    table = pd.concat(tables, ignore_index=True)
    for column in ("p_seeds", "p_patients"):
        table[f"{column}_holm"] = table.groupby("unit")[column].transform(lambda p: holm(p.to_numpy()))
    return table


def gain_in_words(row: pd.Series) -> str:
    """Return a row of `comparison.compare` in points, with its interval where there is one; no AUC differs by more."""
    gain, low, high = np.clip(100 * row[["auc_difference", "both_low", "both_high"]].to_numpy(float), -100, 100)
    if np.isnan(low):
        return f"{gain:+.1f} points (a single run, or a grade with a single patient: no interval over both)"
    return f"{gain:+.1f} points ({low:+.1f} to {high:+.1f} over patients and runs)"


def sentences(table: pd.DataFrame) -> str:
    """Return what `against` found by slice as a list in Markdown, one arm a line."""
    rows = table[table["unit"] == "slice"]
    lines = [f"- {row['arm']}: {gain_in_words(row)}" for _, row in rows.iterrows()]
    apart = rows[(rows["both_low"] > 0) | (rows["both_high"] < 0)]
    found = rows[rows["p_patients_holm"] < 1 - CONFIDENCE]
    told = f"by that interval {len(apart)} of {len(rows)}, by Holm-adjusted tests of patients {len(found)}"
    return "\n".join([*lines, f"- Apart from it: {told}."])
