"""Write a study as a bundle (without its images), read a bundle, and unpack it to a study's folder."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils import InputError, __version__
from brats_al_utils.beyond.arms import NOTEBOOKS, arms_of, main_arms
from brats_al_utils.beyond.bundles import container
from brats_al_utils.beyond.bundles.bundle import OF_EPOCHS, Lists, index, pack, published, unpack
from brats_al_utils.beyond.bundles.container import MAX_FILES, further, packed, read_parts
from brats_al_utils.cohorts.cohort import TRUTH_FILE
from brats_al_utils.cohorts.layout import shown
from brats_al_utils.cohorts.naming import REMARKS, is_open, remarks
from brats_al_utils.cohorts.slices import BINS, FORMAT, SliceSet, brain_intensities
from brats_al_utils.cohorts.split import PARTS, check_split
from brats_al_utils.files import beside, new_folder, read_json, write_file
from brats_al_utils.runs.run import PROTOCOL, Result, Run
from brats_al_utils.runs.store import RunStore, checksum
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import Profile, profile_of
from brats_al_utils.study.stages import Row, advance
from brats_al_utils.study.study import Study
from brats_al_utils.study.unpacked import CHOSEN, FACTS, same_settings, without_pixels

VERSION = 2
"""Version of bundles, increased when bundles of the version before can no longer be read."""

SUFFIX = ".bundle"

COLUMNS = ("patient_id", "class_name", "label", "site", "z", "position", "tumour_mm2", "part", "planted")
"""Published columns of a slice set's table: names of files may name patients."""

OF_EVERY_RUN = (*OF_EPOCHS, "probability/validation", "probability/test")

HIDDEN = "audit/tumour_hidden"
"""The audit's predictions that are published of every arm's own runs (networks that only choose slices have none)."""

OF_MAIN = ("probability/test_last", "audit/tumour_alone")
"""Arrays that are published of the main arms only, for notebook 12."""

MAX_SETTING = 10_000
"""Largest number in a setting, except for seeds; also the largest number of values in a list."""

MAX_SEED = 2**63

MAX_TABLE = 2**19
"""Largest product of runs and slices, on which the size of a study's selections and tables depends."""


NINE = ["entropy", "bald", "coreset", "badge", "typiclust", "probcover", "aift", "medal", "reverse"]
"""Former default of the setting competitors; those that no published study compares were removed."""

FORMER: dict[str, Callable[[Any], bool]] = {
    "hold": lambda value: not value,
    "doses": lambda value: True,
    "intensity": lambda value: value == "mode",
    "competitors": lambda value: isinstance(value, list | tuple) and list(value) == NINE,
}
"""Settings of earlier versions, with a test for values that give the same study as without the setting."""


@dataclass(frozen=True)
class Bundle:
    """The checked contents of a bundle.

    Attributes
    ----------
    facts : mapping
        Facts of the study: profile, settings, sets with name and manifest.
    profile : Profile
    sets : dict of str to SliceSet
        Slice sets without pixels.
    tables : list of bytes
        CSV of the sets' tables.
    results : list of Result
    chosen : list of dict
        See `unpacked.records_of`.
    truth : bytes
        CSV of the atypical patients, for phantoms.
    digest : str
        SHA-256 of the file.
    """

    facts: Mapping[str, Any]
    profile: Profile
    sets: dict[str, SliceSet]
    tables: list[bytes]
    results: list[Result]
    chosen: list[dict[str, Any]]
    truth: bytes
    digest: str


def missing(study: Study, notebook: str) -> str:
    """Return what is missing for a notebook in a study without images, in words; empty if nothing is."""
    arms = NOTEBOOKS[notebook](study.profile)
    sets = dict.fromkeys(arm.dataset for arm in arms if arm.dataset not in study.opened)
    if sets:
        return f"slice sets {', '.join(sets)}"

    def stored(runs: int) -> bool:
        return all(row.known and study.store.path(row.run).exists() for row in advance(study, arms, runs))

    whole = stored(1) and stored(study.profile.n_runs)  # for most notebooks the first run decides
    return "" if whole else "some of its runs"


