"""What was found, in words: the numbers of made-up tables, in their order, and the words that judge them."""

import re

import pandas as pd
import pytest

from brats_al_utils.beyond.comparison import further_sentences
from brats_al_utils.findings import answer, sentences
from brats_al_utils.findings.verdicts import HERE_RULE
from brats_al_utils.show import captions

NAN = float("nan")
ON = "synthetic cohort (40 patients)"


def numbers(text: str) -> list[str]:
    """Return the numbers of a text, with the signs that it gives them."""
    return re.findall(r"(?<![\w-])[+-]?\d+(?:\.\d+)?", text.replace("95 % CI", "CI"))


def gains(arm: str, other: str, *rows: tuple[str, str, float, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["part", "unit", "auc_difference", "both_low", "both_high"])
    return table.assign(arm=arm, other=other, n_runs=table["both_low"].notna() + 1)


def compared(*rows: tuple[object, ...]) -> pd.DataFrame:
    columns = ["arm", "other", "unit", "auc_difference", "both_low", "both_high", "p_both_holm", "noninferior"]
    return pd.DataFrame(rows, columns=[*columns, "detectable"]).assign(n_runs=3)


TESTS = compared(
    ("proposed", "random", "slice", 0.031, 0.004, 0.058, 0.0312, True, 0.0449),
    ("proposed", "random", "patient", -0.02, -0.3, 0.26, 0.6, False, 1.7),
    ("proposed", "baseline", "slice", 0.0, NAN, NAN, NAN, False, NAN),
)


@pytest.mark.parametrize(("share", "text"), [(0.0132, "+1.3"), (-0.0197, "-2.0"), (1.29, "+100.0"), (0.0, "+0.0")])
def test_percentage_points_have_a_sign_and_end_at_a_hundred(share: float, text: str) -> None:
    assert sentences.pp(share) == text


def test_a_gain_has_its_interval_clipped_to_what_an_auc_can_gain() -> None:
    row = pd.Series({"auc_difference": 0.2, "n_runs": 2, "both_low": -1.4, "both_high": 1.8})
    said = "no difference shown: 20.0 points better (95 % CI across runs and patients: 100.0 worse to 100.0 better)"
    assert sentences.gain(row) == said and sentences.points(-0.0004) == "0.0 points apart"


REASONS = [(2, "fewer than three runs"), (3, "too few patients or no variance")]


@pytest.mark.parametrize(("n_runs", "why"), REASONS)
def test_where_there_is_no_interval_the_reason_is_given(n_runs: int, why: str) -> None:
    row = pd.Series({"auc_difference": -0.2, "n_runs": n_runs, "both_low": NAN, "both_high": NAN})
    assert sentences.gain(row) == f"20.0 points worse (no interval: {why} to estimate it from)"


def test_the_cohort_is_told_by_numbers_and_no_name() -> None:
    rows = [("training", "HGG", "a"), ("training", "HGG", "a"), ("training", "HGG", "b"), ("training", "LGG", "c")]
    rows += [(part, grade, f"{part}{grade}") for part in ("validation", "test") for grade in ("HGG", "LGG")]
    table = pd.DataFrame(rows, columns=["part", "class_name", "patient_id"])
    manifest = {"classes": ["LGG", "HGG"], "fewer_slices": {"MRN1": 2}, "left_out": {"MRN2": [], "MRN3": []}}
    manifest |= {"absent": [], "fingerprint": "f00"}
    text = sentences.cohort(table, manifest, "patients")
    assert list(map(numbers, text.splitlines())) == [[*"211111"], ["8", "1"], ["2", "0"], []]
    assert "MRN" not in text
    persons = sentences.cohort(table, manifest, "persons")
    assert numbers(persons) == numbers(text)[:-1], "of a mapping nothing is said"
    assert "patient" not in persons.lower()


def test_transfer_has_the_gain_of_each_set_and_the_paper_s_beside_the_slice_level_ones() -> None:
    rows = [("validation", "slice", 0.02, -0.01, 0.05), ("test", "slice", -0.03, NAN, NAN)]
    found = gains("pretrained", "scratch", *rows, ("test", "patient", 0.5, 0, 1))
    _, _, *lines, more = sentences.transfer(ON, found, "ImageNet", ["more"]).splitlines()
    assert more == "- more"
    assert list(map(numbers, lines)) == [["2.0", "1.0", "5.0", "+1.32"], ["3.0", "+7.98"], ["50.0", "0.0", "100.0"]]


def test_ranges_compare_the_tails_and_tell_who_is_atypical() -> None:
    low = gains("10%-40%", "0%-30%", ("validation", "slice", 0.1, 0.05, 0.15), ("validation", "patient", 0.9, 0.9, 0.9))
    both = pd.concat([low, gains("60%-90%", "70%-100%", ("test", "slice", -0.01, NAN, NAN))])
    deciles = pd.DataFrame({"decile": ["most uncertain", "between", "least uncertain"]})
    deciles["atypical patients"] = [0.33, 0.2, 0.1]
    *_, first, second, atypical = sentences.ranges(ON, both, deciles).splitlines()
    assert numbers(first)[-4:] == ["10.0", "5.0", "15.0", "+12.51"]
    assert numbers(second)[-1:] == ["1.0"], "the paper's number is of the validation set"
    assert numbers(atypical) == ["33", "10", "20"]
    assert sentences.ranges(ON, both, deciles[["decile"]]).splitlines()[-1] == second


WORSE, BETTER, EITHER = (-0.2, -0.1), (0.1, 0.2), (-0.1, 0.2)
BY_ITSELF = (-0.3, -0.01)  # not for one of three


FAILS = [
    (WORSE, EITHER, BETTER, r"explains at least part of it; .* not shown to differ from random"),
    (WORSE, BY_ITSELF, EITHER, r"is not shown to explain it; .* not shown to differ from random"),
    (WORSE, WORSE, EITHER, r"is not shown to explain it; .* still worse than random sampling"),
    (WORSE, BETTER, BETTER, r"explains at least part of it; .* is better than random sampling"),
    (EITHER, WORSE, BETTER, r"is not shown to be worse .*: nothing to explain"),
    ((NAN, NAN), WORSE, WORSE, r"is not shown to be worse .*: nothing to explain"),
]


@pytest.mark.parametrize(("fails", "left", "explained", "said"), FAILS)
def test_whether_the_most_uncertain_range_fails_for_its_class_share(
    fails: tuple[float, float], left: tuple[float, float], explained: tuple[float, float], said: str
) -> None:
    pairs = (("0%-30%", "random", fails), ("each class", "random", left), ("each class", "0%-30%", explained))
    p = {WORSE: 0.01, BETTER: 0.01, EITHER: 0.1, BY_ITSELF: 0.1}
    rows = [(arm, other, "slice", sum(ends) / 2, *ends, p.get(ends, NAN), False, 0.1) for arm, other, ends in pairs]
    upset = [(arm, other, "patient", 0.5, 0.4, 0.6, 0.01, True, 0.1) for arm, other, _ in pairs]
    tests = compared(*upset, *rows).assign(learned=True)
    lines = sentences.class_share(tests)
    assert len(lines) == 4
    assert "nothing to explain" in sentences.class_share(tests.assign(learned=False))[3]
    assert re.search(said, lines[3])
    if fails == WORSE:
        assert numbers(lines[0])[-3:] == ["15.0", "10.0", "20.0"]
    low = gains("10%-40%", "0%-30%", ("validation", "slice", 0.1, 0.05, 0.15))
    told = sentences.ranges(ON, low, pd.DataFrame({"decile": []}), lines).splitlines()
    assert told[-4:] == [f"- {line}" for line in lines]


def test_the_ranges_stand_beside_random_sampling() -> None:
    names = [f"{low}%-{low + 30}%" for low in range(0, 80, 10)]
    aucs = [0.6, 0.7, 0.71, 0.72, 0.73, 0.81, 0.75, 0.74, 0.8]
    said = sentences.of_all_ranges(pd.DataFrame({"arm": [*names, "random"], "auc_mean": aucs}))
    assert "0.600 (0%-30%) to 0.810 (50%-80%)" in said and "random: 0.800. 1 of 8 ranges" in said


def test_what_is_left_without_the_tumour() -> None:
    columns = ["arm", "auc_mean"]
    columns += [f"{where}_{value}" for where in ("hidden", "within") for value in ("mean", "low", "high")]
    rows = [
        ("seen", 0.9, 0.8, 0.7, 0.9, 0.55, 0.4, 0.7, True),
        ("not", 0.8, 0.55, 0.45, 0.65, NAN, NAN, NAN, True),
        ("few", 0.9, 0.8, 0.4, 0.9, 1.0, NAN, NAN, True),
        ("unknown", 0.8, *[NAN] * 6, True),
        ("blind", 0.5, 0.8, 0.7, 0.9, 0.55, 0.4, 0.7, False),
    ]
    seen, none, few = sentences.without_the_tumour(pd.DataFrame(rows, columns=[*columns, "learned"]))
    assert numbers(seen) == ["0.900", "0.800", "0.700", "0.900", "0.550", "0.400", "0.700"]
    assert "tells the class" in seen and "within a site" in seen
    assert numbers(none) == ["0.800", "0.550", "0.450", "0.650"]
    assert "tells the class" not in none
    assert few.endswith("1.000 (no interval) within a site.")


COST = pd.DataFrame(
    {"chosen": [30, 30], "annotated": [50, 54], "share": [0.50, 0.54], "patient_share": [0.9, 1.0], "validation": 40}
)


def test_the_proposed_method_has_its_gain_and_the_cost_of_its_annotation() -> None:
    found = gains("proposed", "baseline", ("test", "slice", 0.04, 0.01, 0.07))
    text = sentences.proposed(ON, found, COST, "random initialisation", "table4", "patients", ["more"])
    _, _, gain, cost, more = text.splitlines()
    assert more == "- more"
    assert numbers(gain) == ["4.0", "1.0", "7.0", "+3.52"]
    assert numbers(cost) == ["52", "48", "40", "70", "95", "92"]


def test_budgets_count_where_the_proposed_method_is_ahead() -> None:
    means = {"proposed": (0.80, 0.70, 0.60), "random": (0.79, 0.71, 0.59), "placebo": (0.79, 0.69, 0.60)}
    shares = (0.1, 0.2, 0.3)  # at one of them the placebo is equal
    rows = [(arm, "test", "slice", *at) for arm, values in means.items() for at in zip(shares, values, strict=True)]
    rows.append(("random", "test", "slice", 0.8, 0.9))  # the proposed method cannot draw so many
    rows.append(("baseline", "test", "slice", 1.0, 0.75))
    rows += [(arm, *place, 0.1, 0.99) for arm in means for place in (("validation", "slice"), ("test", "patient"))]
    summary = pd.DataFrame(rows, columns=["arm", "part", "unit", "share", "auc_mean"]).assign(dataset="balanced")
    gained = [("slice", "random", 0.1, 0.02, 0.01, 0.03), ("slice", "random", 0.3, -0.01, -0.04, 0.02)]
    gained += [("patient", "random", 0.3, 9.0, 9.0, 9.0), ("slice", "placebo", 0.3, 9.0, 9.0, 9.0)]
    gains = pd.DataFrame(gained, columns=["unit", "other", "share", "auc_difference", "both_low", "both_high"])
    lines = sentences.budgets(ON, summary, gains.assign(dataset="balanced", n_runs=3)).splitlines()[2:]
    assert list(map(numbers, lines)) == [[*"32218"], ["30", "1.0", "4.0", "2.0", *"120"]]
    caption = captions.of_budgets({"budget_gains": gains.assign(dataset="balanced", n_runs=3)}, "balanced")
    assert "random sampling: no difference shown: 1.0 points worse" in caption and caption.endswith("excludes 0.")


def test_rules_stand_once_and_those_of_another_cohort_have_one_more() -> None:
    card = pd.DataFrame({"rule": ["One.", "Two.", "One."], "why": ["", "few; one run", "one run"]})
    marked = "- **1** One.\n- **2** Two.\n- **a** few\n- **b** one run"
    assert sentences.rules(card.assign(verdict="reproduced")) == marked
    assert sentences.rules(card.assign(verdict="holds here")) == f"{HERE_RULE}\n\n{marked}"


def test_the_scorecard_counts_verdicts_and_what_could_be_told() -> None:
    card = pd.DataFrame({"verdict": ["reproduced", "cannot tell", "reproduced", "not reproduced"]})
    card = card.assign(could_tell=["yes, from 2.0 points on", "no, from 9.0 points on", "", NAN])
    first, _, *counts = sentences.scorecard(ON, card, COST, "patients").splitlines()
    assert numbers(first) == ["40", "4"]
    assert counts[:3] == ["- reproduced: 2.", "- cannot tell: 1.", "- not reproduced: 1."]
    assert numbers(counts[-2])[:2] == ["30", "52"] and numbers(counts[-1]) == ["80", "1", "2"]


def intervals(*rows: tuple[str, float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["unit", "runs_low", "runs_high", "both_low", "both_high"])


INTERVALS = intervals(("slice", 0.6, 0.7, 0.5, 0.8), ("slice", 0.6, 0.8, 0.4, 0.9), ("patient", 0.5, 0.7, 0.4, 0.7))


def test_widths_compare_the_mean_intervals_of_each_unit() -> None:
    assert list(map(numbers, further_sentences.widths(INTERVALS))) == [["2.7", "40", "15"], ["1.5", "30", "20"]]
    (none,) = further_sentences.widths(intervals(("slice", NAN, NAN, NAN, NAN)))
    assert none.startswith("No interval across both")


def test_contrasts_have_gain_margin_test_and_what_the_design_detects() -> None:
    lines = further_sentences.contrasts(TESTS)
    assert list(map(numbers, lines)) == [
        ["3.1", "0.4", "5.8", "2", "0.031", "4.5"],
        ["2.0", "30.0", "26.0", "2", "0.600", "100.0"],
        ["0.0", "2"],
    ]
    assert ["; not inferior at" in line for line in lines] == [True, False, False]
    assert ["non-inferiority not shown" in line for line in lines] == [False, True, True]
    few = further_sentences.contrast(pd.Series({**TESTS.iloc[0], "detectable": NAN}))
    assert few.endswith("Holm-adjusted p 0.031.")


EFFICIENCY = pd.DataFrame(
    [
        ("placebo", 0.3, 0.40, 0.10, 0.05, 0.2, ""),
        ("proposed", 0.3, 0.51, 0.18, 0.12, 0.35, ""),
        ("proposed", 0.1, 0.37, 0.80, 0.70, float("inf"), "more than"),
        ("proposed", 0.2, 0.44, 0.10, 0.0, float("inf"), "at most"),
    ],
    columns=["strategy", "budget", "annotated", "random_annotated", "random_low", "random_high", "censored"],
)
AREAS = pd.DataFrame({"strategy": ["random", "proposed"], "mean": [0.7109, 0.6], "best_rank": 1, "worst_rank": 2})


WORTH = [
    (0.3, ["30", "51", "18", "95", "12", "35"]),
    (0.1, ["10", "37", "80", "95", "70"]),  # more than 80 %, and nothing bounds it
    (0.2, ["20", "44"]),
]


@pytest.mark.parametrize(("budget", "said"), WORTH)
def test_annotation_is_worth_what_random_needs_for_as_much(budget: float, said: list[str]) -> None:
    worth, area = answer.annotation_worth(EFFICIENCY, AREAS, budget)
    assert numbers(worth) == said and ("more than 80%" in worth) == (budget == 0.1)
    assert numbers(area) == ["0.711", "1", "2"]
    ranks = dict.fromkeys(("best_rank", "worst_rank"), NAN)
    assert answer.annotation_worth(EFFICIENCY, AREAS.assign(**ranks), budget)[1].endswith("random (0.711).")
    alone = AREAS.assign(mean=NAN, **ranks)
    assert "cannot be compared" in answer.annotation_worth(EFFICIENCY, alone, budget)[1]


def test_gains_of_a_family_are_slice_level_and_count_the_arms_that_differ() -> None:
    table = compared(
        ("bald", "random", "slice", 0.05, 0.01, 0.09, 0.01, True, 0.03),
        ("badge", "random", "slice", -0.05, -0.09, -0.01, 0.2, False, 0.03),
        ("margin", "random", "slice", 0.0, -0.1, 0.1, 1.0, False, 0.03),
        ("bald", "random", "patient", 0.9, 0.8, 1.0, 0.0, True, 0.03),
    )
    *lines, count = further_sentences.gains(table)
    assert [line.split()[0] for line in lines] == ["bald:", "badge:", "margin:"]
    assert numbers(count) == ["2", "3", "1"]


def test_the_choice_of_the_epoch_is_told_with_the_calibration() -> None:
    optimism = pd.DataFrame([("b", "optimism", 0.031), ("a", "optimism", -0.002), ("a", "gap", 0.9)])
    quality = pd.DataFrame([("b", "slice", 0.1), ("b", "slice", 0.2), ("a", "slice", 0.3), ("a", "patient", 9)])
    choice, error = further_sentences.epoch_choice(
        optimism.set_axis(["arm", "quantity", "auc_mean"], axis=1),
        quality.set_axis(["arm", "unit", "calibration_error"], axis=1),
    )
    assert choice.endswith(": +3.1 pp (b), -0.2 pp (a).") and error.endswith(": 0.15 (b), 0.30 (a).")


def test_notebook_07_tells_of_slices_and_counts_the_contrasts_that_differ() -> None:
    text = further_sentences.worth(ON, INTERVALS, TESTS, ("costs", ""), {"Controls": TESTS})
    _, first, second, *_, controls = text.splitlines()[2:]
    told = further_sentences.contrasts(TESTS)
    assert first.endswith(told[0]) and second.endswith(told[2])
    assert numbers(controls) == ["1", "2", "1"]


def test_a_difference_to_an_arm_that_has_not_learned_is_not_judged() -> None:
    row = pd.Series({"auc_difference": 0.3, "n_runs": 5, "both_low": 0.2, "both_high": 0.4, "learned": False})
    assert sentences.gain(row).startswith("not judged")
    assert sentences.apart(row.to_frame().T) == 0
    assert sentences.apart(row.to_frame().T.assign(learned=True)) == 1
    assert "Not shown" in sentences.teaches_worst(row)
    told = further_sentences.contrasts(TESTS.assign(learned=False))[0]
    assert "not judged" in told and "inferior" not in told and "p " not in told
    worse = pd.Series({**row, "learned": True, "both_low": -0.4, "both_high": -0.2, "auc_difference": -0.3})
    said = sentences.teaches_worst(worse)
    assert "Yes: " in said and numbers(said)[-3:] == ["30.0", "20.0", "40.0"]


@pytest.mark.parametrize(("p", "said"), [(1, "1.000"), (0.0342, "0.034"), (0.0005, "0.001"), (0.00004, "< 0.001")])
def test_a_p_value_is_never_said_to_be_zero(p: float, said: str) -> None:
    assert sentences.p_said(p) == said
