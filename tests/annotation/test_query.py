"""What is proposed: never what is labelled, at random without regard to scores, of a patient everything or nothing."""

from hashlib import sha256
from pathlib import Path

import pytest
from small_annotation import SMALL, answer, clever, made_up, pictures, say, session_of

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.answers import SKIP, UNDO, UNSURE, Answer, append, now
from brats_al_utils.beyond.annotation.candidates import UNLABELLED
from brats_al_utils.beyond.annotation.committee import OF_PATIENTS, USABLE, taught, trainable
from brats_al_utils.beyond.annotation.draws import WHY, drawn_at_random, held_out
from brats_al_utils.beyond.annotation.learning import test_labels as labels_of_the_test_set
from brats_al_utils.beyond.annotation.query import query, read_query
from brats_al_utils.beyond.annotation.session import ANSWERS, QUERY, STATE, Session, counts, open_session
from brats_al_utils.beyond.competitors.competitors import STRATEGIES
from brats_al_utils.files import held
from brats_al_utils.queries.sampling import OF_CLASSES
from brats_al_utils.runs.run import Run


def begun(data: Path) -> Session:
    """Return an annotation with labels enough for a strategy: two queries are answered."""
    session = session_of(data)
    for _ in range(2):
        session = answer(query(session, 30, "random")[0])
    assert trainable(session)
    return session


def test_the_first_query_is_drawn_at_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 30: 15 patients are needed for validation but 12 are held out; of the other 18 a fifth, 4, half for test."""
    trained = made_up(monkeypatch)
    session, table = query(session_of(pictures(tmp_path / "data")), 30)
    assert table["why"].value_counts().to_dict() == {WHY["training"]: 16, WHY["validation"]: 12, WHY["test"]: 2}
    assert not trained
    assert table["rank"].isna().all()
    asked = {part: table.loc[table["why"] == WHY[part], "patient_id"].tolist() for part in ("training", "validation")}
    assert sorted(asked["validation"]) == sorted(session.state.validation), "of whom is held out, one slice"
    assert not {*asked["training"]} & {*session.state.validation, *session.state.test}


def test_where_a_label_is_an_image_s_further_slices_of_the_held_out_are_asked(tmp_path: Path) -> None:
    """After 60 answers, of which pictures 1 are sick, each of ten persons held out has two of three left: in turns."""
    session, _ = query(session_of(pictures(tmp_path / "data", 40, 3)), 60, random_share=1.0)
    for row in read_query(session).to_dict(orient="records"):
        label = ("well", "sick", "well")[int(row["image"][5])]
        append(session.folder / ANSWERS, Answer(row["slice_id"], label, "ada", now(), row["image_sha256"]))
    session = session_of(tmp_path / "data")
    units = [session.slices["patient_id"].iloc[int(slices[0])] for slices in held_out(session, "validation", "slice")]
    assert units == [*session.state.validation] * 2
    assert not held_out(session, "validation", "patient")
    assert len(labels_of_the_test_set(session)) == 10


def test_what_is_written_is_what_docs_describe(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data")
    session, table = query(session_of(data), 5)
    written = read_query(session)
    assert list(written.columns) == ["slice_id", "patient_id", "image", "z", "image_sha256", "rank", "score", "why"]
    assert written["slice_id"].tolist() == table["slice_id"].tolist() == written["image"].tolist()
    assert set(written["z"]) == {""}
    for row in written.to_dict(orient="records"):
        assert row["image_sha256"] == sha256((data / row["image"]).read_bytes()).hexdigest()
    assert set(session.state.queries[-1].asked) == set(written["slice_id"])


def test_a_strategy_chooses_of_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = made_up(monkeypatch)
    before = begun(pictures(tmp_path / "data"))
    session, table = query(before, 10)
    assert table["why"].value_counts().to_dict() == {"chosen by middle": 8, WHY["training"]: 1, WHY["test"]: 1}
    assert not set(before.slices.loc[before.label != UNLABELLED, "slice_id"]) & set(table["slice_id"])
    assert len(trained) == 3
    left = before.askable & (before.part == "training")
    chosen = table[table["why"] == "chosen by middle"]
    assert table["rank"].max() <= left.sum()
    assert chosen["rank"].min() > 1, "the most uncertain decile is dropped"
    assert session.state.queries[-1].labelled == int((before.part[before.label != UNLABELLED] == "training").sum())
    (point,) = session.state.points
    assert set(point.probability) == set(before.slices.loc[before.part == "test", "slice_id"])


def test_what_is_drawn_at_random_does_not_depend_on_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on the strategy; its other proposals do."""
    made_up(monkeypatch)
    data = pictures(tmp_path / "data")
    begun(data)
    kept = {path: path.read_bytes() for path in (data / "annotation").glob("*.json*")}

    def contrary(name: str, run: Run) -> float:
        return 1 - clever(name, run) / 2 if name < "p020" else clever(name, run)

    drawn, chosen = [], []
    for score, strategy in ((clever, "middle"), (contrary, "middle"), (clever, "top"), (contrary, "top")):
        for path in (data / "annotation" / "runs").glob("*.safetensors"):
            path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)
        made_up(monkeypatch, score)
        _, table = query(session_of(data), 10, strategy, random_share=0.4)
        by_chance = table["why"].isin(WHY.values())
        drawn.append(set(table.loc[by_chance, "slice_id"]))
        chosen.append(set(table.loc[~by_chance, "slice_id"]))
    assert drawn == drawn[:1] * 4 and len(drawn[0]) == 4
    assert chosen[2] != chosen[3]


