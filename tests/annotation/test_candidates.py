"""A table with labels missing, its images cut once, the state beside it, and what is refused of either."""

import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_annotation import SMALL, answer, pictures, session_of

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation import session as session_module
from brats_al_utils.beyond.annotation.candidates import UNLABELLED, read_candidates
from brats_al_utils.beyond.annotation.proposals import proposals_of
from brats_al_utils.beyond.annotation.query import query, read_query
from brats_al_utils.beyond.annotation.session import STATE, open_session
from brats_al_utils.beyond.annotation.state import hold_out, random_order, read_state


def edit(data: Path, old: str, new: str) -> None:
    """Replace a text wherever it stands in the table."""
    table = data / "cohort.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_labels_may_be_missing_in_some_rows(tmp_path: Path) -> None:
    cohort = read_candidates(pictures(tmp_path / "data", labelled=4))
    assert cohort.classes == ("sick", "well"), "by alphabet, as in a study"
    assert cohort.cases["class_name"].value_counts().to_dict() == {"": 112, "well": 4, "sick": 4}
    data = pictures(tmp_path / "unlabelled", labelled=4)
    edit(data, "p000,well,p000-0", "p000,,p000-0")
    session = session_of(data)
    assert session.label[session.slices["patient_id"] == "p000"].tolist() == [UNLABELLED, 0]


