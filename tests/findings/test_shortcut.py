"""The verdict on what a network sees without the tumour."""

import numpy as np
import pandas as pd

from brats_al_utils.beyond.comparison.further_sentences import look_at_the_tumour
from brats_al_utils.findings.comparison import intervals, patient_pairs
from brats_al_utils.findings.shortcut import SHOWN, shortcut_table


def predictions(gain: dict[str, float], runs: int = 4, arm: str = "random 30 %") -> pd.DataFrame:
    """Return scores of 20 HGG and 12 LGG patients of 3 slices each, HGG higher by some standard deviations."""
    rng = np.random.default_rng(1)
    label = np.repeat([1] * 20 + [0] * 12, 3)
    frames = []
    for shown, by in gain.items():
        patient = rng.normal(0, 1, 32).repeat(3)
        for seed in range(runs):
            score = by * label + patient + rng.normal(0, 0.5, len(label))
            frame = pd.DataFrame({"patient_id": np.arange(32).repeat(3).astype(str), "label": label, "score": score})
            frames.append(frame.assign(arm=arm, seed=seed, shown=shown))
    return pd.concat(frames, ignore_index=True)


def test_a_network_with_a_shortcut_and_one_without() -> None:
    clean = predictions(dict(zip(SHOWN, (2.5, 0.0, 2.5), strict=True)), arm="clean")
    short = predictions(dict(zip(SHOWN, (2.5, 2.0, 0.0), strict=True)), arm="short")
    table = shortcut_table(pd.concat([clean, short]))
    assert len(table) == 2 * 3 * 2
    hidden = table[table["shown"] == "tumour hidden"].set_index(["arm", "unit"])["verdict"]
    assert set(hidden["clean"]) == {"none found"}
    assert set(hidden["short"]) == {"shortcut"}
    assert set(table.loc[table["shown"] != "tumour hidden", "verdict"]) == {""}
    first, second = look_at_the_tumour(table).splitlines()
    assert first.startswith("- clean: no shortcut was found")
    assert second.startswith("- short: it also uses a shortcut")
    assert all(what in first for what in SHOWN)


def test_the_interval_is_across_runs_and_patients_and_across_patients_of_a_single_run() -> None:
    gain = dict.fromkeys(SHOWN, 1.0)
    for runs, over in ((4, "both"), (1, "patients")):
        frame = predictions(gain, runs)
        (row,) = shortcut_table(frame).query("shown == 'tumour alone' and unit == 'slice'").to_dict("records")
        (expected,) = intervals(patient_pairs(frame[frame["shown"] == "tumour alone"], "slice")).to_dict("records")
        wanted = (expected["auc_mean"], expected[f"{over}_low"], expected[f"{over}_high"], runs)
        assert (row["auc_mean"], row["low"], row["high"], row["n_runs"]) == wanted


def test_constant_predictions_are_no_shortcut() -> None:
    table = shortcut_table(predictions(dict.fromkeys(SHOWN, 0.0)).assign(score=0.7))
    assert set(table["auc_mean"]) == {0.5}
    assert "shortcut" not in set(table["verdict"])
