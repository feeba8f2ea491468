"""The numbers of Figure 1: how many patients and slices a study has at each step of the workflow."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.networks.network import START_NAMES
from brats_al_utils.queries.sampling import DISCARDED
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import Row
from brats_al_utils.study.study import Study

STEPS = ("cohort", "slices", "labelled", "committee", "ranking", "tails dropped", "chosen", "fine-tuned", "test")


def workflow(study: Study, rows: Sequence[Row], arm: Arm, summary: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of the first run's workflow, and the test AUC of all runs (section 2.2.4, Figure 1).

    With folds, the counts of other runs differ by a patient or two.

    Parameters
    ----------
    rows : sequence of Row
        The study's table; the slices of the arm are known.
    arm : Arm
        The proposed method.
    summary : pd.DataFrame
        From `statistics.summarise`; it includes the arm.

    Returns
    -------
    pd.DataFrame
        step (of ``STEPS``), quantity, value (counts, shares as fractions of 1, names as text).
    """
    slices, profile = study.of_run(arm.dataset, 0), study.profile
    table, pool = slices.table, study.pool(arm.dataset, 0)
    selected = next(row.selection for row in rows if row.arm == arm)
    patients = table.groupby("part")["patient_id"].nunique()
    of_class = table.groupby("class_name")["patient_id"].nunique()
    if not slices.one_class_each:
        of_class = table["class_name"].value_counts()
    kept = pool.between(DISCARDED, 1 - DISCARDED)  # the number does not depend on the scores
    most = int(np.flatnonzero(pool.ranking == kept[0])[0])
    auc = summary[(summary["arm"] == arm.name) & (summary["part"] == "test") & (summary["unit"] == "slice")].iloc[0]
    steps: list[tuple[str, str, Any]] = [
        ("cohort", "name", study.cohort_name),
        ("cohort", "patients", table["patient_id"].nunique()),
        *(
            ("cohort", name if slices.one_class_each else f"{name} slices", of_class[name])
            for name in slices.classes[::-1]
        ),
        ("slices", "slices", len(table)),
        *(("slices", f"{part} slices", (table["part"] == part).sum()) for part in PARTS),
        *(("slices", f"{part} patients", patients[part]) for part in PARTS),
        ("labelled", "slices", len(selected.labelled)),
        ("labelled", "share", len(selected.labelled) / len(pool.ids)),
        ("committee", "networks", len(profile.committee_rates)),
        ("committee", "learning rates", ", ".join(f"{rate:g}" for rate in profile.committee_rates)),
        ("ranking", "slices", len(pool.ids)),
        ("tails dropped", "most uncertain", most),
        ("tails dropped", "least uncertain", len(pool.ids) - most - len(kept)),
        ("tails dropped", "slices left", len(kept)),
        ("chosen", "slices", len(selected.chosen)),
        ("chosen", "labelled before", len(np.intersect1d(selected.chosen, selected.labelled))),
        ("chosen", "annotated", len(selected.annotated)),
        ("chosen", "annotated share", len(selected.annotated) / len(pool.ids)),
        ("fine-tuned", "network", profile.network),
        ("fine-tuned", "initialisation", START_NAMES[arm.start]),
        ("fine-tuned", *(("updates", study.updates(arm)) if profile.length == "updates" else ("epochs", arm.epochs))),
        *(("test", name, auc[name]) for name in ("auc_mean", "runs_low", "runs_high", "n_runs")),
    ]
    return pd.DataFrame(steps, columns=["step", "quantity", "value"])
