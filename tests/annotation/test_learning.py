"""What is learned from answers: counts, a learning curve and a forecast worked out by hand, and the words for them."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import t
from small_annotation import answer, made_up, pictures, say, session_of

from brats_al_utils.beyond.annotation import learning
from brats_al_utils.beyond.annotation.answers import SKIP, UNDO, UNSURE, Answer, append, now
from brats_al_utils.beyond.annotation.committee import lacking
from brats_al_utils.beyond.annotation.draws import WHY
from brats_al_utils.beyond.annotation.query import query, read_query
from brats_al_utils.beyond.annotation.session import ANSWERS
from brats_al_utils.beyond.annotation.state import Point
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.findings.comparison import Pairs, patient_pairs

# Six patients of one slice; the second committee tells them all apart, the first all but one pair, the third too.
SCORES = {
    "10": [0.9, 0.8, 0.4, 0.5, 0.3, 0.2],
    "20": [0.9, 0.8, 0.6, 0.5, 0.3, 0.2],
    "40": [0.9, 0.8, 0.6, 0.7, 0.3, 0.2],
}


def by_hand(scores: dict[str, list[float]]) -> Pairs:
    base = pd.DataFrame({"seed": 0, "patient_id": list("abcdef"), "label": [1, 1, 1, 0, 0, 0]})
    frames = [base.assign(arm=arm, score=score) for arm, score in scores.items()]
    return patient_pairs(pd.concat(frames), "slice")


def test_a_curve_by_hand() -> None:
    """First: 8 of 9 pairs. Positives beat 1, 1 and 2/3 of the others, negatives are beaten by 2/3, 1, 1."""
    curve = learning.learning_curve(by_hand(SCORES))
    assert curve["labelled"].tolist() == [10, 20, 40]
    assert curve["auc"].to_numpy() == pytest.approx([8 / 9, 1, 8 / 9])
    squares = 2 * ((1 - 8 / 9) ** 2 * 2 + (2 / 3 - 8 / 9) ** 2)  # of either class, over n (n - 1)
    error = math.sqrt(squares / 6)
    half = t.ppf(0.975, 4) * error / (8 / 9 * 1 / 9)  # alike in both classes: 2 + 2 degrees of freedom
    assert [curve["low"][0], curve["high"][0]] == pytest.approx(expit(logit(8 / 9) + half * np.array([-1, 1])))
    assert curve.loc[1, ["low", "high"]].isna().all(), "no variance is no certainty"


def test_a_forecast_by_hand() -> None:
    """8/9, 1 and 8/9 at 10, 20 and 40 labels lie about a level line; rising by 1/9 a doubling, 40 more add 1/9."""
    level = learning.forecast(by_hand(SCORES), 40)
    assert level
    assert level.gain == pytest.approx(0)
    rising = by_hand({"10": [0.9, 0.4, 0.35, 0.5, 0.3, 0.2], "20": SCORES["10"], "40": SCORES["20"]})
    found = learning.forecast(rising, 40)
    assert found
    assert rising.aucs[:, 0] == pytest.approx([7 / 9, 8 / 9, 1])
    assert found.gain == pytest.approx(1 / 9)
    assert found.low < 1 / 9 < found.high
    assert learning.forecast(rising, 20).gain == pytest.approx(math.log2(1.5) / 9)  # type: ignore[union-attr]


def test_the_error_of_a_forecast() -> None:
    """Of weights on one arm alone it is the error of that arm's AUC; the scatter adds its share."""
    pairs = by_hand(SCORES)
    alone = learning.error_of(pairs, np.array([1.0, 0, 0]), 0.0)
    assert alone.error == pytest.approx(math.sqrt(2 * (2 * (1 / 9) ** 2 + (2 / 9) ** 2) / 6))
    assert alone.freedom == pytest.approx(4)
    both = learning.error_of(pairs, np.array([1.0, 0, 0]), 0.01)
    assert both.error**2 == pytest.approx(alone.error**2 + 0.01)
    parts = [alone.error**2 / 2, alone.error**2 / 2, 0.01]  # with 2, 2 and 1 degrees of freedom
    assert both.freedom == pytest.approx(sum(parts) ** 2 / sum(p**2 / n for p, n in zip(parts, (2, 2, 1), strict=True)))
    assert learning.scatter(np.array([-1.0, 0, 1]), np.array([0.0, 3, 0])) == pytest.approx(6)
    assert math.isnan(learning.error_of(pairs, np.array([0, 1.0, 0]), 0.01).error)


def test_two_points_are_no_curve() -> None:
    assert learning.forecast(by_hand({name: SCORES[name] for name in ("10", "20")}), 10) is None


