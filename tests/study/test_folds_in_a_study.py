"""A study with folds: who is in which run's parts, and what the tables make of it."""

from dataclasses import replace

import pytest
from conftest import write_release
from small_study import small_study

from brats_al_utils.findings import evidence
from brats_al_utils.findings.statistics import summarise
from brats_al_utils.queries.sampling import RANDOM
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import results_of, train
from brats_al_utils.study.study import Study

FOLDS = 3
ARMS = [Arm("all", "scratch", 1), Arm("random", "scratch", 1, RANDOM, 0.5)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("folds")
    release = write_release(root / "release", 7, 7)  # folds of 2 and 3 patients of each class
    study = small_study(release, root / "out", "2")
    return replace(study, profile=replace(study.profile, folds=FOLDS, n_runs=FOLDS))


def test_tables_know_the_folds(study: Study) -> None:
    results = results_of(study, train(study, ARMS))
    scores = evidence.scores(study, results, "test")
    assert scores.groupby("seed")["fold"].unique().map(list).tolist() == [[0], [1], [2]]
    assert len(scores[scores["arm"] == "all"]) == len(study.slices.table), "a cycle tests every slice once"
    # The interval across runs is wider than that of independent test sets: 1/3 + 1/1 for 1/3 (test over training).
    assert study.redrawn == 1.0
    runs = evidence.evaluate(study, results).query("part == 'test' and unit == 'slice'")
    runs = runs.assign(auc=0.5 + runs["auc"] / 100)  # no limit then meets 0 or 1
    widths = []
    for redrawn in (0.0, study.redrawn):
        row = summarise(runs, redrawn=redrawn).set_index("arm").loc["all"]
        widths.append(row["runs_high"] - row["runs_low"])
    assert widths[1] == pytest.approx(2 * widths[0])
    assert "3 folds; 1 epoch (updates on all slices: 1)" in study.caption(ARMS)
    by_updates = replace(study, profile=replace(study.profile, length="updates"))
    assert "updates in every arm: 1 (1 epoch of all slices)" in by_updates.caption(ARMS)
    # Training sets of unequal size are one point of a curve.
    everything = evidence.evaluate(study, results)
    assert everything.loc[everything["arm"] == "all", "examples"].nunique() > 1
    points = summarise(evidence.with_mean_examples(everything), ("dataset", "share", "examples"), study.redrawn)
    assert (points["n_runs"] == FOLDS).all()
    assert evidence.contrasts(study, results, [(ARMS[1], ARMS[0])])["auc_difference"].notna().all()