def export(study: Study, path: Path, names: Sequence[str], with_ids: bool = False) -> tuple[int, int, list[Path]]:
    """Write the results of a study that are stored so far as a bundle.

    If a file would be larger than ``container.MAX_WRITTEN``, the runs are divided among several files: ``x.bundle``,
    ``x.bundle.2`` and so on; the first holds the SHA-256 of the others.

    Parameters
    ----------
    study : Study
    path : Path
        The first file, whose name ends in ``.bundle``.
    names : sequence of str
        The notebooks whose runs it holds.
    with_ids : bool
        Whether to keep the patients' names; otherwise they are numbered, unless all are names of a public release.

    Returns
    -------
    int
        Number of runs in the bundle.
    int
        Number of runs that the notebooks need, without those of query networks with views, which are never published.
    list of Path
        The files.

    Raises
    ------
    InputError
        If the file's name has another ending, nothing is stored yet, or too many files would be needed.
    """
    if path.suffix != SUFFIX:
        raise InputError(f"{path}: expected a name that ends in {SUFFIX}")
    arms = arms_of(study.profile, names)
    rows = advance(study, arms)
    planned = {row.same: row.run for row in rows if not row.run.views}
    main = of_main_arms(study)
    stored = (study.store.load(run) for run in sorted(planned.values(), key=lambda run: run.key))
    results = [trimmed(study, result, result.run.key in main) for result in stored if result]
    if not results:
        raise InputError(f"{study.store.folder}: no run of this study is stored, nothing to export: run it first")
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
    parts = {}
    for number, slices in enumerate(sets.values()):
        table = slices.table[[column for column in COLUMNS if column in slices.table]]
        table = table.assign(patient_id=table["patient_id"].map(lambda name: names_of.get(name, name)))
        parts[f"slices/{number}.csv"] = table.to_csv(index_label="slice_id", lineterminator="\n").encode()
    if study.synthetic:
        truth = pd.read_csv(study.cohort.root / TRUTH_FILE)[["patient_id", "atypical"]]
        parts["truth.csv"] = truth.to_csv(index=False, lineterminator="\n").encode()
    files = write_bundle(path, facts, parts, results, not_asked_again(rows))
    return len(results), len(planned), files


