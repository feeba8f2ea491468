"""The numbers in README and docs are those of the files that they name."""

from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]


def test_how_often_an_interval_lies_above_zero_without_a_gain() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    table = pd.read_csv(ROOT / "docs" / "operating_characteristics.csv").set_index(["truth", "quantity"])["reproduced"]
    across_runs = table["no gain, another split", "the gain's side across runs alone (no rule of ours)"]
    across_both = table["no gain, another split", "the gain's side alone (another cohort)"]
    assert f"such an interval lies above zero in {100 * across_runs:.0f} of 100 when the split is another one" in text
    assert f"an interval across runs *and patients* does so in {100 * across_both:.0f} of 100" in text


def test_what_the_simulated_reader_gains() -> None:
    text = " ".join((ROOT / "docs" / "annotation.md").read_text(encoding="utf-8").split())
    curve = pd.read_csv(ROOT / "docs" / "annotation_loop.csv").query("arm == 'middle less random' and annotated > 60")
    assert len(curve) == 4
    for _, row in curve.iterrows():
        mean, low, high = (f"{100 * row[name]:+.1f}" for name in ("auc", "low", "high"))
        assert f"{mean} pp ({low} to {high}) after {row['annotated']}" in text
    assert ((curve["low"] > 0) | (curve["high"] < 0)).tolist() == [False, False, True, False]
