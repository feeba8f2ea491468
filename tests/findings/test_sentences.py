"""What was found, in words: exact sentences from made-up tables."""

import pandas as pd
import pytest

from brats_al_utils.beyond.comparison import further_sentences
from brats_al_utils.findings import answer, sentences
from brats_al_utils.findings.paper import printed_aucs
from brats_al_utils.findings.verdicts import HERE_RULE

NAN = float("nan")
ON = "synthetic cohort (40 patients)"


def gains(arm: str, other: str, *rows: tuple[str, str, float, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["part", "unit", "auc_difference", "runs_low", "runs_high"])
    return table.assign(arm=arm, other=other, n_runs=table["runs_low"].notna() + 1)


def compared(*rows: tuple[object, ...]) -> pd.DataFrame:
    columns = ["arm", "other", "unit", "auc_difference", "both_low", "both_high", "p_both_holm", "noninferior"]
    return pd.DataFrame(rows, columns=[*columns, "detectable"]).assign(n_runs=3)


TESTS = compared(
    ("proposed", "random", "slice", 0.031, 0.004, 0.058, 0.0312, True, 0.0449),
    ("proposed", "random", "patient", -0.02, -0.3, 0.26, 0.6, False, 1.7),
    ("proposed", "baseline", "slice", 0.0, NAN, NAN, NAN, False, NAN),
)


@pytest.mark.parametrize(
    ("share", "text"), [(0.0132, "+1.3"), (-0.0197, "-2.0"), (1.29, "+100.0"), (-1.01, "-100.0"), (0.0, "+0.0")]
)
def test_percentage_points_have_a_sign_and_end_at_a_hundred(share: float, text: str) -> None:
    assert sentences.pp(share) == text


def test_a_gain_has_its_interval_clipped_to_what_an_auc_can_gain() -> None:
    ends = {"runs_low": -1.4, "runs_high": 1.8, "both_low": -0.1, "both_high": 0.5}
    row = pd.Series({"auc_difference": 0.2, "n_runs": 2, **ends})
    assert (
        sentences.gain(row, "runs")
        == "no difference shown: 20.0 points better (95 % CI across runs: 100.0 worse to 100.0 better)"
    )
    assert (
        sentences.gain(row, "both")
        == "no difference shown: 20.0 points better (95 % CI across both: 10.0 worse to 50.0 better)"
    )


@pytest.mark.parametrize(
    ("n_runs", "why"), [(1, "a single run"), (3, "too few patients or no variance to estimate it from")]
)
@pytest.mark.parametrize("across", ["runs", "both"])
def test_where_there_is_no_interval_the_reason_is_given(n_runs: int, why: str, across: str) -> None:
    row = pd.Series({"auc_difference": -0.2, "n_runs": n_runs, "runs_low": NAN, "runs_high": NAN, "both_low": NAN})
    assert sentences.gain(row.reindex([*row.index, "both_high"]), across) == f"20.0 points worse (no interval: {why})"


def test_printed_aucs_are_those_of_one_table_named_as_our_arms() -> None:
    table = printed_aucs("table3").set_index(["arm", "part"])["auc_mean"]
    assert table.to_dict() == {
        ("proposed", "validation"): 0.8686,
        ("proposed", "test"): 0.8289,
        ("baseline", "validation"): 0.8746,
        ("baseline", "test"): 0.7991,
    }


def test_the_cohort_is_told_by_numbers_and_no_name() -> None:
    rows = [("training", "HGG", "a"), ("training", "HGG", "a"), ("training", "HGG", "b"), ("training", "LGG", "c")]
    rows += [(part, grade, f"{part}{grade}") for part in ("validation", "test") for grade in ("HGG", "LGG")]
    table = pd.DataFrame(rows, columns=["part", "class_name", "patient_id"])
    manifest = {
        "classes": ["LGG", "HGG"],
        "fewer_slices": {"MRN1": 2},
        "left_out": {"MRN2": [], "MRN3": []},
        "absent": [],
        "fingerprint": "f00",
    }
    text = sentences.cohort(table, manifest, "patients")
    assert text.splitlines() == [
        "- HGG/LGG patients: training 2/1, validation 1/1, test 1/1; no patient is in two parts.",
        "- 8 slices. Patients with fewer eligible slices contribute all of them and are listed in the manifest: 1.",
        "- Patients skipped for a problem in their files: 2; patients of the release's mapping that are missing from "
        "the folder: 0.",
        "- Fingerprint of the slice set: `f00`.",
    ]
    assert "MRN" not in text
    assert sentences.cohort(table, manifest, "persons").splitlines()[:3] == [
        "- HGG/LGG persons: training 2/1, validation 1/1, test 1/1; no person is in two parts.",
        "- 8 slices. Persons with fewer eligible slices contribute all of them and are listed in the manifest: 1.",
        "- Persons skipped for a problem in their files: 2.",
    ]


def test_transfer_has_the_gain_of_each_set_and_the_paper_s_beside_the_slice_level_ones() -> None:
    found = gains(
        "pretrained",
        "scratch",
        ("validation", "slice", 0.02, -0.01, 0.05),
        ("test", "slice", -0.03, NAN, NAN),
        ("test", "patient", 0.5, 0, 1),
    )
    assert sentences.transfer(ON, found, "ImageNet").splitlines() == [
        "On the synthetic cohort (40 patients), AUC of the pretrained network (ImageNet) less that of random "
        "initialisation, paired by run:",
        "",
        "- validation, slice-level: no difference shown: 2.0 points better (95 % CI across runs: 1.0 worse to "
        "5.0 better); the paper's table "
        "gives +1.32 pp.",
        "- test, slice-level: 3.0 points worse (no interval: a single run); the paper's table gives +7.98 pp.",
        "- test, patient-level: no difference shown: 50.0 points better (95 % CI across runs: 0.0 better to "
        "100.0 better).",
    ]


def test_ranges_compare_the_tails_and_tell_who_is_atypical() -> None:
    low = gains("10%-40%", "0%-30%", ("validation", "slice", 0.1, 0.05, 0.15), ("validation", "patient", 0.9, 0.9, 0.9))
    both = pd.concat([low, gains("60%-90%", "70%-100%", ("test", "slice", -0.01, NAN, NAN))])
    deciles = pd.DataFrame(
        {"decile": ["most uncertain", "between", "least uncertain"], "atypical patients": [0.33, 0.2, 0.1]}
    )
    lines = [
        "On the synthetic cohort (40 patients):",
        "",
        "- 10%-40% less 0%-30%, validation, slice-level: 10.0 points better (95 % CI across runs: 5.0 to 15.0); "
        "the paper says +12.51 pp.",
        "- 60%-90% less 70%-100%, test, slice-level: 1.0 points worse (no interval: a single run); the paper "
        "says +7.72 pp.",
        "- Slices of patients atypical for their class: 33% of the most uncertain decile, 10% of the least uncertain "
        "decile, 20% of the rest.",
    ]
    assert sentences.ranges(ON, both, deciles).splitlines() == lines
    assert sentences.ranges(ON, both, deciles[["decile"]]).splitlines() == lines[:-1]


WORSE, BETTER, EITHER = (-0.2, -0.1), (0.1, 0.2), (-0.1, 0.2)


@pytest.mark.parametrize(
    ("fails", "left", "explained", "said"),
    [
        (WORSE, EITHER, BETTER, "Its class share explains at least part of it; drawn to the class share of all "
         "training slices, it is not shown to differ from random sampling."),
        (WORSE, WORSE, EITHER, "Its class share is not shown to explain it; drawn to the class share of all training "
         "slices, it is still worse than random sampling, as outliers would be."),
        (WORSE, BETTER, BETTER, "Its class share explains at least part of it; drawn to the class share of all "
         "training slices, it is better than random sampling."),
        (EITHER, WORSE, BETTER, "The most uncertain range is not shown to be worse than random sampling: nothing to "
         "explain."),
        ((NAN, NAN), WORSE, WORSE, "The most uncertain range is not shown to be worse than random sampling: nothing "
         "to explain."),
    ],
)  # fmt: skip
def test_whether_the_most_uncertain_range_fails_for_its_class_share(
    fails: tuple[float, float], left: tuple[float, float], explained: tuple[float, float], said: str
) -> None:
    pairs = (("0%-30%", "random", fails), ("each class", "random", left), ("each class", "0%-30%", explained))
    rows = [(arm, other, "slice", sum(ends) / 2, *ends, 0.01, False, 0.1) for arm, other, ends in pairs]
    upset = [(arm, other, "patient", 0.5, 0.4, 0.6, 0.01, True, 0.1) for arm, other, _ in pairs]
    lines = sentences.class_share(compared(*upset, *rows))
    assert len(lines) == 4
    assert lines[3].endswith(said)
    if fails == WORSE:
        assert lines[0] == (
            "0%-30% less random, test, slice-level: 15.0 points worse (95 % CI across both: 10.0 to 20.0)."
        )
    low = gains("10%-40%", "0%-30%", ("validation", "slice", 0.1, 0.05, 0.15))
    told = sentences.ranges(ON, low, pd.DataFrame({"decile": []}), lines).splitlines()
    assert told[-4:] == [f"- {line}" for line in lines]


COST = pd.DataFrame(
    {"chosen": [30, 30], "annotated": [50, 54], "share": [0.50, 0.54], "patient_share": [0.9, 1.0], "validation": 40}
)


def test_the_proposed_method_has_its_gain_and_the_cost_of_its_annotation() -> None:
    text = sentences.proposed(
        ON,
        gains("proposed", "baseline", ("test", "slice", 0.04, 0.01, 0.07)),
        COST,
        "random initialisation",
        "table4",
        "patients",
    )
    assert text.splitlines() == [
        "On the synthetic cohort (40 patients), AUC of the proposed method less that of the baseline (random "
        "initialisation), paired by run:",
        "",
        "- test, slice-level: 4.0 points better (95 % CI across runs: 1.0 to 7.0); the paper's table gives +3.52 pp.",
        "- Annotated slices: 52% of the training slices (48% saved; the paper says 40 to 70 %), of 95% of the "
        "training "
        "patients; 92 slices with those of the validation set.",
    ]


def test_budgets_count_where_the_proposed_method_is_ahead() -> None:
    means = {
        "proposed": (0.80, 0.70, 0.60),
        "random": (0.79, 0.71, 0.59),
        "placebo": (0.79, 0.69, 0.60),  # equal is not above
    }
    shares = (0.1, 0.2, 0.3)
    rows = [
        (arm, "test", "slice", "balanced", share, value)
        for arm, values in means.items()
        for share, value in zip(shares, values, strict=True)
    ]
    rows.append(("random", "test", "slice", "balanced", 0.8, 0.9))  # the proposed method cannot draw so many
    rows.append(("baseline", "test", "slice", "balanced", 1.0, 0.75))
    rows += [
        (arm, part, unit, "balanced", 0.1, 0.99)
        for arm in means
        for part, unit in (("validation", "slice"), ("test", "patient"))
    ]
    summary = pd.DataFrame(rows, columns=["arm", "part", "unit", "dataset", "share", "auc_mean"])
    gained = [("slice", "random", 0.1, 0.02, 0.01, 0.03), ("slice", "random", 0.3, -0.01, -0.04, 0.02)]
    gained += [("patient", "random", 0.3, 9.0, 9.0, 9.0), ("slice", "placebo", 0.3, 9.0, 9.0, 9.0)]
    gains = pd.DataFrame(gained, columns=["unit", "other", "share", "auc_difference", "both_low", "both_high"])
    assert sentences.budgets(ON, summary, gains.assign(dataset="balanced", n_runs=3)).splitlines()[2:] == [
        "- balanced set, 3 budgets: the proposed method's mean test AUC is above random at 2, above its own "
        "placebo at "
        "2 and above the baseline at 1 of them (the paper: above random and baseline at all 8).",
        "- balanced set, 30% of the slices: the proposed method less random sampling: no difference shown: 1.0 "
        "points worse (95 % CI across both: 4.0 worse to 2.0 better); at 1 of 2 budgets that interval excludes 0.",
    ]


def test_rules_and_notes_stand_once_under_the_marks_of_their_rows() -> None:
    card = pd.DataFrame({"rule": ["Rule one.", "Rule two.", "Rule one."], "why": ["", "3 epochs; one run", "one run"]})
    marked = "- **1** Rule one.\n- **2** Rule two.\n- **a** 3 epochs\n- **b** one run"
    assert sentences.rules(card.assign(verdict="reproduced")) == marked
    assert sentences.rules(card.assign(verdict="holds here")) == f"{HERE_RULE}\n\n{marked}"


def test_the_scorecard_counts_verdicts_and_what_could_be_told() -> None:
    card = pd.DataFrame(
        {
            "verdict": ["reproduced", "cannot tell", "reproduced", "not reproduced"],
            "could_tell": ["yes, from 2.0 points on", "no, from 9.0 points on", "", NAN],
        }
    )
    lines = sentences.scorecard(ON, card, COST, "patients").splitlines()
    assert lines[0] == "On the synthetic cohort (40 patients), 4 numbers and claims:"
    assert lines[2:5] == ["- reproduced: 2.", "- cannot tell: 1.", "- not reproduced: 1."]
    assert lines[-2:] == [
        "- With a budget of 30 slices, 52 are annotated. " + sentences.annotation(COST, "patients"),
        "- Gains of the printed size that this study would find with a probability of 80 %: 1 of 2.",
    ]


def intervals(*rows: tuple[str, float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["unit", "runs_low", "runs_high", "both_low", "both_high"])


INTERVALS = intervals(
    ("slice", 0.60, 0.70, 0.50, 0.80), ("slice", 0.60, 0.80, 0.40, 0.90), ("patient", 0.5, 0.7, 0.4, 0.7)
)


def test_widths_compare_the_mean_intervals_of_each_unit() -> None:
    assert further_sentences.widths(INTERVALS) == [
        "slice-level: the confidence interval across both runs and patients is 2.7 times as wide as that across "
        "runs (40 against 15 pp, mean of the arms).",
        "patient-level: the confidence interval across both runs and patients is 1.5 times as wide as that "
        "across runs (30 against 20 pp, mean of the arms).",
    ]
    assert further_sentences.widths(intervals(("slice", NAN, NAN, NAN, NAN))) == [
        "No interval across both runs and patients: a single run, or too few patients or no variance to estimate it "
        "from."
    ]


def test_contrasts_have_gain_margin_test_and_what_the_design_detects() -> None:
    assert further_sentences.contrasts(TESTS) == [
        "proposed less random, slice-level: 3.1 points better (95 % CI across both: 0.4 to 5.8); not inferior "
        "at a margin of 2 pp; Holm-adjusted p across both 0.03; this design detects 4.5 pp or more.",
        "proposed less random, patient-level: no difference shown: 2.0 points worse (95 % CI across both: 30.0 "
        "worse to 26.0 better); "
        "non-inferiority not shown at a margin of 2 pp; Holm-adjusted p across both 0.60; this design detects "
        "100.0 pp or more.",
        "proposed less baseline, slice-level: 0.0 points better (no interval: too few patients or no variance to "
        "estimate it "
        "from); "
        "non-inferiority not shown at a margin of 2 pp; no test across both.",
    ]


EFFICIENCY = pd.DataFrame(
    [
        ("placebo", 0.3, 0.40, 0.10, 0.05, 0.2, ""),
        ("proposed", 0.3, 0.51, 0.18, 0.12, 0.35, ""),
        ("proposed", 0.1, 0.37, 0.80, 0.70, float("inf"), "more than"),
        ("proposed", 0.2, 0.44, 0.10, 0.0, float("inf"), "at most"),
    ],
    columns=["strategy", "budget", "annotated", "random_annotated", "random_low", "random_high", "censored"],
)
AREAS = pd.DataFrame(
    {"strategy": ["random", "proposed"], "mean": [0.7109, 0.6], "best_rank": [1, 1], "worst_rank": [2, 2]}
)


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (
            0.3,
            "At a budget of 30% the proposed method has 51% of the training slices annotated; random sampling needs "
            "18% for the same AUC (95 % confidence interval across runs: from 12% up to 35%).",
        ),
        (
            0.1,
            "At a budget of 10% the proposed method has 37% of the training slices annotated; random sampling needs "
            "more than 80% for the same AUC (95 % confidence interval across runs: from 70%).",
        ),
        (
            0.2,
            "At a budget of 20% the proposed method has 44% of the training slices annotated.",
        ),
    ],
)
def test_annotation_is_worth_what_random_needs_for_as_much(budget: float, text: str) -> None:
    assert answer.annotation_worth(EFFICIENCY, AREAS, budget) == [
        text,
        "Largest area under the curve: random (0.711; rank 1 to 2 with any one run removed).",
    ]


