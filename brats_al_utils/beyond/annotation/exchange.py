"""Answers to and from other programs: as CSV, and as Label Studio's JSON.

Label Studio's format is a list of tasks (https://labelstud.io/guide/task_format). ``data`` holds the path of the image
below the data's folder, and the other values of an answer; each of ``annotations`` has a ``result`` with one choice.
The project needs an image called ``image`` and choices called ``label``.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.answers import (
    COLUMNS,
    MAX_BYTES,
    SKIP,
    UNDO,
    UNSURE,
    Answer,
    append,
    current,
    digest,
    moment,
    read,
)
from brats_al_utils.beyond.annotation.query import read_query
from brats_al_utils.beyond.annotation.session import ANSWERS, QUERY, Session, hashes_of
from brats_al_utils.beyond.releases.paths import plain
from brats_al_utils.beyond.releases.table import csv_lines
from brats_al_utils.files import write_new
from brats_al_utils.progress import say

Placed = tuple[str, Answer | None]
"""The place in a file, and the answer there; None for an annotation without a choice."""

IMAGE, CHOICES = "image", "label"
"""Names of the image and the choices in a Label Studio project."""


def export_answers(session: Session, path: Path) -> int:
    """Write each reader's current answers, and return their number.

    Parameters
    ----------
    path : Path
        ``.csv``; or ``.json`` for Label Studio, where proposals without an answer are tasks as well.

    Raises
    ------
    InputError
        If the name has another ending, or the file exists.
    """
    readers = dict.fromkeys(answer.reader for answer in session.given)
    given = [answer for reader in readers for answer in current(session.given, reader).values()]
    write_new(path, (csv_of(given) if is_csv(path) else studio_of(session, given)).encode())
    return len(given)


def export_proposals(session: Session, path: Path) -> int:
    """Write the proposals of the last query as Label Studio's tasks, without answers, and return their number.

    Raises
    ------
    InputError
        If there are no proposals, the file's name does not end in .json, or the file exists.
    """
    if is_csv(path):
        raise InputError(f"{path}: expected a name that ends in .json: {session.folder / QUERY} is the CSV")
    write_new(path, studio_of(session, ()).encode())
    proposed = read_query(session)
    if slices := int((proposed["z"] != "").sum()):
        say(f"{slices} are slices of volumes, which Label Studio does not show: answer them with brats-al annotate")
    return len(proposed)


def import_answers(session: Session, path: Path) -> dict[str, int]:
    """Add the answers of a file that are newer than ours, and return how many were added, and how many not and why.

    If one is refused, none is added.

    Parameters
    ----------
    path : Path
        A file from `export_answers`; a Label Studio project exported as JSON; or another ``answers.jsonl``, whose
        readers' ``UNDO`` is taken too.

    Raises
    ------
    InputError
        If the file cannot be read, or an answer has an unknown slice, label or image.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected answers as CSV, as Label Studio's JSON or as answers.jsonl")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes, expected at most {MAX_BYTES}: import it in parts")
    ours = {plain(name): name for name in session.slices["slice_id"]}  # macOS decomposes letters
    placed = [*of_file(path)]
    found = [
        (place, replace(answer, slice_id=ours.get(plain(answer.slice_id), answer.slice_id)))
        for place, answer in placed
        if answer
    ]
    file = session.folder / ANSWERS
    told = Counter({"added": 0, "without a choice, skipped": len(placed) - len(found)})
    of_slice: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in read(file):
        of_slice[answer.slice_id].append(answer)
    hashes = hashes_of(session.cohort, session.slices, [answer.slice_id for _, answer in found])
    new: list[Answer] = []
    spelt = {label.casefold(): label for label in session.cohort.classes}
    for place, given in sorted(found, key=lambda each: moment(each[1])):
        label = given.label if given.label in session.cohort.classes else spelt.get(given.label.casefold(), given.label)
        answer = replace(given, label=label)
        kept = of_slice[answer.slice_id]
        check(session, place, answer, hashes, kept)
        if answer.slice_id not in hashes:
            told["on images that are no longer in the table"] += 1
        elif answer.image_sha256 != hashes[answer.slice_id]:
            told["on images that have changed since"] += 1
        elif is_newer(answer, kept):
            told["added"] += 1
            earlier = current(kept, answer.reader).get(answer.slice_id)
            done = "to take one back" if answer.label == UNDO else "in place of an earlier answer of the same reader"
            told[f"added {done}"] += earlier is not None
            new.append(answer)
            kept.append(answer)
        else:
            told["there already, or older than what their reader has said since"] += 1
    if new:
        append(file, *new)
    return {what: count for what, count in told.items() if count or what == "added"}


def check(session: Session, place: str, answer: Answer, hashes: Mapping[str, str], others: Sequence[Answer]) -> None:
    """Raise an `InputError` for an answer with an unknown slice, label or image, or with a time in the future.

    Parameters
    ----------
    others : sequence of Answer
        Answers on the same slice.
    """
    labels, name = (*session.cohort.classes, UNSURE, SKIP, UNDO), answer.slice_id
    if not session.knows(name):
        raise InputError(f"{place}: slice_id {name!a} is not in {session.cohort.root}: remove it")
    if answer.label not in labels:
        raise InputError(f"{place}: label {answer.label!a}, expected one of {', '.join(labels)}: correct it")
    if moment(answer) > datetime.now(UTC) + timedelta(days=1):
        raise InputError(f"{place}: time {answer.time} is in the future, and would outlast later answers: correct it")
    ours = {session.seen.get(name), session.seen.get(name.rpartition("#")[0]), hashes.get(name)}
    if answer.image_sha256 not in ours | {given.image_sha256 for given in others}:
        raise InputError(
            f"{place}: the image of {name!a} is not the one that was answered (image_sha256 differs): import the "
            "answers where these images are, or answer again"
        )


