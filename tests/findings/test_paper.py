"""The scorecard's rules against runs made up by hand, and the paper's own arithmetic."""

import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from brats_al_utils.findings import paper
from brats_al_utils.findings.paper import (
    CANNOT_TELL,
    COLUMNS,
    NOT_APPLICABLE,
    NOT_REPRODUCED,
    REPRODUCED,
    VERDICTS,
    Estimate,
    arithmetic_verdict,
    curve_verdict,
    gain_verdict,
    number_verdict,
    output_width,
    patient_evidence,
    published_claims,
    published_results,
    range_verdict,
    scorecard,
    verdict_counts,
)
from brats_al_utils.networks.network import STARTS
from brats_al_utils.networks.training import auc
from brats_al_utils.queries.sampling import STRATEGIES

EXTRA = {
    "abstract.gain.arithmetic",
    "table2.val_gain.arithmetic",
    "table2.test_gain.arithmetic",
    "saving.average",
    "saving.average.arithmetic",
    "table1.conv2",
    "table1.maxpool2",
}
NONE = pd.DataFrame()


def made_up(
    aucs: Sequence[float],
    strategy: str = "all",
    share: float = 1.0,
    dataset: str = "imbalanced",
    start: str = "imagenet",
    cohort: str = "test",
    arm: str = "",
    examples: int = 0,
) -> pd.DataFrame:
    """Return the slice rows of an arm, and rows by patient that nobody may look at; one AUC a seed."""
    rows = [
        {
            "arm": arm or strategy,
            "seed": seed,
            "cohort": cohort,
            "unit": unit,
            "auc": auc if unit == "slice" else 0.0,
            "best_epoch": 1,
            "seconds": 1.0,
            "key": f"{strategy} {share} {dataset} {start} {seed}",
            "dataset": dataset,
            "start": start,
            "strategy": strategy,
            "share": share,
            "examples": examples,
        }
        for seed, auc in enumerate(aucs)
        for unit in ("slice", "patient")
    ]
    return pd.DataFrame(rows)


def costs(
    shares: Sequence[float], chosen: int = 30, arm: str = "proposed", dataset: str = "imbalanced"
) -> pd.DataFrame:
    """Return what `Study.label_cost` gives where 100 slices are for training; one share paid a seed."""
    rows = [
        {"arm": arm, "dataset": dataset, "seed": seed, "chosen": chosen, "paid": round(100 * share), "share": share}
        for seed, share in enumerate(shares)
    ]
    return pd.DataFrame(rows).assign(labelled=30, patients=9, patient_share=0.9, validation=40)


def row_of(id_: str, *runs: pd.DataFrame, cost: pd.DataFrame = NONE, synthetic: bool = False) -> pd.Series:
    card = scorecard(pd.concat(runs, ignore_index=True) if runs else NONE, cost, synthetic)
    (row,) = (row for _, row in card.iterrows() if row["id"] == id_)
    return row


# Rules


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (Estimate(0.82, 0.80, 0.84), REPRODUCED),  # holds 0.83
        (Estimate(0.81, 0.80, 0.82), CANNOT_TELL),  # overlaps 0.82 to 0.84 only
        (Estimate(0.80, 0.79, 0.81), NOT_REPRODUCED),
        (Estimate(0.86, 0.85, 0.87), NOT_REPRODUCED),
        (Estimate(0.83), CANNOT_TELL),  # a single run, though it hits
        (Estimate(), CANNOT_TELL),
    ],
)
def test_number(ours: Estimate, verdict: str) -> None:
    assert number_verdict(ours, 0.83, 0.82, 0.84) == verdict


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (Estimate(3, 1, 5), REPRODUCED),
        (Estimate(0.2, 0.1, 0.3), REPRODUCED),  # on the paper's side, however small
        (Estimate(9, 8, 10), REPRODUCED),
        (Estimate(1, -2, 4), CANNOT_TELL),  # holds both 0 and 3
        (Estimate(1, 0, 3), CANNOT_TELL),
        (Estimate(0, -1, 1), NOT_REPRODUCED),  # no gain shown, and 3 excluded
        (Estimate(-3, -4, -2), NOT_REPRODUCED),
        (Estimate(3), CANNOT_TELL),
        (Estimate(), CANNOT_TELL),
    ],
)
def test_gain_and_loss(ours: Estimate, verdict: str) -> None:
    assert gain_verdict(ours, 3) == verdict
    assert gain_verdict(Estimate(-ours.mean, -ours.high, -ours.low), -3) == verdict