def test_areas_that_cannot_be_compared_are_said() -> None:
    alone = AREAS.assign(mean=NAN, best_rank=NAN, worst_rank=NAN)
    assert answer.annotation_worth(EFFICIENCY, alone, 0.3)[1] == (
        "No share of annotated slices is covered by all curves, so that their areas cannot be compared."
    )


def test_gains_of_a_family_are_slice_level_and_count_the_arms_that_differ() -> None:
    table = compared(
        ("bald", "random", "slice", 0.05, 0.01, 0.09, 0.01, True, 0.03),
        ("badge", "random", "slice", -0.05, -0.09, -0.01, 0.2, False, 0.03),
        ("margin", "random", "slice", 0.0, -0.1, 0.1, 1.0, False, 0.03),
        ("bald", "random", "patient", 0.9, 0.8, 1.0, 0.0, True, 0.03),
    )
    assert further_sentences.gains(table) == [
        "bald: 5.0 points better (95 % CI across both: 1.0 to 9.0).",
        "badge: 5.0 points worse (95 % CI across both: 1.0 to 9.0).",
        "margin: no difference shown: 0.0 points better (95 % CI across both: 10.0 worse to 10.0 better).",
        "Different from the reference: 2 of 3 by the interval across both, 1 by Holm-adjusted tests across both.",
    ]


