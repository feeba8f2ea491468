"""The numbers in README and docs are those of the files that they name."""

import runpy
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from brats_al_utils.beyond.bundles.published import read_bundle

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


def test_what_bfloat16_changes() -> None:
    text = " ".join((ROOT / "docs" / "running.md").read_text(encoding="utf-8").split())
    results = ROOT / "benchmarks" / "results"
    speed = pd.read_csv(results / "arithmetic_speed.csv").pivot(index="repetition", columns="arithmetic")
    speed = speed.droplevel(0, 1)
    assert f"{(speed['bfloat16'] / speed['float32']).median():.2f} times as fast at 96 pixels" in text
    runs = pd.read_csv(results / "arithmetic.csv")
    low, high = stats.ttest_rel(runs["bfloat16"], runs["float32"]).confidence_interval(0.95)
    mean = (runs["bfloat16"] - runs["float32"]).mean()
    assert f"by {100 * mean:+.1f} pp ({100 * low:+.1f} to {100 * high:+.1f})" in text


PILOTS = [("lgg_pilot", "baseline"), ("few_pilot", "random, own epochs")]


@pytest.mark.parametrize(("table", "arm"), [*PILOTS, *product(("grade_pilot", "few_pilot"), ("baseline", "random"))])
def test_what_the_pilots_say(table: str, arm: str) -> None:
    text = (ROOT / "docs" / "lgg_study.md").read_text(encoding="utf-8")
    means = pd.read_csv(ROOT / "docs" / f"{table}.csv").query("arm == @arm").groupby("epoch")["validation_auc"].mean()
    *most, last = (f"{value:.3f}" for value in np.asarray(means))
    assert f"{', '.join(most)} and {last}" in text


def test_the_rate_and_the_length_from_scratch_are_the_pilot_s() -> None:
    """The rule by other code: of each rate the first epoch that no later one exceeds by 0.2 pp; the best of these."""
    pilot = pd.read_csv(ROOT / "docs" / "scratch_pilot.csv").pivot_table("validation_auc", "epoch", "rate")
    later = pilot[::-1].cummax()[::-1]
    first = {rate: pilot.index[(later[rate] - pilot[rate] <= 0.002)][0] for rate in pilot}
    rate = max(first, key=lambda rate: pilot[rate][first[rate]])
    settings = read_bundle(ROOT / "published" / "lgg_curves.bundle").profile
    assert (settings.scratch_learning_rate, settings.scratch_epochs) == (rate, first[rate])
    text = (ROOT / "docs" / "lgg_study.md").read_text(encoding="utf-8")
    at = ", ".join(f"{of:g}: {pilot[of][epoch]:.3f} after {epoch}" for of, epoch in first.items())
    assert at in text