def test_the_random_sample_has_what_a_strategy_chose_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the random order, everything up to the last slice asked for: so it is a sample of all, not of what is left."""
    made_up(monkeypatch)
    session = begun(pictures(tmp_path / "data"))
    for strategy in ("top", "middle"):
        session, _ = query(session, 16, strategy, random_share=0.5)
        session = answer(session)
    asked = [name for done in session.state.queries for name, why in done.asked.items() if why == WHY["training"]]
    sample = session.slices.loc[drawn_at_random(session), "slice_id"]
    chosen = [name for done in session.state.queries for name, why in done.asked.items() if why.startswith("chosen")]
    assert set(asked) <= set(sample)
    assert set(sample) - set(asked) <= set(chosen)
    pool = session.slices.loc[session.part == "training", "slice_id"]
    order = sorted(pool, key=lambda name: sha256(f"0 slice {name}".encode()).digest())
    assert set(sample) == set(order[: 1 + max(order.index(name) for name in asked)])


@pytest.mark.parametrize("strategy", ["middle", "top", "random"])
def test_whole_patients(strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch)
    session = session_of(pictures(tmp_path / "data", each=3))
    for _ in range(2):
        session, table = query(session, 20, "random", unit="patient")
        assert table["patient_id"].nunique() == 20
        session = answer(session)
    _, table = query(session, 8, strategy, unit="patient")
    assert (table.groupby("patient_id").size() == 3).all()
    runs = (table["patient_id"] != table["patient_id"].shift()).sum()
    assert runs == table["patient_id"].nunique() == 8, "a patient's slices follow each other"
    if strategy == "top":
        _, _, uncertainty = taught(session)
        drawn = table.loc[table["why"] == WHY["training"], "patient_id"]
        own = session.slices[session.askable & (session.part == "training") & ~session.slices["patient_id"].isin(drawn)]
        mean = uncertainty[own.index].groupby(own["patient_id"]).mean()
        assert {*table.loc[table["why"] == "chosen by top", "patient_id"]} == {*mean.nlargest(6).index}


@pytest.mark.parametrize("strategy", ["spread", "random patients", "middle patients", "drop top"])
def test_other_strategies_of_the_package(strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch)
    _, table = query(begun(pictures(tmp_path / "data")), 5, strategy, random_share=0)
    assert set(table["why"]) == {f"chosen by {strategy}"}
    assert set(USABLE) == set(STRATEGIES) - {OF_CLASSES.name}
    assert "middle" in OF_PATIENTS


def test_unsure_is_not_asked_again_but_skipped_is(tmp_path: Path) -> None:
    session, table = query(session_of(pictures(tmp_path / "data")), 30)
    unsure, *drawn = table.loc[table["why"] == WHY["training"], "slice_id"]
    say(session, unsure, UNSURE)
    say(session, drawn[0], SKIP)
    again = set(query(session_of(session.cohort.root), 30)[1]["slice_id"])
    assert unsure not in again
    assert set(drawn) <= again, "what was drawn at random stays drawn"


def test_an_answer_stands_above_the_table_and_an_undo_gives_it_back(tmp_path: Path) -> None:
    session = session_of(pictures(tmp_path / "data", labelled=6))
    name = "p001-0.png"
    row = session.slices["slice_id"] == name
    assert session.label[row].tolist() == [1]
    for label, expected in (("well", 0), (UNDO, 1)):
        say(session, name, label)
        session = session_of(session.cohort.root)
        assert session.label[row].tolist() == [expected]
    assert counts(session.label) == (6, 6)


@pytest.mark.parametrize(("labelled", "budget", "chosen"), [(52, 5, True), (44, 16, False)])
def test_more_than_a_strategy_can_choose_is_drawn_at_random(
    labelled: int, budget: int, chosen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 8 patients without label a strategy chooses; of 16 slices left the middle is 13: who asks for all gets all."""
    made_up(monkeypatch)
    session = session_of(pictures(tmp_path / "data", labelled=labelled))
    left = session.slices.loc[session.askable, ["slice_id", "patient_id"]]
    _, table = query(session, budget, random_share=0)
    assert len(table) == budget and set(table["slice_id"]) <= set(left["slice_id"])
    assert set(table["patient_id"]) <= {f"p{number:03}" for number in range(labelled, 60)}, "labels of the table count"
    assert table["why"].str.startswith("chosen").any() == chosen
    assert chosen or set(table["why"]) <= {WHY["training"], WHY["validation"], WHY["test"]}


