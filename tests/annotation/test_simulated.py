"""A reader who knows the truth, and the loop with one: no errors give the truth, and a loop that stopped resumes."""

from pathlib import Path

import annotation_loop as simulated
import numpy as np
import pandas as pd
import pytest
from annotation_loop import ARMS, loop, loop_curve, read_by, simulate, simulated_profile
from small_annotation import SMALL, made_up, pictures, truth

from brats_al_utils.beyond.annotation.query import query

NAMES = [f"p{number:03}-0.png" for number in range(400)]
TRUTH = {name: truth(name) for name in NAMES}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "image").write_bytes(b"abc")
    return tmp_path / "image"


def wrong(image: Path, error_rate: float, seed: int = 0) -> list[str]:
    given = read_by(NAMES, dict.fromkeys(NAMES, image), TRUTH, error_rate, seed)
    assert [answer.slice_id for answer in given] == NAMES
    return [answer.slice_id for answer in given if answer.label != TRUTH[answer.slice_id]]


def test_errors_are_as_frequent_as_they_should_be(image: Path) -> None:
    assert wrong(image, 0) == []
    assert wrong(image, 1) == NAMES
    # Of 400 at 0.2, 80, with a standard deviation of 8; the same each time, other ones with another seed.
    found = wrong(image, 0.2)
    assert 56 < len(found) < 104
    assert found == wrong(image, 0.2)
    assert found != wrong(image, 0.2, seed=1)
    assert set(wrong(image, 0.1)) <= set(found)


def test_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = made_up(monkeypatch)
    data = pictures(tmp_path / "data", labelled=60)
    profile = simulated_profile(("sick", "well"), SMALL)
    found = simulate(data, tmp_path / "out", profile, budgets=(50, 10), repeats=3, error_rate=0.0)
    assert set(found["arm"]) == set(ARMS)
    assert (found["label"] == found["patient_id"].str[1:].astype(int) % 2).all()
    for _, rows in found.groupby(["arm", "seed"]):
        assert rows["query"].max() == 2
        assert rows.drop_duplicates("query").set_index("query")["annotated"].to_dict().items() <= {1: 50, 2: 60}.items()
    first = found[found["query"] == 1].groupby("seed")["key"].nunique()
    assert (first == 1).all(), "both strategies start from the same labels"
    curve = loop_curve(found)
    assert set(curve["arm"]) == {*ARMS, "middle less random"}
    assert curve["auc"].between(-1, 1).all()
    loop(curve)
    before = len(trained)
    again = simulate(data, tmp_path / "out", profile, budgets=(50, 10), repeats=3, error_rate=0.0)
    pd.testing.assert_frame_equal(found, again)
    assert {run.key for run in trained[before:]} <= {run.key for run in trained[:before]}


def test_a_loop_that_is_stopped_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some answers it goes on to what it would have been."""
    made_up(monkeypatch)
    data, profile = pictures(tmp_path / "data", labelled=60), simulated_profile(("sick", "well"), SMALL)
    whole = simulate(data, tmp_path / "whole", profile, (50, 10), repeats=1)
    calls = iter(range(9))

    def stops(*arguments: object) -> object:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return query(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(simulated, "query", stops)
    with pytest.raises(KeyboardInterrupt):
        simulate(data, tmp_path / "parts", profile, (50, 10), repeats=1)
    pd.testing.assert_frame_equal(simulate(data, tmp_path / "parts", profile, (50, 10), repeats=1), whole)


def test_a_curve_by_hand() -> None:
    """Of three repeats with AUCs of 1, 3/4 and 1/2 against 1/2: 0.75 and a difference of 0.25."""
    frames = []
    for seed, scores in enumerate(([4, 3, 2, 1], [4, 2, 3, 1], [4, 1, 3, 2])):
        for arm, score in (("middle", scores), ("random", [2, 3, 3, 2])):
            frame = pd.DataFrame({"label": [1, 1, 0, 0], "score": score, "patient_id": list("abcd")})
            frame = frame.assign(arm=arm, seed=seed, fold=seed, key=f"{arm} {seed}")
            frames += [frame.assign(query=number, annotated=50 * number) for number in (1, 2)]
    every = pd.concat(frames, ignore_index=True)
    curve = loop_curve(every)
    of = curve.set_index(["annotated", "arm"])["auc"].to_dict()
    assert of[50, "middle"] == of[100, "middle"] == pytest.approx(0.75)
    assert of[50, "random"] == pytest.approx(0.5)
    assert of[50, "middle less random"] == pytest.approx(0.25)
    unfinished = every[(every["query"] == 1) | (every["arm"] == "middle")]
    assert set(loop_curve(unfinished)["annotated"]) == {50}, "only where every committee is trained"
    assert np.isfinite(curve["auc"]).all()


def predictions() -> pd.DataFrame:
    """Return made-up predictions: after each query the strategy tells the classes apart a little better."""
    frames, label = [], np.arange(20) % 2
    for seed, number, place in np.ndindex(3, 3, len(ARMS)):
        noise = np.random.default_rng([seed, number, place]).normal(size=20)
        frame = pd.DataFrame({"label": label, "score": noise + label * (0.4 * number + 0.7 - 0.3 * place)})
        frame = frame.assign(seed=seed, fold=seed, query=number + 1, annotated=60 + 40 * number, arm=ARMS[place])
        names = [f"p{each % 10}{each % 2}" for each in range(20)]
        frames.append(frame.assign(patient_id=names, key=f"{ARMS[place]} {seed} {number}"))
    return pd.concat(frames, ignore_index=True)


def test_drawn_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    curve = loop_curve(predictions())
    data = pictures(tmp_path / "data", patients=6, labelled=6)
    monkeypatch.setattr(simulated, "simulate", lambda *arguments: predictions())
    monkeypatch.setattr(simulated, "simulated_profile", lambda classes: simulated_profile(("sick", "well")))
    simulated.main(str(data), str(tmp_path / "out"))
    kept = pd.read_csv(tmp_path / "out" / "annotation_loop.csv")
    assert kept["arm"].tolist() == curve["arm"].tolist()
    assert kept["auc"].to_numpy() == pytest.approx(curve["auc"].to_numpy(), rel=1e-5)
    assert (kept["low"] <= kept["high"]).all()
    svg = (tmp_path / "out" / "annotation_loop.svg").read_text(encoding="utf-8")
    assert "Cohort data (6 persons); simulated reader who errs on 5 % of the slices; 64 pixels, 10 epochs" in svg
    assert (tmp_path / "out" / "loop" / ".gitignore").read_text(encoding="utf-8") == "*\n"
    assert "middle less random" in capsys.readouterr().out