def is_newer(answer: Answer, every: Sequence[Answer]) -> bool:
    """Whether an answer is later than its reader's others on its slice, or as late as the last and different."""
    own = [each for each in every if (each.reader, each.slice_id) == (answer.reader, answer.slice_id)]
    last = max(reversed(own), key=moment, default=None)  # of the same time, the last
    if last is None or moment(answer) != moment(last):
        return last is None or moment(answer) > moment(last)
    return replace(last, time=answer.time) != answer


def is_csv(path: Path) -> bool:
    """Whether a file is CSV by its name, or else Label Studio's JSON.

    Raises
    ------
    InputError
        If its name has another ending.
    """
    ending = path.suffix.casefold()
    if ending not in (".csv", ".json"):
        raise InputError(
            f"{path}: expected a name that ends in .csv, or in .json for Label Studio: unpack or convert it"
        )
    return ending == ".csv"


def csv_of(answers: Iterable[Answer]) -> str:
    """Return answers as CSV."""
    return pd.DataFrame([asdict(answer) for answer in answers], columns=list(COLUMNS)).to_csv(index=False)


def of_file(path: Path) -> Iterator[Placed]:
    """Yield the answers of a file, each with its place.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if path.suffix.casefold() == ".jsonl":
        yield from ((f"{path}, line {number}", answer) for number, answer in enumerate(read(path), 1))
    elif is_csv(path):
        yield from of_csv(path)
    else:
        yield from of_studio(path)


def of_csv(path: Path) -> Iterator[Placed]:
    """Yield the answers of a CSV file (see `table.csv_lines`), each with its place.

    Raises
    ------
    InputError
        Naming the line that is not an answer.
    """
    (_, header), *lines = csv_lines(path) or [(0, [])]
    if {*header, "note"} != {*COLUMNS} or len(set(header)) < len(header):
        columns = f"columns {', '.join(header)[:200]!a}, expected {', '.join(COLUMNS)}"
        raise InputError(f"{path}: {columns}: rename them; from Label Studio, export the project as JSON")
    for number, row in lines:
        place = f"{path}, line {number}"
        if len(row) != len(header):
            raise InputError(f"{place}: {len(row)} cells, expected {len(header)}: correct the line")
        yield place, answer_of(place, dict(zip(header, row, strict=True)))


def answer_of(place: str, values: Mapping[str, Any]) -> Answer:
    """Return an answer; the error for invalid values names their place too."""
    try:
        return Answer(**values)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def studio_of(session: Session, answers: Iterable[Answer]) -> str:
    """Return answers as Label Studio's tasks; proposals without an answer are tasks without annotations."""
    by_slice: dict[str, list[Answer]] = {}
    if (session.folder / QUERY).exists():
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
    """Return an answer as one of Label Studio's annotations; ``meta`` keeps the reader beside Label Studio's user."""
    choice = {
        "from_name": CHOICES,
        "to_name": IMAGE,
        "type": "choices",
        "value": {"choices": [answer.label]},
        "meta": {"reader": answer.reader, "note": answer.note},
    }
    return {"result": [choice], "was_cancelled": answer.label == SKIP, "created_at": answer.time}


def of_studio(path: Path) -> Iterator[Placed]:
    """Yield the answers of Label Studio's tasks, each with its place; None for annotations without a choice.

    A cancelled annotation is a ``SKIP``, whatever was chosen. Its time is that of the last change. The reader is
    the one that `annotation_of` has kept, or else Label Studio's user, by address or number.

    Raises
    ------
    InputError
        Naming a task, by its number in Label Studio, without our data, or with several choices in an annotation.
    """
    try:
        tasks = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}): export the project as JSON, one list") from error
    if not isinstance(tasks, list):
        mend = f"export the project as JSON; of another program, write CSV with the columns {', '.join(COLUMNS)}"
        raise InputError(f"{path}: expected a list of Label Studio's tasks: {mend}")
    for number, task in enumerate(tasks, 1):
        known_as = task.get("id", number) if isinstance(task, dict) else number
        place = f"{path}, task {known_as!a:.40}"
        try:
            for given in task["annotations"]:
                choices = [each for each in given["result"] if each["type"] == "choices"]
                choices = [each for each in choices if each.get("from_name") == CHOICES] or choices
                labels = [label for each in choices for label in each["value"]["choices"]]
                if len(labels) > 1:
                    mend = f"leave one, or call the field that counts {CHOICES!r}"
                    raise InputError(f"{place}: {len(labels)} choices in one annotation, expected one: {mend}")
                if given.get("was_cancelled"):
                    labels = [SKIP]
                if not labels:
                    yield place, None
                    continue
                meta = choices[0].get("meta", {}) if choices else {}
                values = {
                    "slice_id": task["data"]["slice_id"],
                    "label": labels[0],
                    "reader": meta.get("reader") or user(given.get("completed_by")),
                    "time": given.get("updated_at") or given.get("created_at", ""),
                    "image_sha256": task["data"]["image_sha256"],
                    "note": meta.get("note", ""),
                }
                yield place, answer_of(place, values)
        except (KeyError, TypeError, AttributeError) as error:
            what = f"no task of Label Studio's with our data ({type(error).__name__}: {error})"
            mend = (
                "import our tasks (brats-al answers --proposals FILE) there (1.0 or later), have people annotate them"
            )
            raise InputError(f"{place}: {what[:200]}: {mend}, and export the project as JSON, not JSON-MIN") from error


def user(completed_by: object) -> str:
    """Return the name of a user of Label Studio: the address, or the number."""
    if isinstance(completed_by, dict):
        return str(completed_by.get("email") or f"user {completed_by.get('id')}")
    return f"user {completed_by}"
