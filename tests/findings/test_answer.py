"""Whether active learning saves annotations, from made-up tables."""

import numpy as np
import pandas as pd
import pytest

from brats_al_utils.findings import answer as page
from brats_al_utils.findings.answer import CANNOT_TELL, NO, NOT_COMPUTED, NOT_DECIDED, YES, answer, differences
from brats_al_utils.findings.outcomes import NOT_YET, WORSE, outcome

NAN = float("nan")
OWN = {"cohort": pd.DataFrame({"class_name": ["HGG", "LGG"]})}


def contrasts_table(low: float, high: float, detectable: float = 0.125, planned: int = 5) -> pd.DataFrame:
    row = {"arm": "proposed", "other": "random at 51%", "auc_difference": (low + high) / 2, "learned": True}
    row |= {"both_low": low, "both_high": high, "n_runs": 5, "planned": planned, "detectable": detectable}
    row |= {"outcome": outcome(low, high) if planned == 5 else NOT_YET}
    return pd.DataFrame([row, row | {"other": "random", "both_low": 0.5}])


def intervals_table(low: float = 0.6) -> pd.DataFrame:
    row = {"arm": "proposed", "unit": "slice", "auc_mean": 0.7123, "both_low": low, "both_high": 0.8}
    return pd.DataFrame([row | {"unit": "patient", "both_low": 0.1}, row, row | {"arm": "random", "both_low": 0.1}])


def card(ours: float = -4.32, low: float = -17.75) -> pd.DataFrame:
    gain = {"id": "abstract.gain", "printed": "2.92", "recomputed": "2.98", "ours": ours, "verdict": "cannot tell here"}
    saved = {"id": "saving.range", "printed": "40 to 70", "recomputed": "", "ours": 47.92, "verdict": "reproduced"}
    transfer = gain | {"id": "table2.test_gain", "recomputed": "7.98", "verdict": "holds here"}
    transfer |= {"ours": ours + 30, "both_low": 3.21, "both_high": 41.0}
    return pd.DataFrame([gain | {"both_low": low, "both_high": low + 26.86}, transfer, saved])


ANSWERS = [
    (0.001, 0.2, YES),
    (0.001, 0.019, YES),  # small, but a gain
    (-0.001, 0.2, CANNOT_TELL),
    (-0.2, 0.001, CANNOT_TELL),
    (-0.019, 0.019, NO),  # as good as random
    (-0.021, 0.019, CANNOT_TELL),
    (-0.2, -0.001, NO),
    (NAN, NAN, CANNOT_TELL),
]


@pytest.mark.parametrize(("low", "high", "said"), ANSWERS)
def test_the_answer_is_by_the_interval_against_as_many_random_slices(low: float, high: float, said: str) -> None:
    assert answer({"outcomes": contrasts_table(low, high), "intervals": intervals_table()}).said == said


def test_fewer_runs_than_were_planned_decide_nothing() -> None:
    found = answer({"outcomes": contrasts_table(0.1, 0.2, planned=20)})
    assert found.said == NOT_DECIDED
    assert found.lines[0].startswith("5 of the 20 planned runs")


@pytest.mark.parametrize(("low", "ends"), [(0.5, "0.500 to 0.800"), (NAN, "not known")])
def test_networks_that_do_not_tell_the_classes_apart_answer_nothing(low: float, ends: str) -> None:
    found = answer({"outcomes": contrasts_table(0.1, 0.2), "intervals": intervals_table(low)})
    assert found.said == CANNOT_TELL
    assert found.lines[0] == (
        "The networks are not shown to tell the classes apart: slice-level test AUC of the proposed method 0.712 "
        f"(95 % confidence interval across runs and patients: {ends})."
    )


def test_the_sentences_say_by_how_much_and_how_sure() -> None:
    efficiency = pd.DataFrame(
        {"strategy": ["proposed"], "budget": [0.3], "annotated": [0.52], "random_annotated": [0.59], "censored": [""]}
        | {"random_low": [0.0], "random_high": [np.inf]}
    )
    areas = pd.DataFrame({"strategy": ["random"], "mean": [0.7], "best_rank": [1], "worst_rank": [2]})
    tables = {"outcomes": contrasts_table(-0.02, 0.1), "intervals": intervals_table(), "scorecard": card()}
    found = answer(tables | {"label_efficiency": efficiency, "areas": areas})
    parts = [
        ["(51% of the training", ": 4.0 points better (95 % CI across runs and patients: 2.0 worse to 10.0 better)"],
        ["80 %", "12.5 pp"],
        ["30%", "52%"],
        ["baseline", "-4.3 pp", "-17.8 to +9.1 pp", "+2.98 pp: cannot tell here"],
        ["random initialisation", "+25.7 pp", "+3.2 to +41.0 pp", "+7.98 pp: holds here"],
        ["47.9 %", "40 to 70 %"],
    ]
    for line, words in zip(found.lines, parts, strict=True):
        assert all(each in line for each in words), line