def test_range() -> None:
    assert range_verdict(Estimate(49), 40, 70) == range_verdict(Estimate(40), 40, 70) == REPRODUCED
    assert range_verdict(Estimate(39), 40, 70) == range_verdict(Estimate(71), 40, 70) == NOT_REPRODUCED
    assert range_verdict(Estimate(), 40, 70) == CANNOT_TELL


UP, UNSURE, LEVEL, DOWN = Estimate(2, 1, 3), Estimate(1, -1, 3), Estimate(-1, -3, 1), Estimate(-2, -3, -1)


@pytest.mark.parametrize(
    ("curves", "verdict"),
    [
        ([[UP, UNSURE], [UNSURE, UP]], REPRODUCED),
        ([[UP, UP, UP], [UP, LEVEL]], CANNOT_TELL),  # 4 of 5
        ([[UP, LEVEL], [UP, LEVEL]], NOT_REPRODUCED),  # half
        ([[UP, UP, UP], [UP, DOWN]], NOT_REPRODUCED),  # a counterexample
        ([[UP, UP], [UP]], CANNOT_TELL),  # one budget is no curve
        ([[LEVEL, LEVEL], []], CANNOT_TELL),
        ([[DOWN], []], NOT_REPRODUCED),
        ([[UP, UP], [UP, Estimate(2)]], CANNOT_TELL),  # a single run
        ([[], []], CANNOT_TELL),
    ],
)
def test_curves(curves: list[list[Estimate]], verdict: str) -> None:
    assert curve_verdict(curves) == verdict


def test_arithmetic_allows_for_rounding() -> None:
    assert arithmetic_verdict([2.97], [2.98]) == arithmetic_verdict([1, 2], [1, 2]) == REPRODUCED
    assert arithmetic_verdict([2.96], [2.98]) == arithmetic_verdict([1, 2], [1, 3]) == NOT_REPRODUCED


def test_output_width() -> None:
    assert output_width(224, 11, 4, 2) == 55
    assert [output_width(27, 5, stride, 2) for stride in (1, 2)] == [27, 14]
    assert output_width(27, 3, 2, 0) == 13


# The whole card


@pytest.mark.parametrize("synthetic", [False, True])
def test_every_number_and_claim_has_one_row(synthetic: bool) -> None:
    runs = pd.concat([made_up([0.8, 0.81]), made_up([0.8, 0.82], "middle", 0.3)])
    for card in (scorecard(NONE, NONE, synthetic), scorecard(runs, costs([0.5, 0.52]), synthetic)):
        assert list(card.columns) == COLUMNS
        assert card["id"].is_unique
        assert set(card["id"]) == {*published_results()["id"], *published_claims()["id"], *EXTRA}
        assert set(card["verdict"]) <= set(VERDICTS)
        for column in ("section", "rule"):
            assert card[column].map(lambda value: isinstance(value, str) and len(value) > 0).all()
        assert card["rule"].str.endswith(".").all()
        assert {str(card[column].dtype) for column in ("ours", "ci_low", "ci_high")} == {"float64"}
        assert verdict_counts(card)["verdict"].tolist() == list(VERDICTS)
        assert verdict_counts(card)["rows"].sum() == len(card)


def test_sections_are_as_printed() -> None:
    sections = scorecard(NONE, NONE, False).set_index("id")["section"]
    assert sections["table2.pretrained.val"] == sections["table2.val_gain.arithmetic"] == "3.1"
    assert sections["discussion.proposed60.test"] == "4"
    assert sections["saving.average"] == sections["saving.range"]


