"""A study comes back from its bundle: every table is the same, and what is not its own is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from conftest import write_release
from made_up import made_up
from small_study import SETTINGS

from brats_al_utils import InputError
from brats_al_utils.beyond.arms import NOTEBOOKS, arms_of
from brats_al_utils.beyond.bundles import container, published
from brats_al_utils.beyond.bundles.bundle import ARRAYS, unpack
from brats_al_utils.beyond.bundles.container import further, packed, read_parts
from brats_al_utils.beyond.bundles.published import export, missing, of_main_arms, read_bundle, resume, unpack_study
from brats_al_utils.beyond.bundles.verification import VERDICTS, repeated
from brats_al_utils.beyond.driver import drive
from brats_al_utils.cohorts import naming
from brats_al_utils.runs.run import Result
from brats_al_utils.runs.store import checksum
from brats_al_utils.study.arms import proposed
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.places import Places
from brats_al_utils.study.stages import advance, plan, selections_of, train
from brats_al_utils.study.status import status
from brats_al_utils.study.study import Study
from brats_al_utils.study.unpacked import CHOSEN, FACTS, chosen_before, open_unpacked

NAMES = ["00_cohort", "03_proposed_vs_baseline", "07_worth_the_annotations", "11_competitors", "12_what_networks_see"]


def fill(study: Study, names: list[str]) -> None:
    """Store made-up results of every run that some notebooks ask for, as the networks choose."""
    arms = arms_of(study.profile, names)
    while rows := [row for row in advance(study, arms) if row.known and not study.store.path(row.run).exists()]:
        for row in rows:
            study.store.save(made_up(row.run))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    release = write_release(root / "release", 8, 8)
    study = open_study("smoke", release, root / "out", SETTINGS | {"n_runs": 1}, "cpu")
    fill(study, NAMES)
    return study


@pytest.fixture(scope="module")
def bundle(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "small.bundle"
    stored, planned, _ = export(study, path, NAMES, with_ids=True)  # these are no release's names
    assert stored == planned > 30
    return path


def reopened(bundle: Path, folder: Path) -> Study:
    """Return the study that a bundle is unpacked to."""
    unpack_study(bundle, folder)
    return open_study("smoke", folder, folder / "figures")


def emptied(study: Study, out: Path) -> Study:
    """Return the study in another place, where nothing is stored."""
    return replace(study, places=Places.of("smoke", out), selections={})


def test_a_study_comes_back(study: Study, bundle: Path, tmp_path: Path) -> None:
    """With its images gone, by its folder alone; `test_published_study` compares every table."""
    again = reopened(bundle, tmp_path / "again")
    assert (again.profile, again.cohort_name, again.caption()) == (study.profile, study.cohort_name, study.caption())
    for dataset, slices in again.opened.items():
        before = study.slice_set(dataset)
        columns = [column for column in before.table if column in slices.table]
        pd.testing.assert_frame_equal(slices.table[columns], before.table[columns], check_exact=True)
    main, shown = of_main_arms(study), {"audit/tumour_hidden", "audit/tumour_alone"}
    results = read_bundle(bundle).results
    assert {result.run.key for result in results if shown <= set(result.arrays)} == main
    assert len(main) < len(results)


def test_the_same_store_gives_the_same_file(study: Study, bundle: Path, tmp_path: Path) -> None:
    export(replace(study, selections={}), tmp_path / "again.bundle", NAMES, with_ids=True)
    assert (tmp_path / "again.bundle").read_bytes() == bundle.read_bytes()
    assert len(unpack(read_parts(bundle)[0])[0]) > 30, "one file"
    with pytest.raises(InputError, match="small.zip: expected a name that ends in .bundle"):
        export(study, tmp_path / "small.zip", NAMES)


def test_a_bundle_of_a_part_of_a_study(study: Study, tmp_path: Path) -> None:
    """What is stored goes in; a notebook that misses runs is named, and nothing is trained."""
    part = emptied(study, tmp_path / "part")
    for row in advance(study, proposed(study.profile)):
        result = study.store.load(row.run)
        assert result
        part.store.save(result)
    stored, planned, _ = export(part, tmp_path / "part.bundle", NAMES)
    assert stored == 2 + 2 < planned, "a committee of two, and two arms"
    again = reopened(tmp_path / "part.bundle", tmp_path / "again")
    names = [*NAMES[:3], "04_balanced_set"]
    assert [missing(again, name) for name in names] == ["", "", "some of its runs", "slice sets balanced"]
    with pytest.raises(InputError, match=r"runs .*are missing, and this study has no images"):
        train(again, NOTEBOOKS[NAMES[2]](again.profile))
    with pytest.raises(InputError, match="slice set 'balanced' is missing, and this study has no images"):
        again.slice_set("balanced")
    with pytest.raises(InputError, match="no run of this study is stored, nothing to export"):
        export(emptied(study, tmp_path / "nothing"), tmp_path / "nothing.bundle", NAMES)


def test_patients_of_a_table_are_numbered(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their names are in no part, unless they are asked for; what is sorted by them is sorted as before."""
    tabled = replace(study, cohort=replace(study.cohort, files=("image",)))
    first = study.slices.table["patient_id"][0]
    kept = {"left_out": {"Brats18_secret": ["why"]}, "absent": ["Brats18_secret"], "fewer_slices": {first: 3}}
    for name, value in kept.items():
        monkeypatch.setitem(study.slices.manifest, name, value)
    for with_ids in (False, True):
        path = tmp_path / f"{with_ids}.bundle"
        export(tabled, path, NAMES, with_ids)
        named = [name for name, content in read_parts(path)[0].items() if b"Brats18" in content]
        assert named == (["slices/0.csv", "study.json"] if with_ids else [])
    again = reopened(tmp_path / "False.bundle", tmp_path / "again")
    assert sorted(set(again.slices.table["patient_id"])) == [f"{number:02}" for number in range(1, 17)]
    assert again.slices.table["patient_id"].argsort().tolist() == study.slices.table["patient_id"].argsort().tolist()
    assert again.slices.manifest["fewer_slices"] == {"01": 3}
    method = proposed(study.profile)[0]
    chosen, before = (selections_of(advance(each, [method]))[method, 0].chosen.tolist() for each in (again, study))
    assert chosen == before


