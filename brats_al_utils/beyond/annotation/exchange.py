"""Answers to and from other programs: as CSV, and as the JSON of Label Studio.

Label Studio's format is a list of tasks (https://labelstud.io/guide/task_format): ``data`` holds what is shown, here
the path of the image below the data's folder, and what an answer needs besides; each of ``annotations`` has a
``result`` with one choice. Its project needs an image called ``image`` and choices called ``label``.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.answers import SKIP, UNSURE, Answer, append, current, digest, read, standing
from brats_al_utils.beyond.annotation.query import read_query
from brats_al_utils.beyond.annotation.session import Session, answers_file, query_file
from brats_al_utils.files import write_file

Placed = tuple[str, Answer]
"""An answer, and where it stands in a file."""

COLUMNS = tuple(field.name for field in fields(Answer))

MAX_BYTES = 2**26
"""A larger file is refused."""

IMAGE, CHOICES = "image", "label"
"""What the image and the choices are called in a Label Studio project."""


def export_answers(session: Session, path: Path) -> int:
    """Write each reader's latest answers, and return how many.

    Parameters
    ----------
    path : Path
        ``.csv``; or ``.json`` for Label Studio, where proposals without an answer are tasks as well.

    Raises
    ------
    InputError
        If its name ends otherwise.
    """
    every = read(answers_file(session.folder))
    readers = dict.fromkeys(answer.reader for answer in standing(every))
    given = [answer for reader in readers for answer in current(every, reader).values()]
    write_file(path, (csv_of(given) if is_csv(path) else studio_of(session, given)).encode())
    return len(given)


def import_answers(session: Session, path: Path) -> int:
    """Add the answers of a file that are not there yet, all or none of them, and return how many.

    Parameters
    ----------
    path : Path
        As `export_answers` writes it, or as Label Studio exports its project as JSON.

    Raises
    ------
    InputError
        If it cannot be read, or an answer is on another slice, with another label, or on another image than ours.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected answers as CSV or as Label Studio's JSON")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_BYTES}: import it in parts")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error}): save it as UTF-8") from error
    found = list((of_csv if is_csv(path) else of_studio)(text, str(path)))
    images = dict(zip(session.slices["slice_id"], session.slices["image"], strict=True))
    labels = (*session.cohort.classes, UNSURE, SKIP)
    hashed = cache(digest)
    for place, answer in found:
        if answer.slice_id not in images:
            raise InputError(f"{place}: slice_id {answer.slice_id!a} is not in {session.cohort.root}: remove it")
        if answer.label not in labels:
            raise InputError(f"{place}: label {answer.label!a}, expected one of {', '.join(labels)}: correct it")
        if answer.image_sha256 != hashed(session.cohort.root / images[answer.slice_id]):
            raise InputError(
                f"{place}: the image of {answer.slice_id!a} is not the one that was answered (image_sha256 differs): "
                "take the answers back for the images that were shown, or answer again"
            )
    known = set(standing(read(answers_file(session.folder))))
    new = list(dict.fromkeys(answer for _, answer in found if answer not in known))
    if new:
        append(answers_file(session.folder), *new)
    return len(new)


def is_csv(path: Path) -> bool:
    """Whether a file is CSV by its name, or else Label Studio's JSON.

    Raises
    ------
    InputError
        If its name is neither's.
    """
    if path.suffix not in (".csv", ".json"):
        raise InputError(f"{path}: expected a name that ends in .csv, or in .json for Label Studio: name it so")
    return path.suffix == ".csv"


def csv_of(answers: Iterable[Answer]) -> str:
    """Return answers as CSV."""
    return pd.DataFrame([asdict(answer) for answer in answers], columns=list(COLUMNS)).to_csv(index=False)