def test_the_papers_own_arithmetic_holds_on_any_cohort() -> None:
    for synthetic in (False, True):
        card = scorecard(NONE, NONE, synthetic).set_index("id")
        printed, recomputed, verdict = card["printed"], card["recomputed"], card["verdict"]
        assert (printed["abstract.gain"], recomputed["abstract.gain"]) == (2.92, 2.98)
        assert recomputed["abstract.gain.arithmetic"].startswith("2.98 (")
        assert (printed["table2.val_gain"], recomputed["table2.val_gain"]) == (1.51, 1.32)
        assert recomputed["table2.val_gain.arithmetic"] == "1.32 (1.509 % relative to the pretrained AUC)"
        assert (printed["table2.test_gain"], recomputed["table2.test_gain"]) == (7.98, 7.98)
        assert (recomputed["table4.test_gain"], recomputed["table4.val_gain"]) == (3.52, -1.97)
        assert math.isnan(printed["table4.test_gain"])
        assert recomputed["saving.range"] == printed["saving.range"] == "40 to 70"
        assert (printed["saving.average"], recomputed["saving.average"]) == (55, 49)
        assert recomputed["table5.imbalanced"].startswith(printed["table5.imbalanced"] + " of 4060 training slices")
        assert recomputed["table5.balanced"] == (
            "295 590 885 1180 1475 1770 2065 2360 of 2950 training slices (4870 in all); printed counts above the "
            "middle 80 % (2360): 4, above the training slices: 2"
        )
        assert recomputed["table1.conv2"] == "192x14x14"
        assert recomputed["table1.maxpool2"] == "192x13x13"
        reproduced = {"table2.test_gain.arithmetic", "table5.imbalanced"}
        told = verdict[verdict.isin([REPRODUCED, NOT_REPRODUCED])]
        assert set(told[told == REPRODUCED].index) == reproduced
        assert set(told.index) == (EXTRA - {"saving.average"}) | {"table5.imbalanced", "table5.balanced"}


def test_without_runs_nothing_is_told() -> None:
    for id_ in (
        "table3.proposed.test",
        "abstract.gain",
        "figure3.low_tail",
        "curves.better_than_random",
        "saving.range",
    ):
        row = row_of(id_)
        assert row["verdict"] == CANNOT_TELL
        assert row["rule"].startswith("No such runs")
        assert math.isnan(row["ours"])
    assert row_of("abstract.gain", made_up([0.8, 0.8]))["rule"].startswith("No such runs")  # one arm of two
    assert not row_of("table3.baseline.test", made_up([0.8, 0.8]))["rule"].startswith("No such runs")


def test_rows_of_an_older_file_are_not_counted() -> None:
    older = made_up([0.80, 0.82]).drop(columns=["dataset", "start", "strategy", "share", "examples"])
    assert row_of("table3.baseline.test", older)["rule"].startswith("No such runs")


def test_a_number_of_the_paper() -> None:
    # Mean 0.80, t(0.975, 1) = 12.7062 times sqrt(0.0002)/sqrt(2) = 0.01: half a width of 0.1271.
    row = row_of("table3.baseline.test", made_up([0.79, 0.81]))
    assert (row["printed"], row["ours"], row["verdict"]) == (0.7991, pytest.approx(0.80), REPRODUCED)
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(0.672938, abs=1e-6), pytest.approx(0.927062, abs=1e-6))
    assert row_of("table3.baseline.test", made_up([0.6, 0.601, 0.599]))["verdict"] == NOT_REPRODUCED
    # 0.788 to 0.793 overlaps the printed 0.7895 to 0.8087 without holding 0.7991.
    assert row_of("table3.baseline.test", made_up([0.79, 0.791, 0.79]))["verdict"] == CANNOT_TELL
    single = row_of("table3.baseline.test", made_up([0.7991]))
    assert (single["ours"], single["verdict"]) == (0.7991, CANNOT_TELL)
    synthetic = row_of("table3.baseline.test", made_up([0.79, 0.81]), synthetic=True)
    assert (synthetic["ours"], synthetic["verdict"]) == (pytest.approx(0.80), NOT_APPLICABLE)


