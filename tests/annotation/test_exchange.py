"""Answers to and from CSV and Label Studio, and what is refused of a file that somebody else wrote."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_annotation import pictures, say, session_of

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.answers import COLUMNS, SKIP, UNDO, Answer, append, current, digest, now, read
from brats_al_utils.beyond.annotation.exchange import csv_of, export_answers, export_proposals, import_answers
from brats_al_utils.beyond.annotation.learning import learn
from brats_al_utils.beyond.annotation.query import query, read_query
from brats_al_utils.beyond.annotation.session import ANSWERS, Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Return an annotation with five proposals, three answered: by ada, of whom one is undone, and two by bob."""
    asked, table = query(session_of(pictures(tmp_path / "data")), 5)
    given = [(0, "sick", "ada"), (0, "well", "bob"), (1, SKIP, "bob"), (2, "sick", "ada"), (2, UNDO, "ada")]
    for place, label, reader in given:
        say(asked, table["slice_id"][place], label, reader)
    return session_of(asked.cohort.root)


@pytest.mark.parametrize("name", ["answers.csv", "answers.json"])
def test_there_and_back(name: str, session: Session, tmp_path: Path) -> None:
    path, file = tmp_path / name, session.folder / ANSWERS
    assert export_answers(session, path) == 3
    before = read(file)
    assert import_answers(session, path)["added"] == 0, "they are there already"
    assert read(file) == before
    file.unlink()
    assert import_answers(session, path)["added"] == 3
    for reader in ("ada", "bob"):
        assert current(read(file), reader) == current(before, reader)


def test_a_file_that_is_there_is_not_overwritten(session: Session) -> None:
    table = session.cohort.root / "cohort.csv"
    before = table.read_bytes()
    with pytest.raises(InputError, match=r"cohort.csv: exists: name another"):
        export_answers(session, table)
    with pytest.raises(InputError, match=r"state.json: exists: name another"):
        export_proposals(session, session.folder / "state.json")
    assert table.read_bytes() == before


@pytest.mark.parametrize("sign", [";", "\t", "mark"])
def test_a_csv_as_spreadsheets_write_it(sign: str, session: Session, tmp_path: Path) -> None:
    path, file = tmp_path / "answers.csv", session.folder / ANSWERS
    export_answers(session, path)
    file.unlink()
    text = path.read_text(encoding="utf-8")
    path.write_text("\ufeff" + text if sign == "mark" else text.replace(",", sign), encoding="utf-8")
    assert import_answers(session, path)["added"] == 3


def test_answers_that_another_machine_has_written_are_named_and_taken(session: Session) -> None:
    """As Dropbox calls its copies where two have written at one time; what was taken back stays so."""
    file = session.folder / ANSWERS
    copy = file.rename(file.with_name("answers (Anna's conflicted copy).jsonl"))
    after = session_of(session.cohort.root)
    assert not after.answers and any(str(copy) in note and "--import" in note for note in after.notes)
    told = {"added": 5, "added to take one back": 1}
    assert import_answers(after, copy) == told
    assert current(read(file)) == current(read(copy))
    first = read(copy)[0]
    append(copy, replace(first, label=UNDO, time=now()))
    assert import_answers(after, copy)["added to take one back"] == 1
    assert first.slice_id not in current(read(file), first.reader), "taken back on the other machine, so here too"
    assert import_answers(after, copy)["added"] == 0
    append(copy, replace(first, slice_id="other.png"))
    with pytest.raises(InputError, match=rf"line {len(read(copy))}: slice_id 'other.png' is not in"):
        import_answers(after, copy)