def test_the_whole_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = made_up(monkeypatch)
    session = session_of(pictures(tmp_path / "data"))
    session, lesson = learning.learn(session)
    assert lesson.needs == f"Needs {'; '.join(f'5 sick and 5 well more for {part}' for part in PARTS)}."
    assert lesson.changes == {"new": 0, "changed": 0, "taken back": 0}
    for size in (40, 14, 14, 14):
        session, _ = query(session, size, random_share=0.5)
        session, lesson = learning.learn(answer(session))
    assert lesson.changes == {"new": 14, "changed": 0, "taken back": 0}
    assert lesson.waiting == 0
    assert sum(lesson.answered.values()) == 82
    assert lesson.curve["labelled"].is_monotonic_increasing
    assert len(lesson.curve) >= 3
    assert lesson.forecast
    assert lesson.forecast.more == 14
    assert lesson.comparison is not None
    assert lesson.comparison["slices"] >= 5
    assert lesson.comparison["n_runs"] == 3
    told = " ".join(learning.sentences(lesson, session.cohort.classes))
    assert "Another 14 labels for training would change the AUC by" in told
    assert "chosen slices against as many random ones" in told
    before = len(trained)
    session, again = learning.learn(session)
    assert again.changes["new"] == 0
    assert {run.key for run in trained[before:]} <= {run.key for run in trained[:before]}
    last = session.state.queries[-1]
    of_test = dict.fromkeys(list(last.asked)[:3], WHY["test"])
    state = replace(session.state, queries=(*session.state.queries[:-1], replace(last, asked=last.asked | of_test)))
    _, fewer = learning.learn(replace(session, state=state))
    assert fewer.forecast and fewer.forecast.more == 11, "labels of held-out patients train nothing"
    assert len(session.state.points) == len(again.curve) == len(lesson.curve), "nothing is learned twice"
    part, patient = session.part.to_numpy(), session.slices["patient_id"].to_numpy()
    for run in trained:  # on nobody who is held out
        assert set(part[list(run.training)]) == {"training"} and set(part[list(run.validation)]) == {"validation"}
        assert not set(patient[list(run.training)]) & set(patient[list(run.validation)])


def test_what_is_learned_from_a_table_alone_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch)
    data = pictures(tmp_path / "data", 70, 1, labelled=66)
    before, _ = learning.learn(session_of(data))
    session, lesson = learning.learn(session_of(pictures(data, 90, 1, labelled=80)))
    assert session.state.test == before.state.test and len(lesson.curve) == 2


def test_changes_are_told(tmp_path: Path) -> None:
    session, table = query(session_of(pictures(tmp_path / "data")), 10)
    session, _ = learning.learn(answer(session))
    rows = table.to_dict(orient="records")
    other = {"sick": "well", "well": "sick"}
    for row, label in ((rows[0], other[session.answers[rows[0]["slice_id"]].label]), (rows[1], UNDO), (rows[2], SKIP)):
        append(session.folder / ANSWERS, Answer(row["slice_id"], label, "ada", now(), row["image_sha256"]))
    session, lesson = learning.learn(session_of(session.cohort.root))
    assert lesson.changes == {"new": 0, "changed": 2, "taken back": 1}
    assert lesson.waiting == 2
    assert lesson.answered[SKIP] == 1
    told = list(learning.sentences(lesson, session.cohort.classes))
    assert told[0].startswith("Answers: 0 new, 2 changed, 1 taken back; now ")
    assert re.search(r"Needs 5 sick and 5 well more for training; \d .* for validation", told[-1])
    assert "AUC 0" not in " ".join(told)


def test_a_patient_of_two_classes_is_tested_on_by_the_image(tmp_path: Path) -> None:
    session = session_of(pictures(tmp_path / "data"))
    assert learning.curve_pairs(session, learning.test_labels(session)) is None, "no curve without both classes"
    first, second = session.state.test[:2]
    for name, label in ((f"{first}-0.png", "sick"), (f"{first}-1.png", "well"), (f"{second}-0.png", "sick")):
        say(session, name, label)
    say(session, f"{session.state.test[2]}-0.png", UNSURE)
    session = session_of(session.cohort.root)
    found = learning.test_labels(session).set_index("slice_id")["label"].to_dict()
    assert found == {f"{first}-0.png": 1, f"{first}-1.png": 0, f"{second}-0.png": 1}
    assert lacking(session)["test"] == (4, 3)


def test_words_for_a_lesson() -> None:
    curve = pd.DataFrame([(50, 0.7, 0.5, 0.85), (90, 0.8, 0.6, 0.9)], columns=["labelled", "auc", "low", "high"])
    row = pd.Series({"auc_difference": 0.02, "both_low": -0.1, "both_high": 0.14, "n_runs": 3, "slices": 20})
    labelled = {"training": (40, 50), "validation": (5, 10), "test": (9, 12)}
    ahead = learning.Forecast(40, 0.011, -0.05, 0.07)
    lesson = learning.Lesson({"new": 4}, {"sick": 3}, 2, labelled, curve, ahead, row, "")
    found = [re.findall(r"[+-]?\d+\.?\d*", line) for line in learning.sentences(lesson, ("well", "sick"))]
    assert found[0] == ["4", "3", "2"] and found[3] == ["12", "9"]
    assert found[5] == ["90", "0.800", "95", "0.600", "0.900"]
    assert found[6][:2] == ["40", "+1.1"] and found[7][:2] == ["20", "+2.0"]
    *_, last = few = list(learning.sentences(replace(lesson, needs="Needs 1 sick more for test."), ("well", "sick")))
    assert last.startswith("Needs 1 sick more for test.") and "test AUC" not in " ".join(few)


def test_a_later_committee_of_as_many_labels_counts(tmp_path: Path) -> None:
    session = answer(query(session_of(pictures(tmp_path / "data")), 60, random_share=1)[0])
    tested = learning.test_labels(session)
    before = replace(session, state=replace(session.state, points=(Point("one", 10, {"p000-0.png": 0.5}),)))
    assert learning.curve_pairs(before, tested[:0]) is None, "a committee, and no answer of the test set yet"
    labels = dict(zip(tested["slice_id"], tested["label"].astype(float), strict=True))
    assert len({*labels.values()}) == 2
    worse, better = Point("one", 10, {name: 1 - of for name, of in labels.items()}), Point("two", 10, labels)
    for points, auc in (((worse, better), 1.0), ((better, worse), 0.0)):
        pairs = learning.curve_pairs(replace(session, state=replace(session.state, points=points)), tested)
        assert pairs
        assert pairs.aucs.tolist() == [[auc]]
    assert len(read_query(session)) == 60
