"""A study comes back from its bundle: every table is the same, and what is not its own is refused."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import write_case
from small_study import SETTINGS

from brats_al_utils import InputError
from brats_al_utils.beyond.bundles import published
from brats_al_utils.beyond.bundles.container import read_parts, write_parts
from brats_al_utils.beyond.bundles.published import export, missing, of_main_arms, open_published
from brats_al_utils.cohorts import naming
from brats_al_utils.findings import evidence
from brats_al_utils.findings.shortcut import shortcut_table
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.runs.store import RunStore
from brats_al_utils.seeds import generator
from brats_al_utils.study.arms import NOTEBOOKS, beyond, proposed
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.places import Places
from brats_al_utils.study.selections import selection
from brats_al_utils.study.study import Study
from brats_al_utils.study.trainer import runs_of, train

NAMES = ["00_cohort", "03_proposed_vs_baseline", "07_beyond_the_paper"]


def made_up(run: Run) -> Result:
    """Return a result of a run that nobody trained: its numbers are drawn, and tell a little of nothing."""
    rng, epochs, pool = generator(0, run.key), run.settings.epochs, len(run.pool)
    sizes = {"probability/validation": len(run.validation), "probability/pool": pool}
    tested = ("probability/test", "probability/test_last", "audit/tumour_hidden", "audit/tumour_alone")
    arrays = {name: rng.random(size) for name, size in (sizes | dict.fromkeys(tested, len(run.test))).items()}
    arrays |= {"train_loss": rng.random(epochs), "validation_auc": rng.random(epochs)}
    views = {"dropout": (20, pool), "augmented": (8, pool), "features": (pool, 5)}
    arrays |= {f"views/{view}": rng.random(views[view]) for view in run.views}
    return Result(run, arrays, int(rng.integers(1, epochs + 1)), 1.5, {"device": "made up"})


def fill(study: Study, names: list[str]) -> None:
    """Store made-up results of every run that some notebooks ask for, as the networks choose."""
    arms = [arm for name in names for arm in NOTEBOOKS[name](study.profile, study.synthetic)]
    while runs := [run for run in runs_of(study, arms) if not study.store.path(run).exists()]:
        for run in runs:
            study.store.save(made_up(run))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    for number in range(16):
        write_case(root / "release" / ("HGG" if number < 8 else "LGG") / f"Brats18_SITE0_{number}_1", number)
    study = open_study("smoke", root / "release", root / "out", SETTINGS | {"n_runs": 1}, "cpu")
    fill(study, NAMES)
    return study


@pytest.fixture(scope="module")
def bundle(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "small.bundle"
    stored, planned = export(study, path, NAMES, with_ids=True)  # these are no release's names
    assert stored == planned > 30
    return path


def tables(study: Study) -> dict[str, pd.DataFrame]:
    """Return what notebook 07 and others make of a study's results, values and all."""
    compared = beyond(study.profile, study.synthetic)
    results = train(study, compared.every)
    main = evidence.of_arms(results, compared.main)
    return {
        "runs": evidence.evaluate(study, results),
        "intervals": evidence.interval_table(study, main),
        "contrasts": evidence.contrasts(study, results, compared.pairs(compared.competitors)),
        "cost": evidence.choices(study, compared.every),
        "quality": evidence.quality(study, main),
        "epochs": evidence.epochs_kept_and_last(study, main),
        "history": evidence.history(study, results),
        "audited": shortcut_table(evidence.audited(study, main)),
        "ranking": evidence.ranking(study),
        "proposed": evidence.evaluate(study, train(study, proposed(study.profile))),
    }


def test_every_table_is_the_same(study: Study, bundle: Path, tmp_path: Path) -> None:
    """With a study's images gone; the values are equal, not close."""
    again = open_study("smoke", bundle, tmp_path / "out")
    assert (again.profile, again.cohort_name, again.caption()) == (study.profile, study.cohort_name, study.caption())
    for dataset, slices in again.opened.items():
        before = study.slice_set(dataset)
        columns = [column for column in before.table if column in slices.table]
        pd.testing.assert_frame_equal(slices.table[columns], before.table[columns], check_exact=True)
    found = tables(again)
    for name, table in tables(study).items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True, obj=name)
    shown = {"audit/tumour_hidden", "audit/tumour_alone"}
    audited = {key for key, each in (again.published or {}).items() if shown <= set(each.result.arrays)}
    assert audited == of_main_arms(study)
    assert len(audited) < len(again.published or {})
    assert not list((tmp_path / "out").rglob("*.safetensors"))
    assert not list((tmp_path / "out").rglob("*.json")), "status knows nothing of it"


