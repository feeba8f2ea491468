"""What can be annotated: every image of a table, with a label or without, cut once; and slice sets with the labels."""

import json
import os
import shutil
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.answers import LONGEST, SKIP, UNDO, UNSURE
from brats_al_utils.beyond.releases.faults import first_of
from brats_al_utils.beyond.releases.table import chosen_classes, cohort_of, find_table, misnamed_table, read_persons
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.layout import shown
from brats_al_utils.cohorts.preparation import described, each_cut, write_pixels
from brats_al_utils.cohorts.slices import FORMAT, TEXT_COLUMNS, SliceRule, SliceSet, open_slices
from brats_al_utils.files import locked, new_folder, read_json
from brats_al_utils.progress import Track, untracked
from brats_al_utils.study.study import PREPARING, as_found

UNLABELLED = 2
"""Number of a missing label: neither 0 nor 1, so that training on it fails."""


def read_candidates(folder: Path, follow_links: bool = False, classes: tuple[str, ...] = ()) -> Cohort:
    """Read a table of images in which some or all labels are missing; parameters as for `table.read_table`.

    Returns
    -------
    Cohort
        Unlabelled images are part of it, with an empty class_name.

    Raises
    ------
    InputError
        If there is no table, it cannot be read, or the classes are unknown.
    """
    path = find_table(folder)
    if not path.is_file():
        other = misnamed_table(folder)
        mend = (
            f"save {other} under this name, as CSV in UTF-8" if other else "write one with brats-al cohort --template"
        )
        raise InputError(f"{path}: missing, expected a table of images: {mend}")
    rows, notes = read_persons(path, follow_links)
    labels = rows["label"]
    if not classes and labels[labels != ""].nunique() < 2:
        raise InputError(
            f"{path}: fewer than two labels, expected two classes: name them when the annotation begins, with brats-al "
            "query or annotate and --set classes=POSITIVE,NEGATIVE"
        )
    negative, positive = pair = (classes[1], classes[0]) if classes else chosen_classes(path, labels, ())
    for name in pair:
        check_class(name)
    used = rows[labels.isin({*pair, ""})]
    if used.empty:
        found = ", ".join(f"{shown(str(name))} ({count})" for name, count in labels.value_counts().head(5).items())
        raise InputError(f"{path}: no label is {shown(positive)} or {shown(negative)}, found {found}: correct classes")
    if others := sorted(map(str, set(labels) - {*pair, ""})):
        notes.append(f"{path}: rows of other classes, skipped: {first_of(others)}")
    return cohort_of(path, rows, used, notes, pair, bool(classes), follow_links)


def check_class(name: str) -> None:
    """Raise an `InputError` for a class that no answer can name."""
    if name in (UNSURE, SKIP, UNDO) or not name.isprintable() or not 0 < len(name) <= LONGEST["label"]:
        what = f"expected 1 to {LONGEST['label']} characters that can be printed, and none of {UNSURE}, {SKIP}, {UNDO}"
        raise InputError(f"class {name[:60]!a}, {what}: call it otherwise")


def cut_candidates(
    cohort: Cohort, rule: SliceRule, folder: Path, skip_bad: bool = False, track: Track = untracked
) -> Path:
    """Cut every image of `read_candidates` once, whatever its label, and return the folder of the pixels.

    Parameters
    ----------
    folder : Path
        Folder of the slice sets.

    Raises
    ------
    InputError
        Naming every problem of the images, unless ``skip_bad``.
    """
    whatever_label = replace(cohort, cases=cohort.cases.drop(columns="class_name"))
    made_from = [FORMAT, *as_found(whatever_label), asdict(rule), skip_bad]
    place = folder / f"images-{sha256(json.dumps(made_from).encode()).hexdigest()[:12]}"
    left_out = {name: list(found) for name, found in cohort.problems.items()}
    if left_out and not skip_bad:
        raise InputError("\n".join(cohort.messages))
    if cohort.cases.empty:
        raise InputError("\n".join([*cohort.messages, f"{cohort.root}: no usable image is left: correct the above"]))
    folder.mkdir(parents=True, exist_ok=True)
    with locked(Path(f"{place}.lock"), PREPARING, "cutting images"):
        if not place.exists():
            unlabelled = replace(cohort, cases=cohort.cases.assign(class_name=""))
            cuts = each_cut(unlabelled, rule, ("", "", ""), left_out, skip_bad, track)
            with new_folder(place) as partial:
                table = write_pixels(partial, rule.image_size, cuts)
                table.to_csv(partial / "slices.csv", index_label="slice_id", lineterminator="\n")
                (partial / "skipped.json").write_text(json.dumps(left_out), encoding="utf-8")
    return place


def read_slices(place: Path, cohort: Cohort) -> pd.DataFrame:
    """Return the slices that `cut_candidates` has cut.

    Returns
    -------
    pd.DataFrame
        A row for each slice, as in the slice set: slice_id (its name in answers: that of its image, see
        `register.register`, and for a volume # and the axial index), patient_id, image (its path in the table), z
        (axial index in a volume, else -1), and known: the table's label, 0, 1 or ``UNLABELLED``.
    """
    table, cases = cut_table(place), cohort.cases.set_index("named")
    deep = table["image"].map(cases["slices"]) > 1
    label = {name: number for number, name in enumerate((*cohort.classes, ""))}
    return pd.DataFrame(
        {
            "slice_id": table["image"].map(cases["known_as"]) + ("#" + table["z"].astype(str)).where(deep, ""),
            "patient_id": table["patient_id"],
            "image": table["image"],
            "z": table["z"].where(deep, -1),
            "known": table["image"].map(cases["class_name"].map(label)),
        }
    ).rename_axis(None)


def cut_table(place: Path) -> pd.DataFrame:
    """Return the table of slices that `cut_candidates` has written."""
    words = TEXT_COLUMNS | {"image": str}
    return pd.read_csv(place / "slices.csv", index_col="slice_id", dtype=words, keep_default_na=False)


def labelled_set(
    place: Path, cohort: Cohort, rule: SliceRule, label: pd.Series, held_out: pd.Series, folder: Path
) -> SliceSet:
    """Return the slice set of all candidates with the labels known now; it is written if it is new.

    Parameters
    ----------
    place : Path
        From `cut_candidates`.
    label : pd.Series of int
        Label of each slice, 0, 1 or ``UNLABELLED``; there must be patients of both classes.
    held_out : pd.Series of str
        Part (`split.PARTS`) of each slice's patient.
    folder : Path
        Folder of the slice sets.
    """
    negative, positive = cohort.classes
    table = cut_table(place).assign(label=label, class_name=label.map({0: negative, 1: positive, UNLABELLED: ""}))
    split = held_out.groupby(table["patient_id"]).first().to_frame("part")
    text = table.to_csv(index_label="slice_id", lineterminator="\n")
    made_from = sha256((place.name + text + split.to_csv()).encode()).hexdigest()[:12]
    target = folder / f"labelled-{made_from}"
    with locked(Path(f"{target}.lock"), PREPARING, "writing labels"):
        if not target.exists():
            with new_folder(target) as partial:
                for name in ("pixels.npy", "segmentation.npy"):
                    link(place / name, partial / name)
                (partial / "slices.csv").write_text(text, newline="", encoding="utf-8")
                split.to_csv(partial / "split.csv", lineterminator="\n")
                skipped = read_json(place / "skipped.json", f"delete {place}")
                manifest = described(cohort, rule, partial, len(table)) | {"left_out": skipped}
                (partial / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return open_slices(target)


def link(source: Path, target: Path) -> None:
    """Give a file a second name (a hard link), or copy it where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
