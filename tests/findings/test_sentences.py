"""What was found, in words: the numbers of made-up tables, in their order, and the words that judge them."""

import re

import pandas as pd
import pytest

from brats_al_utils.beyond.comparison import further_sentences
from brats_al_utils.findings import answer, sentences
from brats_al_utils.findings.paper import printed_aucs
from brats_al_utils.findings.verdicts import HERE_RULE

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


@pytest.mark.parametrize(
    ("share", "text"), [(0.0132, "+1.3"), (-0.0197, "-2.0"), (1.29, "+100.0"), (-1.01, "-100.0"), (0.0, "+0.0")]
)
def test_percentage_points_have_a_sign_and_end_at_a_hundred(share: float, text: str) -> None:
    assert sentences.pp(share) == text


def test_a_gain_has_its_interval_clipped_to_what_an_auc_can_gain() -> None:
    row = pd.Series({"auc_difference": 0.2, "n_runs": 2, "both_low": -1.4, "both_high": 1.8})
    said = "no difference shown: 20.0 points better (95 % CI across runs and patients: 100.0 worse to 100.0 better)"
    assert sentences.gain(row) == said


@pytest.mark.parametrize(
    ("n_runs", "why"), [(1, "a single run"), (3, "too few patients or no variance to estimate it from")]
)
def test_where_there_is_no_interval_the_reason_is_given(n_runs: int, why: str) -> None:
    row = pd.Series({"auc_difference": -0.2, "n_runs": n_runs, "both_low": NAN, "both_high": NAN})
    assert sentences.gain(row) == f"20.0 points worse (no interval: {why})"


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
    assert list(map(numbers, text.splitlines())) == [[*"211111"], ["8", "1"], ["2", "0"], []]
    assert text.startswith("- HGG/LGG patients: training 2/1") and "`f00`" in text and "MRN" not in text
    persons = sentences.cohort(table, manifest, "persons")
    assert numbers(persons) == numbers(text)[:-1], "of a mapping nothing is said"
    assert "no person is in two parts" in persons and "patient" not in persons.lower()


def test_transfer_has_the_gain_of_each_set_and_the_paper_s_beside_the_slice_level_ones() -> None:
    found = gains(
        "pretrained",
        "scratch",
        ("validation", "slice", 0.02, -0.01, 0.05),
        ("test", "slice", -0.03, NAN, NAN),
        ("test", "patient", 0.5, 0, 1),
    )
    about, _, *lines = sentences.transfer(ON, found, "ImageNet", ["more"]).splitlines()[:-1]
    assert about.startswith(f"On the {ON}, AUC of the pretrained network (ImageNet) less that of random")
    assert [line.split(":")[0] for line in lines] == [
        "- validation, slice-level",
        "- test, slice-level",
        "- test, patient-level",
    ]
    assert list(map(numbers, lines)) == [
        ["2.0", "1.0", "5.0", "+1.32"],
        ["3.0", "+7.98"],
        ["50.0", "0.0", "100.0"],
    ]


def test_ranges_compare_the_tails_and_tell_who_is_atypical() -> None:
    low = gains("10%-40%", "0%-30%", ("validation", "slice", 0.1, 0.05, 0.15), ("validation", "patient", 0.9, 0.9, 0.9))
    both = pd.concat([low, gains("60%-90%", "70%-100%", ("test", "slice", -0.01, NAN, NAN))])
    deciles = pd.DataFrame(
        {"decile": ["most uncertain", "between", "least uncertain"], "atypical patients": [0.33, 0.2, 0.1]}
    )
    *_, first, second, atypical = sentences.ranges(ON, both, deciles).splitlines()
    assert first.startswith("- 10%-40% less 0%-30%, validation, slice-level: 10.0 points better (")
    assert numbers(first)[-3:] == ["5.0", "15.0", "+12.51"]
    assert second.startswith("- 60%-90% less 70%-100%, test, slice-level: 1.0 points worse (")
    assert "+7.72" not in second, "the paper's number is of the validation set"
    assert numbers(atypical) == ["33", "10", "20"]
    assert sentences.ranges(ON, both, deciles[["decile"]]).splitlines()[-1] == second


WORSE, BETTER, EITHER = (-0.2, -0.1), (0.1, 0.2), (-0.1, 0.2)
BY_ITSELF = (-0.3, -0.01)  # not for one of three


