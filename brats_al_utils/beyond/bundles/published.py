"""A study as one file without images, a bundle: what goes into it, and the study that is opened from it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils import InputError, __version__
from brats_al_utils.beyond.bundles.bundle import Lists, pack, shortened, unpack, unpacked_lists
from brats_al_utils.beyond.bundles.container import read_parts, write_parts
from brats_al_utils.cohorts.cohort import TRUTH_FILE, Cohort
from brats_al_utils.cohorts.naming import REMARKS, is_open, public_names, remarks, too_large, without_reasons
from brats_al_utils.cohorts.slices import FORMAT, WORDS, SliceSet, brain_intensities
from brats_al_utils.cohorts.split import PARTS, check_split
from brats_al_utils.files import write_file
from brats_al_utils.queries.selection import Question, Selection
from brats_al_utils.runs.run import PROTOCOL, Published, Result, Run
from brats_al_utils.runs.store import checksum
from brats_al_utils.study.arms import DATASETS, NOTEBOOKS, Arm, beyond
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import profile_of
from brats_al_utils.study.selections import choosers, labelled, selections_of
from brats_al_utils.study.study import Study
from brats_al_utils.study.trainer import runs_of, wanted_runs

VERSION = 1
"""Of a bundle; raised when this version cannot read the bundles of the one before."""

SUFFIX = ".bundle"

COLUMNS = ("patient_id", "class_name", "label", "site", "z", "position", "tumour_mm2", "part", "planted")
"""Of a slice set's table, those that are published: names of files may name patients."""

HIDDEN = "audit/tumour_hidden"
"""What stands beside the AUC of every arm; networks that only choose slices are shown by no arm."""

OF_MAIN = ("probability/test_last", "audit/tumour_alone")
"""Arrays that notebook 07 asks of its main arms alone; of other runs they are left out."""


def arms_of(study: Study, names: Iterable[str]) -> list[Arm]:
    """Return the arms of some notebooks, each once."""
    arms = (arm for name in names for arm in NOTEBOOKS[name](study.profile, study.synthetic))
    return list(dict.fromkeys(arms))


def arms_with_sets(published: Study) -> list[Arm]:
    """Return the arms of all notebooks of whose slice sets a bundle has."""
    return [arm for arm in arms_of(published, NOTEBOOKS) if arm.dataset in published.opened]


def missing(published: Study, notebook: str) -> str:
    """Say what a notebook needs that a bundle has not; nothing if it has all."""
    arms = NOTEBOOKS[notebook](published.profile, published.synthetic)
    sets = dict.fromkeys(arm.dataset for arm in arms if arm.dataset not in published.opened)
    if sets:
        return f"slice sets {', '.join(sets)}"
    runs = {run.key for run in runs_of(published, arms)}
    absent = len(runs - set(published.published or {}))
    return f"{absent} of its {len(runs)} runs" if absent else ""