def test_what_the_training_set_has_too_few_slices_for_goes_to_those_held_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All 16 patients without a label are proposed, those of the test set too, and that there are no more is said."""
    session = session_of(pictures(tmp_path / "data", labelled=44))
    _, table = query(session, 1000, "random", random_share=0)
    assert set(table["patient_id"]) == {f"p{number:03}" for number in range(44, 60)}
    assert "fewer than 1000: no more are left to propose" in capsys.readouterr().out
    with pytest.raises(InputError, match="every training image and every patient held out has a label or an answer"):
        query(answer(session_of(session.cohort.root)), 5)


NO_OPTIONS = [
    ({"budget": 0}, "budget is 0"),
    ({"strategy": "midle"}, "strategy is 'midle'"),
    ({"strategy": "coreset", "unit": "patient"}, "for the unit patient expected one of"),
    ({"unit": "volume"}, "unit is 'volume'"),
    ({"random_share": 1.5}, "random_share is 1.5"),
    ({"random_share": float("nan")}, "random_share is nan"),
]


@pytest.mark.parametrize(("options", "said"), NO_OPTIONS)
def test_options_that_are_none(options: dict[str, object], said: str, tmp_path: Path) -> None:
    session = session_of(pictures(tmp_path / "data"))
    with pytest.raises(InputError, match=said):
        query(session, **{"budget": 5} | options)  # type: ignore[arg-type]


def test_two_queries_at_once_are_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes that opened the same annotation; the proposals are those of the last in the state."""
    session = session_of(pictures(tmp_path / "data"))
    query(session, 5)
    alone: list[bool] = []
    write = "brats_al_utils.beyond.annotation.query.write_file"
    monkeypatch.setattr(write, lambda *_: alone.append(held(session.folder / f"{STATE}.lock")))
    query(session, 6)
    assert alone == [True]
    assert [done.budget for done in session_of(session.cohort.root).state.queries] == [5, 6]


def test_other_settings_are_refused(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data")
    (open_session(data, settings=SMALL).folder / ANSWERS).touch()  # empty, nothing is answered
    assert open_session(data).profile.image_size == 64
    assert open_session(data, settings={"image_size": "64"}).profile.image_size == 64
    session = open_session(data, settings={"classes": "well,sick"})  # nothing is asked yet
    assert session.cohort.classes == open_session(data).cohort.classes == ("sick", "well")
    query(session, 5)
    with pytest.raises(InputError, match="begun with other settings"):
        open_session(data, settings={"image_size": 96})


def test_proposals_and_answers_that_are_none(tmp_path: Path) -> None:
    session = session_of(pictures(tmp_path / "data"))
    with pytest.raises(InputError, match=r"query\.csv: missing"):
        read_query(session)
    session, table = query(session, 5)
    for content in (b"", b"a,b\n1,2\n", b"\xff\xfe", table.assign(slice_id="../x").to_csv(index=False).encode()):
        (session.folder / QUERY).write_bytes(content)
        with pytest.raises(InputError, match=r"query\.csv: "):
            read_query(session)
    session = session_of(pictures(tmp_path / "answered"))
    say(session, "p001-0.png", "ill")
    with pytest.raises(InputError, match="expected one of well, sick"):
        session_of(session.cohort.root)