def test_the_same_store_gives_the_same_file(study: Study, bundle: Path, tmp_path: Path) -> None:
    export(replace(study, selections={}), tmp_path / "again.bundle", NAMES, with_ids=True)
    assert (tmp_path / "again.bundle").read_bytes() == bundle.read_bytes()
    with pytest.raises(InputError, match="small.zip: expected a name that ends in .bundle"):
        export(study, tmp_path / "small.zip", NAMES)


def test_a_bundle_of_a_part_of_a_study(study: Study, tmp_path: Path) -> None:
    """What is stored goes in; a notebook that misses runs is named, and nothing is trained."""
    store = RunStore(Places.of("smoke", tmp_path / "part").runs)
    for run in runs_of(study, proposed(study.profile)):
        result = study.store.load(run)
        assert result
        store.save(result)
    part = replace(study, places=Places.of("smoke", tmp_path / "part"), selections={})
    stored, planned = export(part, tmp_path / "part.bundle", NAMES)
    assert stored == 2 + 2 < planned, "a committee of two, and two arms"
    again = open_study("smoke", tmp_path / "part.bundle", tmp_path / "out")
    assert [missing(again, name) for name in NAMES[:2]] == ["", ""]
    assert re.fullmatch(r"\d+ of its \d+ runs", missing(again, NAMES[2]))
    assert missing(again, "04_balanced_set") == "slice sets balanced"
    with pytest.raises(InputError, match=r"runs .*are missing in the bundle, which has no images"):
        train(again, beyond(again.profile, again.synthetic).every)
    with pytest.raises(InputError, match="slice set 'balanced' is missing in the bundle"):
        again.slice_set("balanced")
    nothing = replace(study, places=Places.of("smoke", tmp_path / "nothing"), selections={})
    with pytest.raises(InputError, match="no run of this study is stored, nothing to export"):
        export(nothing, tmp_path / "nothing.bundle", NAMES)


def test_patients_of_a_table_are_numbered(study: Study, tmp_path: Path) -> None:
    """Their names are in no part, unless they are asked for; what is sorted by them is sorted as before."""
    tabled = replace(study, cohort=replace(study.cohort, files=("image",)))
    before = dict(study.slices.manifest)
    study.slices.manifest.update(left_out={"Brats18_secret": ["why"]}, absent=["Brats18_secret"])
    study.slices.manifest.update(fewer_slices={study.slices.table["patient_id"][0]: 3})
    try:
        for with_ids in (False, True):
            path = tmp_path / f"{with_ids}.bundle"
            export(tabled, path, NAMES, with_ids)
            named = [name for name, content in read_parts(path).items() if b"Brats18" in content]
            assert named == (["slices/0.csv", "study.json"] if with_ids else [])
    finally:
        study.slices.manifest.update(before)
    again = open_published(tmp_path / "False.bundle", tmp_path / "out")
    assert sorted(set(again.slices.table["patient_id"])) == [f"{number:02}" for number in range(1, 17)]
    assert again.slices.table["patient_id"].argsort().tolist() == study.slices.table["patient_id"].argsort().tolist()
    assert again.slices.manifest["fewer_slices"] == {"01": 3}
    names = sorted(set(study.slices.table["patient_id"]))
    cost = [selection(each, proposed(study.profile)[0], 0).chosen.tolist() for each in (again, study)]
    assert cost[0] == cost[1]
    assert len(names) == 16


