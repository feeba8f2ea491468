"""Does the network look at the tumour? AUCs on slices with the tumour hidden, and with everything else hidden."""

import numpy as np
import pandas as pd

from brats_al_utils.findings.comparison import intervals, patient_pairs
from brats_al_utils.findings.statistics import units_of

SHOWN = ("whole slice", "tumour hidden", "tumour alone")
"""What the network saw of a slice."""

CHANCE = 0.5


def shortcut_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the AUC of each arm for each of ``SHOWN``, and whether the network has a shortcut.

    Parameters
    ----------
    predictions : pd.DataFrame
        Columns arm, seed, patient_id, label, score, shown (one of ``SHOWN``); one row for each run, test slice and
        value of shown.

    Returns
    -------
    pd.DataFrame
        arm, shown, unit, auc_mean, low, high (95 % interval across runs and patients; across patients for a single
        run), n_runs, verdict (for the tumour hidden only: ``shortcut`` if the whole interval lies above 0.5, ``none
        found`` if it does not, ``cannot tell`` without an interval).
    """
    frames = []
    for shown, frame in predictions.groupby("shown", sort=False):
        for unit in units_of(frame):
            found = intervals(patient_pairs(frame, unit)).assign(shown=shown, unit=unit)
            for end in ("low", "high"):
                found[end] = found[f"both_{end}"].where(found["n_runs"] > 1, found[f"patients_{end}"])
            frames.append(found)
    table = pd.concat(frames, ignore_index=True)
    hidden, low = table["shown"] == SHOWN[1], table["low"]
    told = np.select([low.isna(), low > CHANCE], ["cannot tell", "shortcut"], "none found")
    table["verdict"] = np.where(hidden, told, "")
    return table[["arm", "shown", "unit", "auc_mean", "low", "high", "n_runs", "verdict"]]