def test_tasks_of_label_studio(session: Session, tmp_path: Path) -> None:
    """Its documented format: data, and annotations whose result is a choice; proposals without answer are tasks too."""
    export_answers(session, tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    assert len(tasks) == 5
    assert [task["data"]["slice_id"] for task in tasks] == read_query(session)["slice_id"].tolist()
    first = tasks[0]
    assert first["data"]["image"] == first["data"]["slice_id"]
    (choice, other) = (given["result"][0] for given in first["annotations"])
    assert (choice["type"], choice["from_name"], choice["to_name"]) == ("choices", "label", "image")
    assert choice["value"] == {"choices": ["sick"]}
    assert other["value"] == {"choices": ["well"]}
    assert tasks[3]["annotations"] == []


def studio(session: Session, **changes: Any) -> list[dict[str, Any]]:
    """Return what Label Studio exports of one task that a user of its own has answered."""
    row = read_query(session).iloc[0]
    given = {"id": 7, "completed_by": 3, "created_at": "2026-03-09T21:52:49.513742Z", "was_cancelled": False}
    data = {"image": row["image"], "slice_id": row["slice_id"], "image_sha256": row["image_sha256"]}
    given |= {"lead_time": 4.2, **with_choice("well"), **changes}
    return [{"id": 501, "project": 83, "data": data, "annotations": [given], "predictions": []}]


def with_choice(label: str) -> dict[str, Any]:
    choice = {"id": "x", "from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
    return {"result": [choice]}


def imported(session: Session, path: Path, tasks: object) -> dict[str, int]:
    """Write a file of tasks and import it; return what is told."""
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return import_answers(session, path)


USERS = [(3, "user 3"), ({"id": 3, "email": "eve@example.org"}, "eve@example.org"), ({"id": 3}, "user 3")]


@pytest.mark.parametrize(("user", "reader"), USERS)
def test_a_user_of_label_studio(user: object, reader: str, session: Session, tmp_path: Path) -> None:
    assert imported(session, tmp_path / "export.json", studio(session, completed_by=user))["added"] == 1
    last = read(session.folder / ANSWERS)[-1]
    assert (last.reader, last.label, last.time) == (reader, "well", "2026-03-09T21:52:49.513742Z")


def test_no_choice_is_skipped_and_other_capitals_are_the_class(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    assert imported(session, path, studio(session, result=[])) == {"added": 0, "without a choice, skipped": 1}
    box = {"type": "rectanglelabels", "value": {"rectanglelabels": ["sick"]}}
    assert imported(session, path, studio(session, result=[box]))["added"] == 0
    assert imported(session, path, studio(session, **with_choice("Well"))) == {"added": 1}
    assert read(session.folder / ANSWERS)[-1].label == "well"
    later = studio(session, **with_choice("sick"), created_at="2026-03-10T21:52:49Z")
    assert imported(session, path, later)["added in place of an earlier answer of the same reader"] == 1


def test_of_several_fields_of_a_form_that_of_the_label_counts(session: Session, tmp_path: Path) -> None:
    """As the maintainers of Label Studio suggest for reviews."""
    (label,) = with_choice("well")["result"]
    review = label | {"from_name": "review", "value": {"choices": ["good"]}}
    assert imported(session, tmp_path / "export.json", studio(session, result=[review, label])) == {"added": 1}
    assert read(session.folder / ANSWERS)[-1].label == "well"


def test_letters_that_a_mac_has_decomposed(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data")
    (data / "p000-0.png").rename(data / "\u00fc.png")
    table = (data / "cohort.csv").read_text(encoding="utf-8")
    (data / "cohort.csv").write_text(table.replace("p000-0.png", "\u00fc.png"), encoding="utf-8")
    session, _ = query(session_of(data), 5)
    given = Answer("u\u0308.png", "sick", "ada", now(), digest(data / "\u00fc.png"))
    (tmp_path / "a.csv").write_text(csv_of([given]), encoding="utf-8")
    assert import_answers(session, tmp_path / "a.csv") == {"added": 1}
    assert read(session.folder / ANSWERS)[-1].slice_id == "\u00fc.png"


CHOICES = [{"type": "choices", "value": {"choices": ["sick", "well"]}}]
STUDIO = {
    "nested": "[" * 100_000,
    "no list": "{}",
    "a list in lines": '{"id": 1}\n{"id": 2}',
    "a number": "[1]",
    "no data": '[{"id": 1, "annotations": [{"result": [], "created_at": "x"}]}, {"id": 2}]',
    "predictions alone": '[{"data": {}, "predictions": []}]',
    "before 1.0": '[{"data": {}, "completions": []}]',
    "JSON-MIN": '[{"image": "a.png", "label": "sick"}]',
    "annotations are text": '[{"data": {}, "annotations": "x"}]',
}


@pytest.mark.parametrize("what", STUDIO)
def test_json_that_is_none(what: str, session: Session, tmp_path: Path) -> None:
    path, before = tmp_path / "export.json", read(session.folder / ANSWERS)
    path.write_text(STUDIO[what], encoding="utf-8")
    with pytest.raises(InputError, match=r"export\.json"):
        import_answers(session, path)
    assert read(session.folder / ANSWERS) == before


NO_ANNOTATION = [
    ({"result": CHOICES}, "2 choices in one annotation"),
    ({"created_at": ""}, "time is ''"),
    ({"created_at": 5}, "time is '5'"),
    ({"completed_by": {"email": "a\x1b[2J"}}, "reader is "),
]


@pytest.mark.parametrize(("changes", "said"), NO_ANNOTATION)
def test_an_annotation_that_is_none(changes: dict[str, Any], said: str, session: Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"task 501: {said}"):
        imported(session, tmp_path / "export.json", studio(session, **changes))


def write(path: Path, *answers: dict[str, str]) -> None:
    pd.DataFrame(answers, columns=COLUMNS).to_csv(path, index=False)


NO_ANSWER = [
    ({"slice_id": "../../etc/passwd"}, "is not in"),
    ({"slice_id": ""}, "slice_id is ''"),
    ({"label": "ill"}, "expected one of well, sick, unsure, skip"),
    ({"image_sha256": "0" * 64}, "is not the one that was answered"),
    ({"time": "12:00"}, "expected ISO 8601"),
    ({"time": "2999-01-01T00:00:00+00:00"}, "in the future"),
]


@pytest.mark.parametrize(("changes", "said"), NO_ANSWER)
def test_all_or_nothing(changes: dict[str, str], said: str, session: Session, tmp_path: Path) -> None:
    """A good answer comes before the one that is refused."""
    path, before = tmp_path / "answers.csv", read(session.folder / ANSWERS)
    good = asdict(replace(before[0], reader="eve"))
    write(path, good, good | changes)
    with pytest.raises(InputError, match=said) as found:
        import_answers(session, path)
    assert "answers.csv, line 3" in str(found.value)
    assert read(session.folder / ANSWERS) == before
    write(path, good, good)
    assert import_answers(session, path)["added"] == 1, "twice in a file is once"


NO_CSV = [
    (b"a,b\n1,2\n", "expected slice_id, label, reader, time, image_sha256, note"),
    (",".join(COLUMNS).encode() + b"\n1,2\n", "2 cells, expected 6"),
    (",".join(COLUMNS).encode() + b'\n"1', "cannot be read as CSV"),
    (b"\xff\xfe\x00", "not UTF-8"),
]


@pytest.mark.parametrize(("content", "said"), NO_CSV)
def test_csv_that_is_none(content: bytes, said: str, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        import_answers(session, path)


def test_files_that_are_none(session: Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        import_answers(session, tmp_path / "none.csv")
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    for call in (import_answers, export_answers):
        with pytest.raises(InputError, match=r"ends in \.csv"):
            call(session, tmp_path / "a.txt")
    with (tmp_path / "large.csv").open("wb") as large:
        large.truncate(2**40)
    with pytest.raises(InputError, match="import it in parts"):
        import_answers(session, tmp_path / "large.csv")


def test_an_image_that_has_changed_is_answered_again(session: Session, tmp_path: Path) -> None:
    """Its answers count no more, here and when they are imported again; those on other images do."""
    export_answers(session, tmp_path / "answers.csv")
    root, name = session.cohort.root, read_query(session)["image"][0]
    (root / name).write_bytes((root / name).read_bytes() + b"x")
    after = session_of(root)
    assert name not in after.answers and name in session.answers
    assert "2 answers are on images that have changed since: they do not count: answer again" in " ".join(after.notes)
    told = import_answers(after, tmp_path / "answers.csv")
    assert (told["added"], told["on images that have changed since"]) == (0, 2)
    export_answers(after, tmp_path / "again.csv")
    assert name not in (tmp_path / "again.csv").read_text(encoding="utf-8")


def test_an_old_export_overrides_nothing(session: Session, tmp_path: Path) -> None:
    first = read_query(session)["slice_id"][0]
    export_answers(session, tmp_path / "old.json")
    say(session, first, "well")
    assert import_answers(session_of(session.cohort.root), tmp_path / "old.json")["added"] == 0
    assert current(read(session.folder / ANSWERS), "ada")[first].label == "well"
    for label in (UNDO, UNDO):
        say(session, first, label)
    assert import_answers(session_of(session.cohort.root), tmp_path / "old.json")["added"] == 0
    assert first not in current(read(session.folder / ANSWERS), "ada"), "what was taken back stays so"


def test_the_last_word_of_label_studio(session: Session, tmp_path: Path) -> None:
    """Who edits an annotation moves updated_at, not created_at; of one time, what is imported last counts."""

    def take(label: str, **changes: Any) -> str:
        imported(session, tmp_path / "export.json", studio(session, **with_choice(label), **changes))
        return current(read(session.folder / ANSWERS), "user 3")[read_query(session)["slice_id"][0]].label

    for moved in (True, False):
        for minute, label in enumerate(("sick", "well", "sick")):
            updated = f"2026-03-10T21:{minute if moved else 30:02}:00Z"
            assert take(label, updated_at=updated) == label
    assert take("well", updated_at="2026-03-10T20:00:00Z") == "sick", "an older file"
    assert take("well", updated_at="2026-03-11T20:00:00Z", was_cancelled=True) == SKIP


def test_a_blank_row_and_a_note(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "answers.CSV"
    write(path, asdict(replace(read(session.folder / ANSWERS)[0], reader="eve", note="faint, left")))
    path.write_text(path.read_text(encoding="utf-8") + ",,,,,\n\n", encoding="utf-8")
    assert import_answers(session, path)["added"] == 1
    assert read(session.folder / ANSWERS)[-1].note == "faint, left"


def test_proposals_as_tasks(session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of slices of volumes, which Label Studio does not show, a line tells."""
    assert export_proposals(session, tmp_path / "tasks.json") == 5
    assert not capsys.readouterr().out
    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    assert [task["data"]["slice_id"] for task in tasks] == read_query(session)["slice_id"].tolist()
    assert not any(task["annotations"] for task in tasks)
    with pytest.raises(InputError, match=r"ends in \.json"):
        export_proposals(session, tmp_path / "tasks.csv")
    query = session.folder / "query.csv"
    pd.read_csv(query, dtype=str).assign(z="7").to_csv(query, index=False)
    export_proposals(session, tmp_path / "slices.json")
    assert "5 are slices of volumes" in capsys.readouterr().out


def test_a_person_who_withdraws(session: Session, tmp_path: Path) -> None:
    """Rows and files go: the others' answers stay, what was asked of the person is asked no more."""
    root, person = session.cohort.root, read_query(session)["patient_id"][0]
    export_answers(session, tmp_path / "all.csv")
    lines = (root / "cohort.csv").read_text(encoding="utf-8").splitlines()
    left = [line for line in lines if not line.startswith(f"{person},")]
    (root / "cohort.csv").write_text("\n".join(left), encoding="utf-8")
    for image in root.glob(f"{person}-*.png"):
        image.unlink()
    after = session_of(root)
    assert "2 answers are on images that are no longer in cohort.csv" in " ".join(after.notes)
    assert len(read_query(after)) == 4 and person not in set(read_query(after)["patient_id"])
    assert import_answers(after, tmp_path / "all.csv")["on images that are no longer in the table"] == 2
    export_answers(after, tmp_path / "left.csv")
    assert person not in (tmp_path / "left.csv").read_text(encoding="utf-8")
    assert person not in set(query(after, 5)[1]["patient_id"])
    learn(after)