def test_a_number_printed_without_its_interval() -> None:
    # The widest printed test interval is scratch's, 0.0117 to either side: 0.8094 to 0.8228.
    far = made_up([0.70, 0.701, 0.699], "middle", 0.6, "balanced")
    near = made_up([0.8099, 0.81, 0.8101], "middle", 0.6, "balanced")
    assert row_of("discussion.proposed60.test", far)["verdict"] == NOT_REPRODUCED
    assert row_of("discussion.proposed60.test", near)["verdict"] == CANNOT_TELL


def test_one_run_under_two_names_counts_once() -> None:
    runs = made_up([0.78, 0.80, 0.82], arm="pretrained"), made_up([0.78, 0.80, 0.82], arm="baseline")
    for id_ in ("table2.pretrained.test", "table3.baseline.test"):
        assert row_of(id_, *runs)["ci_low"] == pytest.approx(row_of(id_, runs[0])["ci_low"])
    held = made_up([0.8, 0.8]).assign(key="the same run under every seed")
    assert math.isnan(row_of("table3.baseline.test", held)["ci_low"])


def test_the_other_start_is_not_the_papers_experiment() -> None:
    trunk = made_up([0.79, 0.81], start="imagenet-trunk")
    scratch = made_up([0.71, 0.73], start="scratch")
    proposed = made_up([0.99, 0.99, 0.98], "middle", 0.3, start="imagenet-trunk")
    runs = trunk, scratch, proposed
    row = row_of("table3.baseline.test", *runs)
    assert (row["ours"], row["verdict"]) == (pytest.approx(0.80), CANNOT_TELL)
    assert row_of("table2.scratch.test", *runs)["verdict"] == REPRODUCED  # the paper's start as well
    assert row_of("abstract.gain", *runs)["verdict"] == CANNOT_TELL
    both = row_of("table3.baseline.test", *runs, made_up([0.60, 0.60]))  # then the paper's start alone counts
    assert both["ours"] == pytest.approx(0.60)
    assert row_of("table3.proposed.test", *runs, made_up([0.60, 0.60]))["rule"].startswith("No such runs")


def test_gains_are_paired_by_seed() -> None:
    baseline = made_up([0.70, 0.80, 0.90])
    row = row_of("abstract.gain", baseline, made_up([0.72, 0.83, 0.94], "middle", 0.3))
    # Differences 2, 3, 4 points: 3 -+ 4.30265 / sqrt(3).
    assert (row["ours"], row["ci_low"], row["verdict"]) == (
        pytest.approx(3),
        pytest.approx(0.51586, abs=1e-5),
        REPRODUCED,
    )
    assert row_of("abstract.gain", baseline, made_up([0.69, 0.78, 0.87], "middle", 0.3))["verdict"] == NOT_REPRODUCED
    assert row_of("abstract.gain", baseline, made_up([0.70, 0.81, 0.94], "middle", 0.3))["verdict"] == CANNOT_TELL
    assert row_of("abstract.gain", baseline, made_up([0.79], "middle", 0.3))["verdict"] == CANNOT_TELL
    assert row_of("abstract.gain", baseline, made_up([0.72, 0.83, 0.94], "middle", 0.3), synthetic=True)["verdict"] == (
        NOT_APPLICABLE
    )


def test_a_loss_is_reproduced_by_a_loss() -> None:
    place = {"dataset": "balanced", "cohort": "validation"}
    runs = made_up([0.87, 0.88, 0.89], **place), made_up([0.85, 0.86, 0.868], "middle", 0.3, **place)  # type: ignore[arg-type]
    row = row_of("table4.val_gain", *runs)
    assert row["ours"] == pytest.approx(-6.2 / 3)
    assert row["verdict"] == REPRODUCED


