"""The numbers in README and docs are those of the files that they name."""

import runpy
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]


def test_what_we_found_is_what_the_published_tables_say() -> None:
    said = runpy.run_path(str(ROOT / "tools" / "answers.py"))
    (block,) = said["BLOCK"].findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert block == said["answers"](), "run `make published`"
    assert len(block.splitlines()) > 8
    planned = pd.read_csv(ROOT / "figures" / "published" / "lgg" / "outcomes.csv").iloc[0]
    whole = planned["n_runs"] == planned["planned"]
    assert (planned["outcome"] == "not decided yet") == (not whole), "a verdict before every planned run is there"
    assert f"against 51 % at random: {planned['outcome']}.**" in block


def test_what_the_simulated_reader_gains() -> None:
    text = " ".join((ROOT / "docs" / "annotation.md").read_text(encoding="utf-8").split())
    curve = pd.read_csv(ROOT / "docs" / "annotation_loop.csv").query("arm == 'middle less random' and annotated > 60")
    assert len(curve) == 4
    for _, row in curve.iterrows():
        mean, low, high = (f"{100 * row[name]:+.1f}" for name in ("auc", "low", "high"))
        assert f"{mean} pp ({low} to {high}) after {row['annotated']}" in text
    assert ((curve["low"] > 0) | (curve["high"] < 0)).tolist() == [False, False, True, False]