def test_what_is_to_be_remarked_of_images_stays(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle has neither the files' names nor those of numbered patients, which tell it."""
    table = study.slices.table
    named = table.assign(image="images/" + table["patient_id"].astype(str) + ".jpg")
    opened = study.opened | {"imbalanced": replace(study.slices, table=named)}
    tabled = replace(study, cohort=replace(study.cohort, files=("image",)), opened=opened, dealt={})
    assert "JPEG images (lossy)" in tabled.caption()
    export(tabled, tmp_path / "tabled.bundle", NAMES[:2])
    assert open_published(tmp_path / "tabled.bundle", tmp_path / "out").caption() == tabled.caption()
    # The open cohort's persons are public.
    for module in (published, naming):
        monkeypatch.setattr(module, "is_open", lambda _: True)
    export(tabled, tmp_path / "open.bundle", NAMES[:2])
    again = open_published(tmp_path / "open.bundle", tmp_path / "open")
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


def without(place: str) -> Callable[[dict[str, bytes]], None]:
    def change(parts: dict[str, bytes]) -> None:
        del parts[place]

    return change


def longer(parts: dict[str, bytes]) -> None:
    parts["numbers/probability_test"] += bytes(8)


def no_probability(parts: dict[str, bytes]) -> None:
    values = bytearray(parts["numbers/probability_test"])
    values[-1] = 0x7F  # the highest byte of the last number
    parts["numbers/probability_test"] = bytes(values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed("study.json", "version", to=99), "made by brats-al .*, expected one like this"),
        (changed("study.json", "protocol", to=1), "made by brats-al .*, expected one like this"),
        (changed("study.json", "profile", to="full"), "profile is 'full', expected one of"),
        (changed("study.json", "settings", "epochs", to=-1), "epochs is -1"),
        (changed("study.json", "settings", "surprise", to=1), "no setting is called 'surprise'"),
        (changed("study.json", "sets", 0, "manifest", "slices", to=3), "a table of slices whose slice_id cannot be"),
        (changed("study.json", "sets", 0, "manifest", "fingerprint", to="0" * 64), "slice set .* which is missing"),
        (changed("study.json", "sets", 0, "manifest", "name", to=["x"]), "a slice set whose name cannot be"),
        (changed("study.json", "sets", 0, "manifest", "remarks", to=["fine"]), "a slice set whose remarks cannot be"),
        (changed("study.json", "sets", 0, "manifest", "remarks", to=3), "not a bundle that can be used"),
        (changed("study.json", "sets", to=[]), "'imbalanced' is missing"),
        (replaced("study.json", b"{", b"[" * 100_000), "not a bundle that can be used"),
        (without("study.json"), "'study.json' is missing"),
        (without("lists"), "'lists' is missing"),
        (without("numbers/train_loss"), "'numbers/train_loss' is missing"),
        (replaced("slices/0.csv", b"patient_id", b"patient"), "a table without patient_id"),
        (replaced("slices/0.csv", b",training", b",test"), "patients in more than one part"),
        (changed("runs.json", 0, "run", "training", to=10**9), "training is list 1000000000"),
        (changed("runs.json", 0, "run", "test", to=-1), "test is list -1"),
        (changed("runs.json", 0, "run", "settings", "epochs", to=10**12), "epochs is 1000000000000"),
        (changed("runs.json", 0, "best_epoch", to=0), "best_epoch is 0, expected 1 to 2"),
        (changed("runs.json", 0, "run", "settings", "epochs", to=3), "train_loss: .* bytes, expected"),
        (changed("selections.json", 0, "chosen", to=10**6), "a selection names list 1000000"),
        (longer, "probability/test: .* bytes, expected"),
        (no_probability, "values that are no probabilities"),
    ],
)
def test_what_is_refused(change: Callable[[dict[str, bytes]], None], words: str, bundle: Path, tmp_path: Path) -> None:
    parts = read_parts(bundle)
    change(parts)
    write_parts(tmp_path / "other.bundle", parts)
    with pytest.raises(InputError, match=f"other.bundle: .*{words}"):
        open_published(tmp_path / "other.bundle", tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing is written for it"


def test_a_bundle_has_its_own_profile(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="of profile 'smoke', expected 'demo': name the bundle's profile"):
        open_study("demo", bundle, tmp_path / "out")


def test_slices_beyond_the_set(bundle: Path, tmp_path: Path) -> None:
    """A run, or a selection, whose ids are those of a larger set than its own."""
    parts = read_parts(bundle)
    table = parts["slices/0.csv"].decode().splitlines(keepends=True)
    parts["slices/0.csv"] = "".join(table[:-1]).encode()
    changed("study.json", "sets", 0, "manifest", "slices", to=len(table) - 2)(parts)
    write_parts(tmp_path / "other.bundle", parts)
    with pytest.raises(InputError, match=r"names slices? .*beyond|expected less than"):
        open_published(tmp_path / "other.bundle", tmp_path / "out")