def test_only_the_proposed_method_is_taken_for_it() -> None:
    others = [made_up([0.99, 0.98], strategy, 0.3) for strategy in STRATEGIES if strategy != "middle"]
    others.append(made_up([0.99, 0.98], "placebo", 0.3, arm="proposed"))
    others.append(made_up([0.99, 0.98], "middle", 0.4, arm="proposed"))
    others.append(made_up([0.99, 0.98], "middle", 0.3, dataset="balanced", arm="proposed"))
    assert math.isnan(row_of("table3.proposed.test", *others)["ours"])
    assert row_of("table3.proposed.test", *others, made_up([0.8, 0.8], "middle", 0.3))["ours"] == pytest.approx(0.8)
    placebo = [made_up([0.5, 0.6], "placebo", share) for share in (0.1, 0.2)]
    random = [made_up([0.5, 0.6], "random", share) for share in (0.1, 0.2)]
    assert math.isnan(row_of("curves.better_than_random", *placebo, *random)["ours"])


def test_windows_are_compared_by_validation_auc() -> None:
    windows = [made_up([0.70, 0.71], "window 0%-30%", 0.3, cohort="validation")]
    windows.append(made_up([0.80, 0.81], "window 10%-40%", 0.3, cohort="validation"))
    row = row_of("figure3.low_tail", *windows, made_up([0.1, 0.1], "window 0%-30%", 0.3))
    assert (row["printed"], row["ours"], row["verdict"]) == (12.51, pytest.approx(10), REPRODUCED)
    assert math.isnan(row_of("figure3.high_tail", *windows)["ours"])
    names = {name for _, _, *pair in paper.GAINS.values() for name in pair} - set(paper.ARMS)
    assert len(names) == 4
    assert names <= set(STRATEGIES)


def curve_runs(rival: str, ahead: Sequence[float]) -> list[pd.DataFrame]:
    """Return runs of both data sets in which the proposed method is ahead by these points at 10 %, 20 %, ..."""
    runs = []
    for dataset in ("imbalanced", "balanced"):
        runs.append(made_up([0.70, 0.72, 0.74], "all", dataset=dataset))
        for tenth, points in enumerate(ahead, 1):
            share = tenth / 10
            aucs = [auc + points / 100 for auc in (0.70, 0.73, 0.73)]  # paired differences 0, 1, -1 and the points
            runs.append(made_up(aucs, "middle", share, dataset))
            if rival == "random":
                runs.append(made_up([0.70, 0.72, 0.74], "random", share, dataset))
    return runs


@pytest.mark.parametrize("rival", ["random", "baseline"])
def test_the_curves(rival: str) -> None:
    id_ = f"curves.better_than_{rival}"
    above = row_of(id_, *curve_runs(rival, [1, 2, 0.5]))
    assert (above["printed"], above["ours"], above["verdict"]) == ("yes", 1.0, REPRODUCED)
    mostly = row_of(id_, *curve_runs(rival, [1, 2, -0.5]))
    assert (mostly["ours"], mostly["verdict"]) == (pytest.approx(2 / 3), CANNOT_TELL)
    assert row_of(id_, *curve_runs(rival, [1, -0.5]))["verdict"] == NOT_REPRODUCED
    assert row_of(id_, *curve_runs(rival, [1, 1, 1, -5]))["verdict"] == NOT_REPRODUCED  # -5 -+ 2.5
    assert row_of(id_, *curve_runs(rival, [1]))["verdict"] == CANNOT_TELL
    single = [runs[runs["seed"] == 0] for runs in curve_runs(rival, [1, 2])]
    assert (row_of(id_, *single)["ours"], row_of(id_, *single)["verdict"]) == (1.0, CANNOT_TELL)
    assert row_of(id_, *curve_runs(rival, [1, 2]), synthetic=True)["verdict"] == NOT_APPLICABLE