def test_classes_must_be_known(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data")
    with pytest.raises(InputError, match="with brats-al query or annotate and --set classes=POSITIVE,NEGATIVE"):
        read_candidates(data)
    assert read_candidates(data, classes=("sick", "well")).classes == ("well", "sick")
    labelled = pictures(tmp_path / "labelled", patients=30, labelled=60)
    with pytest.raises(InputError, match=r"no label is \u201csick or well\u201d, found .*sick \(\d+\).*correct"):
        read_candidates(labelled, classes=("\u201csick", "well\u201d"))


@pytest.mark.parametrize("name", ["unsure", "skip", "undo", "a\tb", "", "x" * 101])
def test_classes_that_no_answer_can_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected 1 to 100 characters that can be printed"):
        read_candidates(pictures(tmp_path / "data", patients=3), classes=(name, "well"))


HOSTILE = [("p000,,p000-0.png\x07", "leaves the folder"), ("a\u202eb,,p000-0.png", "a name that can be printed")]


@pytest.mark.parametrize(("row", "said"), HOSTILE)
def test_a_hostile_row_is_refused(row: str, said: str, tmp_path: Path) -> None:
    """Paths and names are those of any table: tests/releases/test_table.py."""
    data = pictures(tmp_path / "data")
    edit(data, "p000,,p000-0.png", row)
    with pytest.raises(InputError, match=said) as found:
        session_of(data)
    assert str(found.value).replace("\n", "").isprintable()
    assert not (data / "annotation" / STATE).exists()
    assert len(open_session(data, settings=SMALL, skip_bad=True).slices) < 120


def test_a_name_too_long_for_an_answer(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data")
    folder = data / ("x" * 200) / ("y" * 200) / ("z" * 150)
    folder.mkdir(parents=True)
    (data / "p000-0.png").rename(folder / "a.png")
    edit(data, "p000-0.png", str((folder / "a.png").relative_to(data)))
    with pytest.raises(InputError, match="expected fewer: shorten it"):
        session_of(data)


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing, expected a table of images: write one"):
        open_session(tmp_path)
    (tmp_path / "cohort (1).csv").write_text("patient_id,label,image\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"missing.*save .*cohort \(1\).csv under this name"):
        open_session(tmp_path)
    (tmp_path / "cohort (1).csv").rename(tmp_path / "Cohort.numbers")
    with pytest.raises(InputError, match=r"save .*Cohort.numbers under this name, as CSV in UTF-8"):
        open_session(tmp_path)


def test_slices_of_a_volume_have_a_name_each(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", each=1)
    voxels = np.random.default_rng(0).integers(1, 100, (48, 48, 5)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), data / "v.nii.gz")
    edit(data, "p000-0.png", "v.nii.gz")
    session = session_of(data, per_patient=3)
    rows = session.slices[session.slices["image"] == "v.nii.gz"]
    assert len(rows) == 3
    assert rows["slice_id"].tolist() == [f"v.nii.gz#{z}" for z in rows["z"]]
    assert session.slices["slice_id"].is_unique
    assert set(session.slices.loc[session.slices["image"] != "v.nii.gz", "z"]) == {-1}


def test_labels_change_and_pixels_stay(tmp_path: Path) -> None:
    """A slice set for each state of the labels, of the same pixels; the images are cut once."""
    session = session_of(pictures(tmp_path / "data", labelled=4))
    first = session.study().slices
    (images,) = (session.folder / "sets").glob("images-*")
    session = answer(query(session, 20)[0])
    second = session.study().slices
    assert list((session.folder / "sets").glob("images-*")) == [images]
    assert first.fingerprint != second.fingerprint
    assert np.array_equal(first.pixels, second.pixels)
    assert (second.folder / "pixels.npy").stat().st_ino == (images / "pixels.npy").stat().st_ino
    assert second.table["label"].tolist() == session.label.tolist()
    assert set(second.table.loc[second.table["part"] == "validation", "label"]) <= {0, 1}
    assert session.study().slices.fingerprint == second.fingerprint


def test_who_is_held_out(tmp_path: Path) -> None:
    """The paper's share of the patients, whether they have a label or not, and the same whatever labels there are."""
    none, some = (session_of(pictures(tmp_path / str(count), labelled=count)).state for count in (0, 30))
    assert (none.validation, none.test) == (some.validation, some.test)
    assert (len(none.validation), len({*none.validation, *none.test})) == (12, 24)


def test_a_split_that_the_table_gives() -> None:
    def given(*parts: str) -> dict[str, str]:
        return {f"p{number}": parts[number % len(parts)] for number in range(30)}

    names = given("validation", "test", "training")
    for part, held in zip(("validation", "test"), hold_out(names, 0), strict=True):
        assert sorted(held) == sorted(name for name in names if names[name] == part)
    for parts in (("training",), ("training", "validation"), ("validation", "test")):
        with pytest.raises(InputError, match="column split.*expected at least 2 in each.*leave it empty"):
            hold_out(given(*parts), 0)
    # As the template leaves it where folders are called Training and Testing.
    names = given("test", "", "")
    validation, test = hold_out(names, 0)
    assert len(validation) == 10 and not any(names[name] for name in validation)
    assert sorted(test) == sorted(name for name in names if names[name])


def test_ids_that_change_after_the_first_query_are_refused(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data")
    session_of(data)
    edit(data, "\np0", "\nx0")
    session = session_of(data)  # nothing is asked yet: who is held out is drawn anew
    assert session.state.test[0].startswith("x")
    session = answer(query(session, 10)[0])
    edit(data, "\nx00", "\ny00")
    with pytest.raises(InputError, match=r"20 images changed.*x000 before, y000 now.*put the former ids back.*--out"):
        session_of(data)
    # The mend: another folder, with the answers.
    (tmp_path / "new").mkdir()
    shutil.copy(data / "annotation" / "answers.jsonl", tmp_path / "new")
    assert open_session(data, tmp_path / "new", SMALL).answers == session.answers
    edit(data, "\ny00", "\nx00")
    assert session_of(data).answers == session.answers


def test_a_part_that_changes_is_refused_and_a_new_patient_gets_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures(tmp_path / "data", patients=62, each=1)
    lines = (data / "cohort.csv").read_text(encoding="utf-8").splitlines()
    parts = ["split", *(("validation", "test", "training")[number % 3] for number in range(62))]
    rows = [f"{line},{part}" for line, part in zip(lines, parts, strict=True)]
    (data / "cohort.csv").write_text("\n".join(rows[:-2]), encoding="utf-8")
    session = query(session_of(data), 5)[0]
    (data / "cohort.csv").write_text("\n".join(rows), encoding="utf-8")
    kept = (data / "p060-0.png").rename(tmp_path / "p060-0.png")
    with pytest.raises(InputError, match="p060"):  # an image that is missing changes nothing
        session_of(data)
    kept.rename(data / "p060-0.png")
    for write in ("write_state", "write_file"):  # nor does a disk that is full at either file
        with monkeypatch.context() as full, pytest.raises(OSError, match="full"):
            full.setattr(session_module, write, Mock(side_effect=OSError("full")))
            session_of(data)
    after = session_of(data)
    assert after.state.validation == (*session.state.validation, "p060")
    assert after.state.test == (*session.state.test, "p061")
    edit(data, "p002-0.png,training", "p002-0.png,test")
    with pytest.raises(InputError, match="p002 is in test, and was in training"):
        session_of(data)


def test_a_patient_who_was_skipped_is_new_when_mended(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", each=1)
    lines = (data / "cohort.csv").read_text(encoding="utf-8").splitlines()
    parts = ["split", *(("validation", "test", "training")[number % 3] for number in range(60))]
    rows = [f"{line},{part}" for line, part in zip(lines, parts, strict=True)]
    (data / "cohort.csv").write_text("\n".join(rows), encoding="utf-8")
    good = (data / "p001-0.png").read_bytes()
    Image.new("L", (64, 64)).save(data / "p001-0.png")
    begun, _ = query(open_session(data, settings=SMALL, skip_bad=True), 5)
    assert open_session(data, skip_bad=True).state == begun.state
    (data / "p001-0.png").write_bytes(good)
    assert session_of(data).state.test == (*begun.state.test, "p001")


def test_images_that_move_are_known_by_their_content(tmp_path: Path) -> None:
    session = answer(query(session_of(pictures(tmp_path / "data", labelled=2)), 20)[0])
    before, asked = session.label.tolist(), read_query(session)["slice_id"].tolist()
    data = session.cohort.root
    (data / "img").mkdir()
    for image in data.glob("*.png"):
        image.rename(data / "img" / image.name)
    edit(data, ",p0", ",img/p0")
    after = session_of(data)
    assert after.label.tolist() == before and after.answers == session.answers
    assert after.slices["image"].str.startswith("img/").all()
    assert read_query(after)["slice_id"].tolist() == asked
    assert after.notes == session.notes == after.cohort.notes
    assert proposals_of(asked, after.cohort)[0].first.file.exists()
    assert set(query(after, 20)[1]["slice_id"]).isdisjoint(asked)
    # A further batch has the names of the first.
    Image.effect_noise((64, 64), 50).save(data / "p000-0.png")
    edit(data, "label,image\n", "label,image\nq000,,p000-0.png\n")
    with pytest.raises(InputError, match=r"p000-0.png was moved to img/p000-0.png.*move that one elsewhere"):
        session_of(data)
    (data / "p000-0.png").rename(data / "q000-0.png")
    edit(data, "q000,,p000-0.png", "q000,,q000-0.png")
    assert session_of(data).answers == session.answers


def test_too_few_patients(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="29 patients, expected at least 30"):
        session_of(pictures(tmp_path / "data", patients=29, each=1))


@given(st.sets(st.text(max_size=5), max_size=8), st.text(max_size=5), st.integers(0, 3))
def test_who_comes_later_changes_no_order(names: set[str], more: str, seed: int) -> None:
    before, after = random_order(names, seed, "slice"), random_order({*names, more}, seed, "slice")
    assert [name for name in after if name in names] == before
    assert sorted(before) == sorted(names)
    many = list(map(str, range(50)))
    orders = {tuple(random_order(many, seed + next_, what)) for next_ in (0, 1) for what in ("slice", "patient")}
    assert len(orders) == 4, "another seed, or for another end, is another order"


STATE_OF_NOTHING = {"format": 1, "settings": {}, "learned": {}}
STATE_OF_NOTHING |= {"validation": [], "test": [], "queries": [], "points": []}


@pytest.mark.parametrize("damage", [{"queries": [{"x": 1}]}, {"format": 99}, None])
def test_a_damaged_state(damage: dict[str, object] | None, tmp_path: Path) -> None:
    """Of other values, of another version, or cut off."""
    path = tmp_path / "state.json"
    path.write_text(json.dumps(STATE_OF_NOTHING | damage) if damage else "{", encoding="utf-8")
    with pytest.raises(InputError, match=r"state\.json: not the state of an annotation"):
        read_state(path)