def write_bundle(
    path: Path,
    facts: Mapping[str, Any],
    parts: Mapping[str, bytes],
    results: Sequence[Result],
    chosen: Sequence[Mapping[str, Any]],
) -> list[Path]:
    """Write a bundle into as few files of at most ``container.MAX_WRITTEN`` bytes as possible, and return them.

    Parameters
    ----------
    facts : mapping
        Contents of ``study.json``.
    parts : mapping of str to bytes
        Other parts, by name.
    results : sequence of Result
    chosen : sequence of mapping
        See `unpacked.records_of`.
    """
    for count in range(1, MAX_FILES + 1):
        lists = Lists()
        records = [dict(each) | {name: lists.place(each[name]) for name in ("labelled", "chosen")} for each in chosen]
        ends = [len(results) * place // count for place in range(count + 1)]
        shares = [results[start:end] for start, end in pairwise(ends)]
        others = [packed(pack(share, Lists())) for share in shares[1:]]
        files = {"files": [sha256(content).hexdigest() for content in others]}
        first = {"study.json": json.dumps(dict(facts) | files, indent=1).encode()}
        first |= {"selections.json": json.dumps(records).encode()} | pack(shares[0], lists)
        contents = [packed(dict(parts) | first), *others]
        if max(map(len, contents)) <= container.MAX_WRITTEN:
            break
    else:
        raise InputError(
            f"{path}: larger than {MAX_FILES} files of {container.MAX_WRITTEN} bytes: export fewer notebooks"
        )
    paths = [further(path, number) for number in range(count)]
    for number in reversed(range(count)):  # the first file, which names the others, is written last
        write_file(paths[number], contents[number])
    return paths


def of_main_arms(study: Study) -> set[str]:
    """Return the keys of the main arms' runs: notebook 12 shows their last epoch, and their AUC on tumours alone."""
    return {row.run.key for row in advance(study, main_arms(study.profile)) if not row.member}


def trimmed(study: Study, result: Result, main: bool) -> Result:
    """Return the published part of a result: see `bundle.published`.

    Parameters
    ----------
    main : bool
        Whether it is one of `of_main_arms`.
    """
    names = [*OF_EVERY_RUN, *(["probability/pool"] if result.run.pool else [HIDDEN]), *OF_MAIN * main]
    names = [name for name in names if name in result.arrays]  # without masks there is no audit
    table = next(slices.table for slices in study.opened.values() if slices.fingerprint == result.run.data)
    patient = pd.factorize(table["patient_id"])[0]
    return published(result, names, table["label"].to_numpy(), patient, checksum(result.arrays, {}))


def numbers(sets: Iterable[SliceSet]) -> dict[str, str]:
    """Return a number for each patient, in the order of their names, so that patients sort as before."""
    names = sorted({name for slices in sets for name in slices.table["patient_id"]})
    return {name: f"{number:0{len(str(len(names)))}}" for number, name in enumerate(names, 1)}


def names_in(slices: SliceSet) -> set[str]:
    """Return all patients that a set names, including those who are not in it."""
    return {*slices.table["patient_id"], *slices.manifest["left_out"], *slices.manifest["absent"]}


def manifest_of(slices: SliceSet, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a set's manifest with its remarks; if patients are numbered, those who are not in it are only counted."""
    manifest = without_reasons(slices.manifest) | {"remarks": remarks(slices)}
    if not names:
        return manifest
    fewer = {names[name]: count for name, count in slices.manifest["fewer_slices"].items()}
    skipped: dict[str, list[str]] = {f"skipped {number}": [] for number, _ in enumerate(slices.manifest["left_out"], 1)}
    absent = [f"absent {number}" for number, _ in enumerate(slices.manifest["absent"], 1)]
    return manifest | {"fewer_slices": fewer, "left_out": skipped, "absent": absent}


def read_bundle(path: Path) -> Bundle:
    """Read all files of a bundle, and check them.

    Raises
    ------
    InputError
        If it is not a bundle, or damaged, of another version, or invalid.
    """
    if path.suffix[1:].isdigit() and path.stem.endswith(SUFFIX):
        raise InputError(f"{path}: a further file of a bundle, expected the first: name {path.with_suffix('')}")
    parts, digest = read_parts(path)
    try:
        facts = json.loads(parts["study.json"])
        versions = {"version": VERSION, "protocol": PROTOCOL}
        if {name: facts[name] for name in versions} != versions or facts["format"] not in (3, FORMAT):
            raise InputError(f"made by brats-al {facts['brats_al_utils']}, expected one like this, {__version__}")
        files = [parts]
        for number, expected in enumerate(facts["files"][: MAX_FILES - 1], 1):
            more, found = read_parts(further(path, number))
            if found != expected:
                raise InputError(f"{further(path, number).name} is of another bundle, or of another export")
            files.append(more)
        return checked(facts, files, digest)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else shown(str(error))
        raise InputError(f"{path}: not a bundle that can be used: {what}: download or export it again") from error


def current(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a bundle's settings without those of earlier versions that have no effect."""
    return {name: value for name, value in settings.items() if not FORMER.get(name, lambda value: False)(value)}


def checked(facts: Mapping[str, Any], files: Sequence[Mapping[str, bytes]], digest: str) -> Bundle:
    """Check the contents of a bundle's files, and return them."""
    check_settings(facts["settings"])
    profile, names = (
        profile_of(facts["profile"], current(facts["settings"])),
        [str(each["name"]) for each in facts["sets"]],
    )
    tables = [files[0][f"slices/{number}.csv"] for number in range(len(names))]
    sets = {
        name: checked_set(each["manifest"], table, profile.image_size)
        for name, each, table in zip(names, facts["sets"], tables, strict=True)
    }
    check_intensities(facts["intensities"], sets[DATASETS[0]])
    sizes = {name: len(slices.table) for name, slices in sets.items()}
    if profile.n_runs * max(sizes.values()) > MAX_TABLE:
        raise InputError(f"n_runs is {profile.n_runs}, expected {MAX_TABLE // max(sizes.values())} at most")
    unpacked = [unpack(parts) for parts in files]
    results = [result for some, _ in unpacked for result in some]
    for result in results:
        check_ids(result.run, {slices.fingerprint: sizes[name] for name, slices in sets.items()})
    chosen = [record_of(record, unpacked[0][1], sizes) for record in json.loads(files[0]["selections.json"])]
    truth = files[0]["truth.csv"] if sets[DATASETS[0]].synthetic else b""
    if truth and list(pd.read_csv(BytesIO(truth), nrows=1)) != ["patient_id", "atypical"]:
        raise InputError("truth.csv without patient_id and atypical")
    return Bundle(facts, profile, sets, tables, results, chosen, truth, digest)


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse settings that are larger than those of any study, and would fill the memory."""
    for name, setting in settings.items():
        values = setting if isinstance(setting, list) else [setting]
        most = MAX_SEED if name.endswith("seed") else MAX_SETTING
        if len(values) > MAX_SETTING or any(isinstance(each, int | float) and not abs(each) <= most for each in values):
            raise InputError(f"{name} is {str(setting)[:40]}, expected {most} at most")


def check_intensities(counts: Any, slices: SliceSet) -> None:
    """Refuse counts that `slices.brain_intensities` cannot have returned."""
    for channel in slices.manifest["channels"]:
        for name in slices.classes:
            values = counts[channel][name]
            if len(values) != BINS or not all(type(count) is int and 0 <= count < 2**53 for count in values):
                raise InputError("invalid counts of intensities")


def check_ids(run: Run, sizes: Mapping[str, int]) -> None:
    """Refuse a run of an unknown slice set, or with slices beyond its end."""
    if run.data not in sizes:
        raise InputError(f"a run is of slice set {run.data!r}, which is missing")
    last = max(max(ids, default=0) for ids in (run.training, run.validation, run.test, run.pool))
    if last >= sizes[run.data]:
        raise InputError(f"a run names slice {last}, expected less than {sizes[run.data]}")


def record_of(record: Mapping[str, Any], lists: Sequence[tuple[int, ...]], sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return a record of a selection, with slices in place of the numbers of their lists."""
    dataset, strategy, share, iterative = record["arm"]
    ids = {name: list(lists[index(record[name], lists)]) for name in ("labelled", "chosen")}
    if max(max(some, default=0) for some in ids.values()) >= sizes[dataset]:
        raise InputError(f"slices chosen beyond the {sizes[dataset]} of their set")
    arm = [str(dataset), str(strategy), float(share), bool(iterative)]
    return {"arm": arm, "number": int(record["number"])} | ids


def checked_set(manifest: dict[str, Any], content: bytes, image_size: int) -> SliceSet:
    """Return a slice set without images.

    Raises
    ------
    InputError
        If its table is invalid, or a patient is in two parts.
    """
    columns = content[: 2**12].decode(errors="replace").splitlines()[:1]
    if missing := {"slice_id", *COLUMNS} - {"planted", *",".join(columns).split(",")}:
        raise InputError(f"a table without {', '.join(sorted(missing))}")
    slices = without_pixels(manifest, BytesIO(content), image_size)
    table = slices.table
    good = {
        "slice_id": table.index.tolist() == list(range(len(table))) and len(table) == manifest["slices"] > 0,
        "class_name": set(table["class_name"]) <= set(slices.classes),
        "label": set(table["label"].tolist()) <= {0, 1},
        "part": set(table["part"].tolist()) <= set(PARTS),
        **{name: bool(np.isfinite(table[name].to_numpy(float)).all()) for name in ("z", "position", "tumour_mm2")},
        "planted": "planted" not in table or table["planted"].dtype == bool,
    }
    if wrong := [name for name, right in good.items() if not right]:
        raise InputError(f"invalid values in columns {', '.join(wrong)} of a slice table")
    check_split(table)
    needed = {"fingerprint": str, "name": str, "release": str, "synthetic": bool, "mirrored": bool, "channels": list}
    needed |= {"fewer_slices": dict, "left_out": dict, "absent": list}
    strange = [name for name, kind in needed.items() if type(manifest[name]) is not kind]
    if not set(manifest.get("remarks", ())) <= set(REMARKS):
        strange.append("remarks")
    if strange:
        raise InputError(f"invalid {', '.join(strange)} of a slice set")
    return slices


def unpack_study(path: Path, folder: Path) -> Bundle:
    """Unpack a bundle to a study's folder, for `unpacked.open_unpacked`; one that is up to date gets what it lacks.

    Raises
    ------
    InputError
        If it is not a bundle, or the folder holds something else.
    """
    bundle = read_bundle(path)
    folder = folder.resolve()  # it may be a link to another disk
    kept, profile = folder / FACTS, json.loads(json.dumps(asdict(bundle.profile)))
    read_as = {"digest": bundle.digest, "profile_now": profile, "settings": current(bundle.facts["settings"])}
    if kept.exists() and read_as.items() <= read_json(kept, f"delete {folder}").items():
        fill(bundle, RunStore(folder / "runs"), folder)  # a run that was deleted here is not missing in the bundle
        return bundle
    # Another bundle of the same name, or unpacked by a version with other settings; a study that was run here stays.
    if kept.exists() and not Places(folder, folder).started.exists():
        folder.rename(old := beside(folder))  # at once: what half a removal left would count as the user's own
        shutil.rmtree(old)
    with new_folder(folder) as partial:
        (partial / "slices").mkdir()
        for number, table in enumerate(bundle.tables):
            (partial / "slices" / f"{number}.csv").write_bytes(table)
        if bundle.truth:
            (partial / TRUTH_FILE).write_bytes(bundle.truth)
        fill(bundle, RunStore(partial / "runs"), partial)
        first = bundle.facts["sets"][0]["manifest"]
        first["intensities"] = bundle.facts["intensities"]
        (partial / FACTS).write_text(json.dumps(dict(bundle.facts) | read_as), encoding="utf-8")
    return bundle


def fill(bundle: Bundle, store: RunStore, folder: Path) -> int:
    """Write a bundle's runs to a store, and its selections to a study's folder; return the number of new runs."""
    missing = [result for result in bundle.results if not store.path(result.run).exists()]
    for result in missing:
        store.save(result)
    chosen = [each | {"arm": [bundle.sets[each["arm"][0]].fingerprint, *each["arm"][1:]]} for each in bundle.chosen]
    record = {"settings": asdict(bundle.profile), "chosen": chosen}
    write_file(folder / CHOSEN, json.dumps(record).encode())
    return len(missing)


def resume(path: Path, study: Study) -> tuple[int, int]:
    """Write a bundle's runs to the store of a study, so that only the others are trained.

    Parameters
    ----------
    path : Path
    study : Study
        The study with its images, which must be those of the bundle.

    Returns
    -------
    int
        Number of new runs.
    int
        Number of runs in the bundle.

    Raises
    ------
    InputError
        If it is not a bundle, or one of other images or settings.
    """
    bundle = read_bundle(path)
    if not same_settings(*(json.loads(json.dumps(asdict(each))) for each in (bundle.profile, study.profile))):
        raise InputError(f"{path}: of other settings than this study: give those that it was exported with")
    for dataset, slices in bundle.sets.items():
        here = study.slice_set(dataset)
        if here.fingerprint != slices.fingerprint:
            raise InputError(
                f"{path}: its {dataset} slice set has fingerprint {slices.fingerprint[:12]}, expected "
                f"{here.fingerprint[:12]}: made from other images, or cut in another way"
            )
    new = fill(bundle, study.store, study.places.outputs)
    return new, len(bundle.results)


PUBLIC = re.compile(
    r"(Brats17|Brats18|BraTS19)_(CBICA_[A-Z]{3}|TCIA\d*_\d+|TMC_\d+|2013_\d+|SYN\d_\d+)_1"
    r"|BraTS20_Training_\d{3,}|BraTS2021_\d{5}|BraTS-[A-Z]+-\d{5}-\d{3}|UCSF-PDGM-\d{4}|TCGA[-_][A-Z0-9]{2}[-_]\d{4}(_\d{8})?"
)
"""Names of patients in public releases, and of phantoms; any other may be a person's own."""


def public_names(names: Iterable[str]) -> bool:
    """Whether all names are those of a public release: a folder in BraTS's layout may hold people's own names."""
    return all(PUBLIC.fullmatch(name) for name in names)


def without_reasons(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a slice set's manifest without the reasons for leaving patients out: these name files on this machine."""
    return dict(manifest) | {"left_out": {name: [] for name in manifest["left_out"]}}


def not_asked_again(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return records, for `unpacked.selection_of`, of the selections of networks whose outputs no bundle holds."""
    return [
        {
            "arm": [row.arm.dataset, row.arm.strategy.name, row.arm.share, row.arm.iterative],
            "number": row.number,
            "labelled": row.selection.labelled.tolist(),
            "chosen": row.selection.chosen.tolist(),
        }
        for row in rows
        if row.known
        and not row.member
        and row.arm.strategy.asks
        and (row.arm.strategy.views or not row.selection.queries)  # or taken from a bundle itself
    ]