@pytest.mark.parametrize("synthetic", [False, True])
def test_labels_saved_count_on_any_cohort(synthetic: bool) -> None:
    others = [costs([0.9], 60), costs([0.9], arm="random"), costs([0.9], dataset="balanced")]
    cost = pd.concat([costs([0.50, 0.51, 0.52]), *others])
    spread, average = (row_of(f"saving.{name}", cost=cost, synthetic=synthetic) for name in ("range", "average"))
    # 50, 49 and 48 saved: 49 -+ 4.30265 / sqrt(3) = 46.5 to 51.5.
    assert (spread["ours"], spread["ci_low"]) == (pytest.approx(49), pytest.approx(46.51586, abs=1e-5))
    assert (spread["verdict"], average["verdict"]) == (REPRODUCED, NOT_REPRODUCED)
    wide = costs([0.40, 0.50])
    assert row_of("saving.average", cost=wide, synthetic=synthetic)["verdict"] == REPRODUCED
    assert row_of("saving.average", cost=costs([0.51]), synthetic=synthetic)["verdict"] == CANNOT_TELL
    assert row_of("saving.range", cost=costs([0.51]), synthetic=synthetic)["verdict"] == REPRODUCED
    assert row_of("saving.range", cost=costs([0.65]), synthetic=synthetic)["verdict"] == NOT_REPRODUCED
    assert math.isnan(row_of("saving.range", cost=pd.concat(others), synthetic=synthetic)["ours"])


def test_counts_of_our_runs_stand_beside_table_5() -> None:
    runs = [made_up([0.8], "middle", share, examples=n) for share, n in ((0.1, 406), (0.2, 812), (0.3, 1217))]
    row = row_of("table5.imbalanced", *runs, made_up([0.8], "random", 0.4, examples=1624))
    assert (row["ours"], row["verdict"]) == (2 / 8, REPRODUCED)
    assert math.isnan(row_of("table5.balanced", *runs)["ours"])


def test_the_papers_start_comes_first() -> None:
    assert STARTS[:3] == ("imagenet", "imagenet-trunk", "scratch")  # `scorecard` takes the first that was run


def made_up_scores(gain: float) -> pd.DataFrame:
    """Return scores of 20 HGG and 20 LGG patients of three slices: the proposed arm's grades lie further apart."""
    rng = np.random.default_rng(0)
    patient = np.repeat([f"p{number:02}" for number in range(40)], 3)
    label = np.repeat(np.arange(40) % 2, 3)
    frames = []
    for seed in range(3):
        noise = rng.normal(0, 1, len(label))
        for arm, distance in (("proposed", 1.0 + gain), ("baseline", 1.0)):
            facts = {"arm": arm, "seed": seed, "patient_id": patient, "label": label}
            frames.append(pd.DataFrame({**facts, "score": noise + distance * label}))
    return pd.concat(frames, ignore_index=True).assign(dataset="imbalanced", cohort="test")


def test_what_the_patients_say_of_each_number_and_gain() -> None:
    scores = made_up_scores(gain=2.0)
    found = patient_evidence(scores).set_index("id")
    assert set(found.index) == {"table3.proposed.test", "table3.baseline.test", "abstract.gain"}
    means = {
        str(arm): float(
            np.mean([auc(run["label"].to_numpy(), run["score"].to_numpy()) for _, run in runs.groupby("seed")])
        )
        for arm, runs in scores.groupby("arm")
    }
    for arm, mean in means.items():
        row = found.loc[f"table3.{arm}.test"]
        assert row["patients_low"] < mean < row["patients_high"]
        assert np.isnan(row["paired_p"])
    gain = found.loc["abstract.gain"]
    assert gain["patients_low"] < 100 * (means["proposed"] - means["baseline"]) < gain["patients_high"]
    assert gain["patients_low"] > 0
    assert gain["paired_p"] < 0.01
    # Forty patients cannot tell the printed 2.92 points where the arms disagree as these do.
    assert re.fullmatch(r"no, from \d+\.\d points on", str(gain["could_tell"]))


def test_a_gain_of_nothing_is_told_from_any_other() -> None:
    gain = patient_evidence(made_up_scores(gain=0.0)).set_index("id").loc["abstract.gain"]
    assert (gain["patients_low"], gain["patients_high"], gain["paired_p"]) == (0.0, 0.0, 1.0)
    assert gain["could_tell"] == "yes, from 0.0 points on"