def export(study: Study, path: Path, names: Sequence[str], with_ids: bool = False) -> tuple[int, int]:
    """Write a study as a bundle, with what is stored of it by now.

    Parameters
    ----------
    study : Study
    path : Path
        The file, whose name ends in ``.bundle``.
    names : sequence of str
        The notebooks whose runs go into it.
    with_ids : bool
        Keep the patients' names; otherwise they are numbered, unless all are names that a public release gave.

    Returns
    -------
    int
        Runs that are in it.
    int
        Runs that the notebooks ask for.

    Raises
    ------
    InputError
        If the file's name has another ending, or nothing is stored yet.
    """
    if path.suffix != SUFFIX:
        raise InputError(f"{path}: expected a name that ends in {SUFFIX}")
    arms, lists = arms_of(study, names), Lists()
    planned = {run.key: run for run in runs_of(study, arms)}
    exact, pools = of_main_arms(study), of_committees(study)
    published = []
    for run in planned.values():
        if result := study.store.load(run):
            published.append(trimmed(study, result, run.key in exact, run.key in pools))
    if not published:
        raise InputError(f"{study.store.folder}: no run of this study is stored, nothing to export: run it first")
    records = [selection_record(place, selected, lists) for place, selected in settled(study, arms)]
    sets = {name: study.slice_set(name) for name in dict.fromkeys([DATASETS[0], *(arm.dataset for arm in arms)])}
    public = is_open(study.slices) or public_names(name for slices in sets.values() for name in names_in(slices))
    names_of = {} if public or with_ids else numbers(sets.values())
    facts = {
        "version": VERSION,
        "protocol": PROTOCOL,
        "format": FORMAT,
        "brats_al_utils": __version__,
        "profile": study.profile.name,
        "settings": {name: value for name, value in asdict(study.profile).items() if name != "name"},
        "patients": "public" if public else "named" if with_ids else "numbered",
        "sets": [{"name": name, "manifest": manifest_of(slices, names_of)} for name, slices in sets.items()],
        "intensities": brain_intensities(study.slices),
    }
    parts = pack(published, lists) | {"selections.json": json.dumps(records).encode()}
    for number, slices in enumerate(sets.values()):
        table = slices.table[[column for column in COLUMNS if column in slices.table]]
        table = table.assign(patient_id=table["patient_id"].map(lambda name: names_of.get(name, name)))
        parts[f"slices/{number}.csv"] = table.to_csv(index_label="slice_id", lineterminator="\n").encode()
    if study.synthetic:
        truth = pd.read_csv(study.cohort.root / TRUTH_FILE)[["patient_id", "atypical"]]
        parts["truth.csv"] = truth.to_csv(index=False, lineterminator="\n").encode()
    parts["lists"] = lists.packed(max(len(slices.table) for slices in sets.values()))
    write_parts(path, parts | {"study.json": json.dumps(facts, indent=1).encode()})
    return len(published), len(planned)


def of_main_arms(study: Study) -> set[str]:
    """Return the keys of the runs whose probabilities a table shows by more than their order: those of 07's main arms.

    Their calibration is measured, and what they make of hidden tumours and after the last epoch.
    """
    main = beyond(study.profile, study.synthetic).main
    return {run.key for run in wanted_runs(study, selections_of(study, main)).values()}


def of_committees(study: Study) -> set[str]:
    """Return the keys of the runs whose opinion of the training slices is shown: see `evidence.ranking`.

    No notebook shows that of the balanced set's committees.
    """
    return {
        run.key
        for dataset in study.opened
        if dataset != DATASETS[1]
        for number in range(study.profile.n_runs)
        for run in choosers(
            study, dataset, number, Question(tuple(labelled(study, dataset, number).tolist()), None, settled=True)
        )
    }


def trimmed(study: Study, result: Result, main: bool, committee: bool) -> Published:
    """Return what is published of a result.

    Parameters
    ----------
    main, committee : bool
        Whether it is among `of_main_arms` and `of_committees`.
    """
    run = result.run
    table = next(slices.table for slices in study.opened.values() if slices.fingerprint == run.data)
    patient = pd.factorize(table["patient_id"])[0]
    arrays = {name: result.arrays[name] for name in ("train_loss", "validation_auc")}
    for part in ("validation", "test"):
        values, name = result.arrays[f"probability/{part}"], f"probability/{part}"
        arrays[name] = values if main else shortened(values, patient[run.ids(part)])
    kept = [HIDDEN] * (main or not committee) + list(OF_MAIN) * main
    arrays |= {name: shortened(result.arrays[name], patient[run.ids("test")]) for name in kept}
    if committee:
        arrays["probability/pool"] = result.arrays["probability/pool"]
    return Published(replace(result, arrays=arrays), checksum(result.arrays, {}))


def settled(study: Study, arms: Sequence[Arm]) -> list[tuple[tuple[Arm, int], Selection]]:
    """Return the selections that networks were asked for and have answered."""
    selected = selections_of(study, arms).items()
    return [(place, each) for place, each in selected if each.questions and each.settled]


def selection_record(place: tuple[Arm, int], selected: Selection, lists: Lists) -> dict[str, Any]:
    """Return a selection with its lists by their numbers."""
    arm, number = place
    return {
        "arm": [arm.dataset, arm.strategy, arm.share, arm.iterative],
        "number": number,
        "labelled": lists.place(selected.labelled),
        "chosen": lists.place(selected.chosen),
        "questions": [[lists.place(question.labelled), question.views] for question in selected.questions],
    }