def test_what_is_to_be_remarked_of_images_stays(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle has neither the files' names nor those of numbered patients, which tell it."""
    table = study.slices.table
    named = table.assign(image="images/" + table["patient_id"].astype(str) + ".jpg")
    opened = study.opened | {"imbalanced": replace(study.slices, table=named)}
    tabled = replace(study, cohort=replace(study.cohort, files=("image",)), opened=opened, dealt={})
    assert "JPEG images (lossy)" in tabled.caption()
    export(tabled, tmp_path / "tabled.bundle", NAMES[:2])
    assert reopened(tmp_path / "tabled.bundle", tmp_path / "tabled").caption() == tabled.caption()
    # The open cohort's persons are public.
    for module in (published, naming):
        monkeypatch.setattr(module, "is_open", lambda _: True)
    export(tabled, tmp_path / "open.bundle", NAMES[:2])
    again = reopened(tmp_path / "open.bundle", tmp_path / "open")
    assert again.slices.table["patient_id"].tolist() == table["patient_id"].tolist()
    assert "8-bit JPEG copy (lossy)" in again.caption()


def changed(place: str, *path: Any, to: Any) -> Callable[[dict[str, bytes]], None]:
    """Return what changes a value of a part that is JSON."""

    def change(parts: dict[str, bytes]) -> None:
        content = inner = json.loads(parts[place])
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = to
        parts[place] = json.dumps(content).encode()

    return change


def replaced(place: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        assert old in parts[place]
        parts[place] = parts[place].replace(old, new, 1)

    return change


def without_a_slice(parts: dict[str, bytes]) -> None:
    """Leave out the last slice, so that ids of runs and selections are those of a larger set than theirs."""
    table = parts["slices/0.csv"].splitlines(keepends=True)
    parts["slices/0.csv"] = b"".join(table[:-1])
    changed("study.json", "sets", 0, "manifest", "slices", to=len(table) - 2)(parts)


REFUSED = [
    (without_a_slice, "expected less than"),
    (changed("study.json", "version", to=99), "made by brats-al .*, expected one like this"),
    (changed("study.json", "protocol", to=1), "made by brats-al .*, expected one like this"),
    (changed("study.json", "profile", to="full"), "profile is 'full', expected one of"),
    (changed("study.json", "settings", "surprise", to=1), "no setting is called 'surprise'"),
    (changed("study.json", "settings", "n_runs", to=10**9), "n_runs is 1000000000"),
    (changed("study.json", "settings", "n_runs", to=9_999), "n_runs is 9999"),
    (changed("study.json", "settings", "seed", to=10**30), "seed is 1000"),
    (changed("study.json", "settings", "budgets", to=[0.3] * 10**5), "budgets is"),
    (changed("study.json", "files", to=["0" * 64]), "other.bundle.2: not found"),
    (changed("study.json", "sets", 0, "manifest", "slices", to=3), "invalid values in columns slice_id"),
    (changed("study.json", "sets", 0, "manifest", "fingerprint", to="0" * 64), "slice set .* which is missing"),
    (changed("study.json", "sets", 0, "manifest", "name", to=["x"]), "invalid name"),
    (changed("study.json", "settings", "\x1b[2J", to=10**9), r"\\x1b\[2J is 1000000000"),
    (changed("study.json", "sets", 0, "manifest", "remarks", to=["fine"]), "invalid remarks"),
    (changed("study.json", "sets", to=[]), "'imbalanced' is missing"),
    (replaced("study.json", b"{", b"[" * 100_000), "not a bundle that can be used"),
    (lambda parts: parts.pop("study.json"), "'study.json' is missing"),
    (lambda parts: parts.pop(ARRAYS), "'arrays.safetensors' is missing"),
    (replaced("slices/0.csv", b"patient_id", b"patient"), "a table without patient_id"),
    (replaced("slices/0.csv", b",training", b",test"), "patients in more than one part"),
    (changed("runs.json", 0, "run", "test", to=-1), "list -1 is missing"),
    (changed("runs.json", 0, "run", "settings", "epochs", to=10**12), "epochs is 1000000000000"),
    (changed("runs.json", 0, "best_epoch", to=0), "best_epoch is 0, expected 1 to 2"),
    (changed("runs.json", 0, "run", "settings", "epochs", to=3), "(train_loss|validation_auc) is .* expected"),
    (changed("runs.json", 0, "run", "views", to=["features"]), "a run with features"),
    (changed("selections.json", 0, "chosen", to=10**6), "list 1000000 is missing"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_refusals(change: Callable[[dict[str, bytes]], object], words: str, bundle: Path, tmp_path: Path) -> None:
    parts, _ = read_parts(bundle)
    change(parts)
    (tmp_path / "other.bundle").write_bytes(packed(parts))
    with pytest.raises(InputError, match=f"other.bundle.*{words}"):
        unpack_study(tmp_path / "other.bundle", tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing is written for it"
    with pytest.raises(InputError, match=r"bundle.2: a further file .* expected the first: name .*bundle$"):
        unpack_study(tmp_path / "other.bundle.2", tmp_path / "out")


def test_a_bundle_has_its_own_profile(bundle: Path, tmp_path: Path) -> None:
    reopened(bundle, tmp_path / "again")
    with pytest.raises(InputError, match="of profile 'smoke', expected 'demo'"):
        open_study("demo", tmp_path / "again")
    with pytest.raises(InputError, match="small.bundle: unpack it first"):
        open_study("smoke", bundle)
    (tmp_path / "mine").mkdir()
    for name in ("study.json", FACTS):  # a study's folder, also one into which a bundle was unpacked before
        (tmp_path / "mine" / name).write_text("{}", encoding="utf-8")
        with pytest.raises(InputError, match="mine: exists and is not empty"):
            unpack_study(bundle, tmp_path / "mine")


def test_a_folder_of_a_version_with_other_settings_is_unpacked_anew(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was chosen is kept with the settings: of others it would count as not chosen, and notebooks be skipped."""
    unpack_study(bundle, tmp_path / "folder")
    facts = tmp_path / "folder" / FACTS
    (tmp_path / "folder" / "mine").touch()
    runs = sorted((tmp_path / "folder" / "runs").glob("*.safetensors"))
    runs[0].unlink()
    unpack_study(bundle, tmp_path / "folder")
    assert (tmp_path / "folder" / "mine").exists(), "the same stays"
    assert all(run.exists() for run in runs), "and gets what was deleted"
    (tmp_path / "folder").rename(tmp_path / "disk")
    (tmp_path / "folder").symlink_to(tmp_path / "disk")
    kept = json.loads(facts.read_text(encoding="utf-8"))
    del kept["profile_now"]["n_runs"]
    facts.write_text(json.dumps(kept), encoding="utf-8")
    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr(shutil, "rmtree", Mock(side_effect=KeyboardInterrupt))
        unpack_study(bundle, tmp_path / "folder")
    unpack_study(bundle, tmp_path / "folder")
    assert not (tmp_path / "disk" / "mine").exists() and (tmp_path / "folder").is_symlink()


def test_a_damaged_file_of_a_folder(bundle: Path, tmp_path: Path) -> None:
    unpack_study(bundle, tmp_path / "folder")
    for name, mend in ((CHOSEN, "delete it"), (FACTS, f"delete {tmp_path / 'folder'}")):
        (tmp_path / "folder" / name).write_text('{"cut": of', encoding="utf-8")
        with pytest.raises(InputError, match=rf"{name}: damaged .*: {mend}"):
            open_unpacked(tmp_path / "folder")
    with pytest.raises(InputError, match=f"{FACTS}: damaged"):
        unpack_study(bundle, tmp_path / "folder")


def test_a_large_bundle_is_split(study: Study, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_WRITTEN", bundle.stat().st_size // 2)
    path = tmp_path / "large.bundle"
    *_, files = export(study, path, NAMES)  # laid out as BraTS, with names that no release gave: numbered
    assert files == sorted(tmp_path.iterdir())
    assert files == [further(path, number) for number in range(len(files))]
    assert len(files) > 2 and max(file.stat().st_size for file in files) <= container.MAX_WRITTEN
    found, whole = read_bundle(path), read_bundle(bundle)
    assert [result.run.key for result in found.results] == [result.run.key for result in whole.results]
    assert found.chosen == whole.chosen
    assert not [name for name, content in read_parts(path)[0].items() if b"Brats18" in content]
    files[1].write_bytes(files[2].read_bytes())
    with pytest.raises(InputError, match=r"large.bundle.2 is of another"):
        read_bundle(path)
    monkeypatch.setattr(container, "MAX_WRITTEN", 2**10)
    with pytest.raises(InputError, match="export fewer notebooks"):
        export(study, path, NAMES)


@pytest.mark.parametrize("share", [0.3, 0.7, 1])
def test_a_study_resumes_from_a_bundle(share: float, study: Study, tmp_path: Path) -> None:
    """Whatever part of it was done, the rest alone is trained, and the same slices are chosen."""
    half, resumed = (emptied(study, tmp_path / name) for name in ("half", "resumed"))

    def stored(of: Study) -> list[Path]:
        return sorted(of.store.folder.glob("*.safetensors"))

    half.store.folder.mkdir(parents=True)
    for path in stored(study)[: round(share * len(stored(study)))]:
        shutil.copy2(path, half.store.folder)
    held, planned, _ = export(half, tmp_path / "half.bundle", NAMES)
    assert resume(tmp_path / "half.bundle", resumed) == (held, held)
    assert held == len(stored(resumed))
    resumed.selections.update(chosen_before(resumed.places, resumed.profile))
    fill(resumed, NAMES)
    assert resume(tmp_path / "half.bundle", resumed) == (0, held)
    arms = arms_of(study.profile, NAMES[2:])
    chosen = selections_of(advance(resumed, arms))
    for place, selected in selections_of(advance(study, arms)).items():
        assert chosen[place].annotated.tolist() == selected.annotated.tolist()
    if share == 1:
        assert len(stored(resumed)) == held == planned, "no network is asked whose choice is known"
    others = {name: replace(of, manifest=of.manifest | {"fingerprint": "0" * 64}) for name, of in study.opened.items()}
    rows = [row for row in plan(replace(resumed, opened=others), arms) if row.arm.strategy.asks]
    assert all(row.selection.left for row in rows), "other images, other slices"


def test_what_a_bundle_holds_is_not_ahead(
    study: Study, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trainings on slices that networks chose elsewhere are not counted as to be done."""
    asked: dict[str, Any] = {"profile": "smoke", "data": str(study.cohort.root), "out": str(tmp_path / "out")}
    asked |= {"settings": SETTINGS | {"n_runs": 1}, "device": "cpu", "workers": "1"}
    monkeypatch.setattr("brats_al_utils.show.notebooks.execute_all", lambda *_: [])
    drive(asked, NAMES, bundle)
    assert f"{len(NAMES)} notebooks, nothing to train" in capsys.readouterr().out
    assert status(Places.of("smoke", tmp_path / "out")).waiting == 0


def test_no_other_study_resumes_from_it(study: Study, bundle: Path) -> None:
    with pytest.raises(InputError, match="of other settings"):
        resume(bundle, replace(study, profile=replace(study.profile, epochs=1)))
    set_ = replace(study.slices, manifest=study.slices.manifest | {"fingerprint": "0" * 64})
    with pytest.raises(InputError, match="imbalanced slice set has fingerprint .*, expected 000000000000"):
        resume(bundle, replace(study, opened=study.opened | {"imbalanced": set_}))


@pytest.mark.parametrize(("test", "parts"), [((), ["validation"]), ((4, 5), ["validation", "test"])])
@pytest.mark.parametrize(("moved", "verdict"), [(0.0, 0), (1e-4, 1), (9e-4, 2), (0.1, 2)])
def test_runs_without_test_are_compared(test: tuple[int, ...], parts: list[str], moved: float, verdict: int) -> None:
    ids = {"validation": np.arange(4), "test": np.array(test, np.int64)}
    run: Any = SimpleNamespace(key="k", data="f", test=test, ids=ids.__getitem__)
    arrays = {"probability/validation": np.array([0.1, 0.9, 0.8, 0.7995]), "probability/test": np.array([0.2, 0.6])}
    arrays["probability/test"] = arrays["probability/test"][: len(test)]
    again = arrays | {"probability/validation": arrays["probability/validation"] + np.array([0, 0, 0, moved])}
    there, here = {"device": "a GPU", "numpy": "2.4"}, {"device": "cpu", "numpy": "2.4"}
    stored = Result(run, arrays, 1, 0.0, there | {"sha256": checksum(arrays, {})})
    slices = SimpleNamespace(fingerprint="f", table=pd.DataFrame({"label": [0, 1, 0, 1, 0, 1]}))
    study: Any = SimpleNamespace(opened={"imbalanced": slices}, store=SimpleNamespace(load=lambda _: stored))
    found = repeated(study, "a network", run, Result(run, again, 1, 0.0, here), (0, 0))
    assert found.others == {"device": ("a GPU", "cpu")}
    assert list(found.aucs) == parts
    assert found.aucs["validation"] == (0.75, 1.0 if moved > 5e-4 else 0.75)  # by less than 1e-3 a pair is turned round
    assert found.verdict == VERDICTS[verdict]
    assert found.largest == pytest.approx(moved)