def of_csv(text: str, name: str) -> Iterator[Placed]:
    """Yield the answers of a CSV file, each with its place.

    Raises
    ------
    InputError
        Naming the line that holds none.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if sorted(header) != sorted(COLUMNS):
            raise InputError(f"{name}: columns {', '.join(header)[:200]!a}, expected {', '.join(COLUMNS)}")
        for row in reader:
            place = f"{name}, line {reader.line_num}"
            if len(row) != len(header):
                raise InputError(f"{place}: {len(row)} cells, expected {len(header)}: correct the line")
            yield place, answer_of(place, dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise InputError(f"{name}: cannot be read as CSV ({error}): save it as CSV with commas") from error


def answer_of(place: str, values: Mapping[str, Any]) -> Answer:
    """Return an answer; of values that are none, the place is named too."""
    try:
        return Answer(**values)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def studio_of(session: Session, answers: Iterable[Answer]) -> str:
    """Return answers as Label Studio's tasks; proposals that have none are tasks without annotations."""
    by_slice: dict[str, list[Answer]] = {}
    if query_file(session.folder).exists():
        by_slice = {name: [] for name in read_query(session)["slice_id"]}
    for answer in answers:
        by_slice.setdefault(answer.slice_id, []).append(answer)
    rows = session.slices.set_index("slice_id").loc[list(by_slice)]
    tasks = []
    for number, (name, row) in enumerate(rows.iterrows(), 1):
        given = by_slice[str(name)]
        data = {
            IMAGE: row["image"],
            "slice_id": name,
            "patient_id": row["patient_id"],
            "image_sha256": digest(session.cohort.root / row["image"]),
        }
        tasks.append({"id": number, "data": data, "annotations": [annotation_of(answer) for answer in given]})
    return json.dumps(tasks, indent=1)


def annotation_of(answer: Answer) -> dict[str, Any]:
    """Return an answer as one of Label Studio's annotations; who gave it is kept in ``reader`` beside its own user."""
    choice = {
        "from_name": CHOICES,
        "to_name": IMAGE,
        "type": "choices",
        "value": {"choices": [answer.label]},
        "meta": {"reader": answer.reader},
    }
    return {"result": [choice], "was_cancelled": answer.label == SKIP, "created_at": answer.time}


def of_studio(text: str, name: str) -> Iterator[Placed]:
    """Yield the answers of Label Studio's tasks, each with its place; annotations without a choice are skipped.

    The reader is the one that `annotation_of` has kept, else the user of Label Studio, by address or number.

    Raises
    ------
    InputError
        Naming the task that is none of ours, or has an annotation with several choices.
    """
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: cannot be read as JSON ({error}): export it again") from error
    if not isinstance(tasks, list):
        raise InputError(f"{name}: expected a list of Label Studio's tasks: export the project as JSON")
    for number, task in enumerate(tasks, 1):
        place = f"{name}, task {number}"
        try:
            for given in task["annotations"]:
                choices = [each for each in given["result"] if each["type"] == "choices"]
                labels = [label for each in choices for label in each["value"]["choices"]]
                if len(labels) > 1:
                    raise InputError(f"{place}: {len(labels)} choices in one annotation, expected one: correct it")
                if not labels:
                    continue
                values = {
                    "slice_id": task["data"]["slice_id"],
                    "label": labels[0],
                    "reader": choices[0].get("meta", {}).get("reader") or user(given.get("completed_by")),
                    "time": given["created_at"],
                    "image_sha256": task["data"]["image_sha256"],
                }
                yield place, answer_of(place, values)
        except (KeyError, TypeError, AttributeError) as error:
            what = f"no task of Label Studio's with our data ({type(error).__name__}: {error})"
            raise InputError(f"{place}: {what[:200]}: export the project as JSON, not as JSON-MIN") from error


def user(completed_by: object) -> str:
    """Return how a user of Label Studio is called here: by the address, or by the number."""
    if isinstance(completed_by, dict):
        return str(completed_by.get("email") or f"user {completed_by.get('id')}")
    return f"user {completed_by}"