def numbers(sets: Iterable[SliceSet]) -> dict[str, str]:
    """Return a number for each patient, in the order of their names: whatever sorts patients sorts them as before."""
    names = sorted({name for slices in sets for name in slices.table["patient_id"]})
    return {name: f"{number:0{len(str(len(names)))}}" for number, name in enumerate(names, 1)}


def names_in(slices: SliceSet) -> set[str]:
    """Return every patient that a set names, also those who are not in it."""
    return {*slices.table["patient_id"], *slices.manifest["left_out"], *slices.manifest["absent"]}


def manifest_of(slices: SliceSet, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a set's manifest with its remarks; where patients are numbered, those not in it are only counted."""
    manifest = without_reasons(slices.manifest) | {"remarks": remarks(slices)}
    if not names:
        return manifest
    fewer = {names[name]: count for name, count in slices.manifest["fewer_slices"].items()}
    skipped: dict[str, list[str]] = {f"skipped {number}": [] for number, _ in enumerate(slices.manifest["left_out"], 1)}
    absent = [f"absent {number}" for number, _ in enumerate(slices.manifest["absent"], 1)]
    return manifest | {"fewer_slices": fewer, "left_out": skipped, "absent": absent}


def open_published(path: Path, out: str | Path = "", profile: str = "") -> Study:
    """Open the study that a bundle holds: it has no images, and trains nothing.

    Parameters
    ----------
    path : Path
    out : str or Path
        Folder for what is drawn from it; empty for the checkout's ``outputs/published/NAME``, after
        ``NAME.bundle``: two studies of one profile do not touch each other's tables.
    profile : str
        The profile that it is expected to be of; empty for any.

    Raises
    ------
    InputError
        If the file is no bundle, damaged, by another version or of another profile.
    """
    parts = read_parts(path)
    try:
        facts = json.loads(parts["study.json"])
        versions = {"version": VERSION, "protocol": PROTOCOL, "format": FORMAT}
        if {name: facts[name] for name in versions} != versions:
            raise InputError(f"made by brats-al {facts['brats_al_utils']}, expected one like this, {__version__}")
        if profile not in ("", facts["profile"]):
            raise InputError(f"of profile {facts['profile']!r}, expected {profile!r}: name the bundle's profile")
        places = Places.of_bundle(path, out)
        places.claim(sha256(path.read_bytes()).hexdigest())
        return study_of(facts, parts, places)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: not a bundle that can be used: {what}: download or export it again") from error


def study_of(facts: Mapping[str, Any], parts: Mapping[str, bytes], places: Places) -> Study:
    """Return the study that the parts of a bundle hold."""
    if large := too_large(facts):
        raise InputError(large)
    settings = profile_of(facts["profile"], facts["settings"])
    opened = {
        str(each["name"]): slices_of(each["manifest"], parts[f"slices/{number}.csv"], settings.image_size)
        for number, each in enumerate(facts["sets"])
    }
    first = opened[DATASETS[0]]
    first.manifest["intensities"] = intensities_of(facts["intensities"], first)
    lists = unpacked_lists(parts["lists"], max(len(slices.table) for slices in opened.values()))
    published = unpack(parts, lists)
    sizes = {slices.fingerprint: len(slices.table) for slices in opened.values()}
    for each in published.values():
        check_ids(each.result.run, sizes)
    classes = first.classes
    cohort = Cohort(places.outputs / "bundle", pd.DataFrame(columns=["patient_id"]), (), {}, classes=classes)
    truth = read_table(parts["truth.csv"], ["patient_id", "atypical"]) if first.synthetic else None
    selections = {
        key: made
        for record in json.loads(parts["selections.json"])
        for key, made in [selection_of(record, lists, {name: len(of.table) for name, of in opened.items()})]
    }
    places.make()
    if truth is not None:
        write_file(cohort.root / TRUTH_FILE, truth.to_csv(index=False).encode())
    return Study(settings, places, cohort, "cpu", "1", opened=opened, selections=selections, published=published)


def intensities_of(counts: Any, slices: SliceSet) -> dict[str, dict[str, list[int]]]:
    """Return the counts of `slices.brain_intensities`, checked."""
    for channel in slices.manifest["channels"]:
        for name in slices.classes:
            if not all(type(count) is int and 0 <= count < 2**53 for count in counts[channel][name]):
                raise InputError("counts of intensities that are no counts")
    return dict(counts)


def check_ids(run: Run, sizes: Mapping[str, int]) -> None:
    """Refuse a run that names slices which its set has not, or a set that there is not."""
    if run.data not in sizes:
        raise InputError(f"a run is of slice set {run.data!r}, which is missing")
    last = max(max(ids, default=0) for ids in (run.training, run.validation, run.test, run.pool))
    if last >= sizes[run.data]:
        raise InputError(f"a run names slice {last}, expected less than {sizes[run.data]}")


def read_table(content: bytes, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table that has some columns, as it was written."""
    # Python's own float gives back every bit.
    exact = {"position": float, "tumour_mm2": float}
    table = pd.read_csv(BytesIO(content), dtype=WORDS, keep_default_na=False, converters=exact)
    if missing := [name for name in columns if name not in table]:
        raise InputError(f"a table without {', '.join(missing)}")
    return table


def slices_of(manifest: dict[str, Any], content: bytes, image_size: int) -> SliceSet:
    """Return a slice set without images.

    Raises
    ------
    InputError
        If its table is not one, or a patient is in two parts.
    """
    table = read_table(content, ["slice_id", *(name for name in COLUMNS if name != "planted")])
    negative, positive = manifest["classes"]
    good = {
        "slice_id": table["slice_id"].tolist() == list(range(len(table))) and len(table) == manifest["slices"] > 0,
        "class_name": set(table["class_name"]) <= {negative, positive},
        "label": set(table["label"].tolist()) <= {0, 1},
        "part": set(table["part"].tolist()) <= set(PARTS),
        **{name: bool(np.isfinite(table[name].to_numpy(float)).all()) for name in ("z", "position", "tumour_mm2")},
        "planted": "planted" not in table or table["planted"].dtype == bool,
    }
    if wrong := [name for name, right in good.items() if not right]:
        raise InputError(f"a table of slices whose {', '.join(wrong)} cannot be")
    check_split(table)
    needed = {"fingerprint": str, "name": str, "release": str, "synthetic": bool, "mirrored": bool, "channels": list}
    needed |= {"fewer_slices": dict, "left_out": dict, "absent": list}
    strange = [name for name, kind in needed.items() if type(manifest[name]) is not kind]
    if not set(manifest.get("remarks", ())) <= set(REMARKS):
        strange.append("remarks")
    if strange:
        raise InputError(f"a slice set whose {', '.join(strange)} cannot be")
    pixels = np.empty((0, 3, image_size, image_size), np.uint8)
    table = table.set_index("slice_id")
    return SliceSet(Path(), manifest, table, pixels, np.empty((0, image_size, image_size), np.uint8))


def selection_of(
    record: Mapping[str, Any], lists: Sequence[tuple[int, ...]], sizes: Mapping[str, int]
) -> tuple[tuple[object, ...], Selection]:
    """Return where `Study.selections` keeps a selection, and the selection."""
    dataset, strategy, share, iterative = record["arm"]

    def ids(number: int) -> tuple[int, ...]:
        if type(number) is not int or not 0 <= number < len(lists) or max(lists[number], default=0) >= sizes[dataset]:
            raise InputError(f"a selection names list {number!r}, expected one of slices that its set has")
        return lists[number]

    questions = tuple(
        Question(ids(number), None if views is None else tuple(views), settled=True)
        for number, views in record["questions"]
    )
    labelled, chosen = (np.array(ids(record[name]), np.int64) for name in ("labelled", "chosen"))
    return (dataset, strategy, share, iterative, record["number"]), Selection(labelled, chosen, questions, settled=True)