def test_what_was_not_run_is_named_and_another_version_refused() -> None:
    assert answer({}).said == NOT_COMPUTED
    assert answer({}).lines == ["More would be told by notebooks 06, 07, 13."]
    assert answer({"scorecard": card(NAN, NAN)}).lines[-1] == "More would be told by notebooks 07, 13."
    (saved, _) = answer({"scorecard": card(NAN, NAN)}).lines
    assert saved.startswith("Training slices")
    everything = contrasts_table(0.0, 0.1, NAN).assign(other="baseline")
    first, _ = answer({"outcomes": everything, "intervals": intervals_table()}).lines  # nothing is detectable
    assert "as many annotated slices, slice-level" in first, "no share of them"
    with pytest.raises(KeyError):
        answer({"scorecard": pd.DataFrame({"id": ["abstract.gain"]})})


def budget_gains(low: float, high: float) -> pd.DataFrame:
    row = {"arm": "proposed", "other": "random", "unit": "slice", "dataset": "imbalanced", "share": 0.3, "n_runs": 5}
    row |= {"auc_difference": (low + high) / 2, "both_low": low, "both_high": high, "learned": True}
    return pd.DataFrame(
        [row | {"share": 0.1, "both_low": 0.5}, row | {"dataset": "balanced"}, row, row | {"other": "placebo"}]
    )


FEWER = [(-0.2, -0.001, NO), (-0.019, 0.019, NO), (0.001, 0.2, CANNOT_TELL)]


@pytest.mark.parametrize(("low", "high", "said"), FEWER)
def test_without_notebook_07_random_has_fewer_annotated_and_can_only_win(low: float, high: float, said: str) -> None:
    tables = {"budget_gains": budget_gains(low, high)}
    assert answer(tables).said == said
    weak = pd.DataFrame([{"arm": "proposed", "auc_mean": 0.6, "low": 0.45, "high": 0.7}])
    assert answer(tables | {"table3_arms": weak}).said == CANNOT_TELL
    assert answer({"budget_gains": tables["budget_gains"].assign(learned=False)}).said == CANNOT_TELL
    found = differences(tables)
    assert found[["arm", "other"]].to_numpy().tolist() == [["proposed", "random"], ["proposed", "placebo"]]
    assert found[["both_low", "both_high"]].to_numpy()[0].tolist() == [low, high]


def test_the_paper_s_differences_stand_beside_ours_and_an_arm_that_has_not_learned_is_marked() -> None:
    row = {"part": "test", "unit": "slice", "auc_difference": 0.1, "both_low": 0.05, "both_high": 0.15}
    other = row | {"part": "validation", "auc_difference": 0.9}
    rows = {
        "table2_gains": {"arm": "pretrained", "other": "scratch", "learned": False},
        "table3_gains": {"arm": "proposed", "other": "baseline", "learned": True},
    }
    tables = {name: pd.DataFrame([other | pair, row | pair]) for name, pair in rows.items()} | OWN
    found = differences(tables)
    assert found[["other", "learned"]].to_numpy().tolist() == [["baseline", True], ["scratch", False]]
    assert found["paper"].tolist() == pytest.approx([0.0298, 0.0798])
    assert found["auc_difference"].tolist() == [0.1, 0.1]
    assert differences(tables | {"cohort": pd.DataFrame({"class_name": ["tumour", "none"]})})["paper"].isna().all()


@pytest.mark.parametrize(("first", "shown"), [(WORSE, 1), (NOT_YET, 2)])
def test_beside_a_decided_contrast_those_that_are_not_are_left_to_their_table(first: str, shown: int) -> None:
    table = contrasts_table(-0.2, -0.1).assign(outcome=[first, NOT_YET])
    assert len(differences({"outcomes": table})) == shown


NEEDED = [(NAN, 223, NO), (300, 90, NO), (66, 40, YES), (NAN, NAN, CANNOT_TELL)]


@pytest.mark.parametrize(("needed", "many", "said"), NEEDED)
def test_a_study_of_drawn_test_sets_answers_whether_the_paper_could_tell(needed: float, many: float, said: str) -> None:
    row = {"arm": "proposed", "other": "baseline", "positives": 500, "negatives": 500, "gain": -0.054, "p": 0.16}
    table = pd.DataFrame([row | {"drawn_low": -0.098, "drawn_high": -0.012, "needed": needed, "needed_many": many}])
    found = answer({"design": table})
    assert (found.question, found.said) == (page.DESIGN_QUESTION, said)
    assert "1,000 test patients: -5.4 pp; 95 % of test sets of the paper's size" in found.lines[0]
    (drawn,) = differences({"design": table} | OWN).itertuples()
    ends = (drawn.auc_difference, drawn.both_low, drawn.both_high, drawn.paper)
    assert ends == pytest.approx((-0.054, -0.098, -0.012, 0.0298))