def test_the_choice_of_the_epoch_is_told_with_the_calibration() -> None:
    optimism = pd.DataFrame(
        {"arm": ["b", "a", "a"], "quantity": ["optimism", "optimism", "gap"], "auc_mean": [0.031, -0.002, 0.9]}
    )
    quality = pd.DataFrame(
        {
            "arm": ["b", "b", "a", "a"],
            "unit": ["slice", "slice", "slice", "patient"],
            "calibration_error": [0.1, 0.2, 0.3, 9],
        }
    )
    assert further_sentences.epoch_choice(optimism, quality) == [
        "Choosing the epoch on the validation set promises beyond what the test set keeps: +3.1 pp (b), -0.2 pp (a).",
        "Slice-level calibration error: 0.15 (b), 0.30 (a).",
    ]


def test_notebook_07_answers_what_it_asks() -> None:
    worth = answer.annotation_worth(EFFICIENCY, AREAS, 0.3)
    text = further_sentences.worth(ON, INTERVALS, TESTS, worth, {"Controls": TESTS})
    told = further_sentences.contrasts(TESTS)
    assert text.splitlines()[2:] == [
        f"- Would it hold for other patients? {further_sentences.widths(INTERVALS)[0]}",
        f"- Could this design tell? {told[0]}",
        f"- Could this design tell? {told[2]}",
        f"- What does annotation cost? {worth[0]}",
        "- Controls. Different from the reference: 1 of 2 by the interval across both, 1 by Holm-adjusted tests "
        "across both.",
    ]


def test_a_difference_to_an_arm_that_has_not_learned_is_not_judged() -> None:
    row = pd.Series({"auc_difference": 0.3, "n_runs": 5, "both_low": 0.2, "both_high": 0.4, "learned": False})
    assert sentences.gain(row, "both").startswith("not judged")
    assert sentences.apart(row.to_frame().T) == 0
    assert sentences.apart(row.to_frame().T.assign(learned=True)) == 1
    assert "Not shown" in sentences.teaches_worst(row)
    worse = pd.Series({**row, "learned": True, "both_low": -0.4, "both_high": -0.2, "auc_difference": -0.3})
    assert "Yes: against the mean of the other ranges" in sentences.teaches_worst(worse)
    assert "30.0 points worse (95 % CI across both: 20.0 to 40.0)" in sentences.teaches_worst(worse)


@pytest.mark.parametrize(("p", "said"), [(1, "1.000"), (0.0342, "0.034"), (0.0005, "0.001"), (0.00004, "< 0.001")])
def test_a_p_value_is_never_said_to_be_zero(p: float, said: str) -> None:
    assert sentences.p_said(p) == said