@pytest.mark.parametrize(
    ("fails", "left", "explained", "said"),
    [
        (WORSE, EITHER, BETTER, r"explains at least part of it; .* not shown to differ from random"),
        (WORSE, BY_ITSELF, EITHER, r"is not shown to explain it; .* not shown to differ from random"),
        (WORSE, WORSE, EITHER, r"is not shown to explain it; .* still worse than random sampling"),
        (WORSE, BETTER, BETTER, r"explains at least part of it; .* is better than random sampling"),
        (EITHER, WORSE, BETTER, r"is not shown to be worse .*: nothing to explain"),
        ((NAN, NAN), WORSE, WORSE, r"is not shown to be worse .*: nothing to explain"),
    ],
)
def test_whether_the_most_uncertain_range_fails_for_its_class_share(
    fails: tuple[float, float], left: tuple[float, float], explained: tuple[float, float], said: str
) -> None:
    pairs = (("0%-30%", "random", fails), ("each class", "random", left), ("each class", "0%-30%", explained))
    p = {WORSE: 0.01, BETTER: 0.01, EITHER: 0.1, BY_ITSELF: 0.1}
    rows = [(arm, other, "slice", sum(ends) / 2, *ends, p.get(ends, NAN), False, 0.1) for arm, other, ends in pairs]
    upset = [(arm, other, "patient", 0.5, 0.4, 0.6, 0.01, True, 0.1) for arm, other, _ in pairs]
    lines = sentences.class_share(compared(*upset, *rows))
    assert len(lines) == 4
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
    columns = [
        "arm",
        "auc_mean",
        "hidden_mean",
        "hidden_low",
        "hidden_high",
        "within_mean",
        "within_low",
        "within_high",
    ]
    rows = [
        ("seen", 0.9, 0.8, 0.7, 0.9, 0.55, 0.4, 0.7, True),
        ("not", 0.8, 0.55, 0.45, 0.65, NAN, NAN, NAN, True),
        ("unknown", 0.8, *[NAN] * 6, True),
        ("blind", 0.5, 0.8, 0.7, 0.9, 0.55, 0.4, 0.7, False),
    ]
    seen, none = sentences.without_the_tumour(pd.DataFrame(rows, columns=[*columns, "learned"]))
    assert numbers(seen) == ["0.900", "0.800", "0.700", "0.900", "0.550", "0.400", "0.700"]
    assert "tells the class" in seen and "within a site" in seen
    assert numbers(none) == ["0.800", "0.550", "0.450", "0.650"]
    assert "tells the class" not in none


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
        ["more"],
    )
    _, _, gain, cost, more = text.splitlines()
    assert more == "- more"
    assert numbers(gain) == ["4.0", "1.0", "7.0", "+3.52"]
    assert numbers(cost) == ["52", "48", "40", "70", "95", "92"]


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
    lines = sentences.budgets(ON, summary, gains.assign(dataset="balanced", n_runs=3)).splitlines()[2:]
    assert list(map(numbers, lines)) == [[*"32218"], ["30", "1.0", "4.0", "2.0", *"120"]]


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
    assert list(map(numbers, further_sentences.widths(INTERVALS))) == [["2.7", "40", "15"], ["1.5", "30", "20"]]
    (none,) = further_sentences.widths(intervals(("slice", NAN, NAN, NAN, NAN)))
    assert none.startswith("No interval across both")


def test_contrasts_have_gain_margin_test_and_what_the_design_detects() -> None:
    lines = further_sentences.contrasts(TESTS)
    assert list(map(numbers, lines)) == [
        ["3.1", "0.4", "5.8", "2", "0.03", "4.5"],
        ["2.0", "30.0", "26.0", "2", "0.60", "100.0"],
        ["0.0", "2"],
    ]
    assert ["; not inferior at" in line for line in lines] == [True, False, False]
    assert ["non-inferiority not shown" in line for line in lines] == [False, True, True]


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
    ("budget", "said"),
    [
        (0.3, ["30", "51", "18", "95", "12", "35"]),
        (0.1, ["10", "37", "80", "95", "70"]),  # more than 80 %, and nothing bounds it
        (0.2, ["20", "44"]),
    ],
)
def test_annotation_is_worth_what_random_needs_for_as_much(budget: float, said: list[str]) -> None:
    worth, area = answer.annotation_worth(EFFICIENCY, AREAS, budget)
    assert numbers(worth) == said and ("more than 80%" in worth) == (budget == 0.1)
    assert "random (0.711" in area and numbers(area) == ["0.711", "1", "2"]


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
    *lines, count = further_sentences.gains(table)
    assert [line.split()[0] for line in lines] == ["bald:", "badge:", "margin:"]
    assert numbers(count) == ["2", "3", "1"]


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
    choice, error = further_sentences.epoch_choice(optimism, quality)
    assert choice.endswith(": +3.1 pp (b), -0.2 pp (a).") and error.endswith(": 0.15 (b), 0.30 (a).")


def test_notebook_07_answers_what_it_asks() -> None:
    worth = answer.annotation_worth(EFFICIENCY, AREAS, 0.3)
    text = further_sentences.worth(ON, INTERVALS, TESTS, worth, {"Controls": TESTS})
    told = further_sentences.contrasts(TESTS)
    assert text.splitlines()[2:] == [
        f"- Would it hold for other patients? {further_sentences.widths(INTERVALS)[0]}",
        f"- Could this design tell? {told[0]}",
        f"- Could this design tell? {told[2]}",
        f"- What does annotation cost? {worth[0]}",
        "- Controls. Different from the reference: 1 of 2 by the interval across runs and patients, 1 by "
        "Holm-adjusted tests.",
    ]


def test_a_difference_to_an_arm_that_has_not_learned_is_not_judged() -> None:
    row = pd.Series({"auc_difference": 0.3, "n_runs": 5, "both_low": 0.2, "both_high": 0.4, "learned": False})
    assert sentences.gain(row).startswith("not judged")
    assert sentences.apart(row.to_frame().T) == 0
    assert sentences.apart(row.to_frame().T.assign(learned=True)) == 1
    assert "Not shown" in sentences.teaches_worst(row)
    worse = pd.Series({**row, "learned": True, "both_low": -0.4, "both_high": -0.2, "auc_difference": -0.3})
    assert "Yes: against the mean of the other ranges" in sentences.teaches_worst(worse)
    assert "30.0 points worse (95 % CI across runs and patients: 20.0 to 40.0)" in sentences.teaches_worst(worse)


@pytest.mark.parametrize(("p", "said"), [(1, "1.000"), (0.0342, "0.034"), (0.0005, "0.001"), (0.00004, "< 0.001")])
def test_a_p_value_is_never_said_to_be_zero(p: float, said: str) -> None:
    assert sentences.p_said(p) == said
