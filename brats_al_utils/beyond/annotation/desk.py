"""A reader's desk: it does what the browser asks for, and always reads the answers given so far from their file."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.answers import (
    LONGEST,
    SKIP,
    UNDO,
    UNSURE,
    Answer,
    append,
    current,
    digest,
    digest_now,
    moment,
    now,
    read,
    standing,
)
from brats_al_utils.beyond.annotation.committee import needed
from brats_al_utils.beyond.annotation.draws import UNITS
from brats_al_utils.beyond.annotation.proposals import Proposal, grey_levels, proposals_of
from brats_al_utils.beyond.annotation.session import ANSWERS, Session, reread
from brats_al_utils.cohorts.layout import shown
from brats_al_utils.files import cause

BREAK = 120.0
"""Pauses of so many seconds are breaks, and do not count in the estimate of the time left."""

ENOUGH = 3
"""Number of pauses between answers from which the time left is estimated."""

WORDS = {UNSURE: "unsure", SKIP: "skipped"}
"""Answers that are no class, in words."""

EVERY, DISAGREEMENTS = "all", "disagreements"
"""Choices of the grid beside the labels: all answered images; those on which readers disagree."""

THUMBNAIL = 96
"""Pixels of an image in the grid; up to twice as many."""

MOST = 200
"""Largest number of images in the grid."""

Message = dict[str, Any]
Reply = tuple[Message, list[bytes]]
"""A message to the browser, and the bytes of its pictures."""


@dataclass(frozen=True)
class Desk:
    """The proposals that a reader answers, and where the answers go.

    Attributes
    ----------
    proposals : tuple of Proposal
        In the order in which they are shown.
    answers : Path
        The file of answers.
    reader : str
    classes : tuple of str
        Negative, positive.
    files : mapping of str to Path
        The image of each slice; an answer on another image does not count.
    hidden : bool
        Show no names: they may hold the label.
    needs : callable
        Returns which labels are missing for training: see `committee.needed`.
    renew : callable, optional
        Makes the next query and returns its desk.
    """

    proposals: tuple[Proposal, ...]
    answers: Path
    reader: str
    classes: tuple[str, str]
    files: Mapping[str, Path] = field(default_factory=dict)
    hidden: bool = False
    needs: Callable[[], str] = str
    renew: Callable[[], "Desk"] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The possible answers: the classes (positive first, as in the setting ``classes``), unsure and skip."""
        return (*self.classes[::-1], UNSURE, SKIP)

    def counted(self) -> list[Answer]:
        """Return all readers' answers that count."""
        return [
            answer
            for answer in standing(read(self.answers))
            if answer.slice_id not in self.files or digest_now(self.files[answer.slice_id]) == answer.image_sha256
        ]

    def given(self) -> list[Answer]:
        """Return this reader's answers to these proposals that were not taken back, by time."""
        asked = {name for proposal in self.proposals for name in proposal.slice_ids}
        return [answer for answer in self.counted() if answer.reader == self.reader and answer.slice_id in asked]

    def answered(self) -> dict[Proposal, Answer]:
        """Return the proposals that this reader has answered, for all of their slices."""
        given = current(self.given())
        return {
            proposal: given[proposal.first.slice_id]
            for proposal in self.proposals
            if given.keys() >= set(proposal.slice_ids)
        }

    def due(self) -> Proposal | None:
        """Return the first proposal that this reader has not answered, and whose images are there."""
        answered = self.answered()
        left = (proposal for proposal in self.proposals if proposal not in answered)
        return next((each for each in left if all(picture.file.exists() for picture in each.proposed)), None)

    def named(self, slice_id: object) -> Proposal:
        """Return a proposal by the id of its first slice.

        Raises
        ------
        InputError
            If there is none.
        """
        for proposal in self.proposals:
            if proposal.first.slice_id == slice_id:
                return proposal
        raise InputError(
            f"{shown(str(slice_id)[:60])} is not among the {len(self.proposals)} proposed: reload the page"
        )

    def called(self, proposal: Proposal) -> str:
        """Return the name of a proposal's patient on the screen."""
        persons = list(dict.fromkeys(each.patient_id for each in self.proposals))
        return f"person {persons.index(proposal.patient_id) + 1}" if self.hidden else proposal.patient_id


def desk_of(
    session: Session,
    query: pd.DataFrame,
    reader: str,
    hidden: bool = False,
    proposed: Callable[[], tuple[Session, pd.DataFrame]] | None = None,
) -> Desk:
    """Return the desk of a reader with the proposals of a query; ``proposed`` makes the next query."""
    whole = session.state.queries[-1].unit == UNITS[1]
    proposals = proposals_of(query["slice_id"].tolist(), session.cohort, whole)
    pictures = {picture.slice_id: picture.file for each in proposals for picture in each.pictures}
    files = {name: pictures[name] for name in session.slices["slice_id"] if name in pictures}
    renew = None if proposed is None else lambda: desk_of(*proposed(), reader, hidden, proposed)
    answers, classes = session.folder / ANSWERS, session.cohort.classes
    return Desk(proposals, answers, reader, classes, files, hidden, lambda: needed(reread(session)), renew)


def respond(desk: Desk, message: Any) -> Reply:
    """Do what the browser asks for, and return what it must show.

    An answer is on the disk before the next picture is read. It is accepted for the proposal that is due, or to change
    an earlier answer. So nothing is saved for a proposal that another window has answered meanwhile, or that a key
    pressed twice would answer unseen.

    Parameters
    ----------
    message
        Any object: the browser is not trusted.
    """
    try:
        match message:
            case {"ask": "show" | "next"}:
                return present(desk, "")
            case {"ask": "undo"}:
                return present(desk, take_back(desk))
            case {"ask": "look", "slice_id": name, "place": int(place), "channel": int(channel)}:
                return look(desk, desk.named(name), place, channel)
            case {"ask": "open", "slice_id": name}:
                return present(desk, "", desk.named(name))
            case {"ask": "grid", "which": str(which)}:
                return grid(desk, which)
            case {"ask": "answer", "slice_id": name, "sha256": str(), "note": str(), "label": label} if (
                label in desk.labels
            ):
                return present(desk, keep(desk, desk.named(name), message))
        raise InputError("Unknown message: reload the page. Not saved.")
    except InputError as error:
        return {"kind": "refused", "said": str(error)}, []
    except OSError as error:
        return {"kind": "refused", "said": f"{cause(error)}. Not saved."}, []


def keep(desk: Desk, proposal: Proposal, asked: Mapping[str, Any]) -> str:
    """Add an answer to the file if it is for the due proposal or changes an earlier one, and return a line about it."""
    answered = desk.answered()
    if (proposal in answered) != bool(asked.get("change")) or (proposal not in answered and proposal != desk.due()):
        return "Answered already, in another window or by a key pressed twice: not changed."
    if digest(proposal.first.file) != asked["sha256"]:
        return f"{desk.called(proposal)}: the image has changed since it was shown: look again. Not saved."
    pictures = list(proposal.proposed)
    if asked.get("whole"):
        looked = {answer.slice_id for answer in desk.counted() if answer.reader == desk.reader and answer.label != SKIP}
        left = desk.files.keys() - looked - set(proposal.slice_ids)
        pictures += [picture for picture in proposal.pictures if picture.slice_id in left]
    time, label, note = later(desk), asked["label"], asked["note"].strip()[: LONGEST["note"]]
    append(
        desk.answers,
        *(Answer(each.slice_id, label, desk.reader, time, digest(each.file), note) for each in pictures),
    )
    more = f", {len(pictures)} images" if len(pictures) > 1 else ""
    return f"Saved: {desk.called(proposal)}, {WORDS.get(label, label)}{more}."


def later(desk: Desk) -> str:
    """Return the time, or one after the reader's last answer if its clock was ahead: the answer given last counts."""
    own = [moment(answer) + timedelta(microseconds=1) for answer in read(desk.answers) if answer.reader == desk.reader]
    return max([*own, datetime.fromisoformat(now())]).isoformat()


def take_back(desk: Desk) -> str:
    """Take back the reader's last answer, for all images that it was given to, and return a line about it."""
    given = desk.given()
    if not given:
        return "Nothing to undo."
    last = max(given, key=moment)
    proposal = next(proposal for proposal in desk.proposals if last.slice_id in proposal.slice_ids)
    own = {picture.slice_id for picture in proposal.pictures}
    same = [
        answer
        for answer in desk.counted()
        if answer.slice_id in own and (answer.reader, answer.time) == (desk.reader, last.time)
    ]
    append(desk.answers, *(replace(answer, label=UNDO, time=later(desk), note="") for answer in same))
    return f"Taken back: {WORDS.get(last.label, last.label)}."


def present(desk: Desk, said: str, opened: Proposal | None = None) -> Reply:
    """Return the opened or due proposal with its picture, or the end, and the reader's progress."""
    answers, total = desk.answered(), len(desk.proposals)
    proposal = opened or desk.due()
    counts = Counter(answer.label for answer in answers.values())
    done = len(answers) - counts[SKIP]
    others = ", ".join(f"{counts[label]} {word}" for label, word in WORDS.items() if counts[label])
    counted = f"{desk.reader}: {done} of {total} answered"
    progress: Message = {
        "labels": list(desk.labels[:2]),
        "said": said,
        "answered": done,
        "total": total,
        "counted": f"{counted} ({others})" if others else counted,
        "seconds_left": seconds_left([answer.time for answer in answers.values()], total - len(answers)),
        "needs": desk.needs(),
        "undo": bool(desk.given()),
    }
    if proposal is None:
        each = "\n".join(f"{counts[label]} {WORDS.get(label, label)}" for label in desk.labels)
        if gone := total - len(answers):
            each += f"\n{gone} not shown, as an image is no longer there"
        summary = (
            f"{done} of {total} answered by {desk.reader}\n\n{each}\n\nEvery answer is saved. G: look at them again."
        )
        message = {"kind": "ended", "summary": summary if total else "Nothing is proposed.", "next": bool(desk.renew)}
        return progress | message, []
    message, levels = look(desk, proposal, proposal.places[0], 0)
    was = answers.get(proposal)
    own: Message = {
        "kind": "proposal",
        "patient_id": desk.called(proposal),
        "sha256": digest(proposal.first.file),
        "places": list(proposal.places),
        "channels": [len(picture.channels) for picture in proposal.pictures],
        "was": WORDS.get(was.label, was.label) if was else "",
        "note": was.note if was else "",
    }
    return progress | message | own, levels


def look(desk: Desk, proposal: Proposal, place: int, channel: int) -> Reply:
    """Return one picture of a proposal's patient, or why it cannot be read, so that the reader can skip it."""
    if not (0 <= place < len(proposal.pictures) and 0 <= channel < len(proposal.pictures[place].channels)):
        raise InputError("Unknown image: reload the page.")
    picture = proposal.pictures[place]
    lines = [] if desk.hidden else [picture.name]
    for what, number, count in (("image", place, len(proposal.pictures)), ("channel", channel, len(picture.channels))):
        if count > 1:
            lines.append(f"{what} {number + 1} of {count}")
    image: Message = {"name": "\n".join(lines), "place": place, "channel": channel}
    message: Message = {"kind": "look", "slice_id": proposal.first.slice_id, "image": image}
    plane, levels = drawn(desk, picture.channels[channel], picture.z)
    return message | {"image": image | plane}, levels


def drawn(desk: Desk, file: Path, z: int, size: int | None = None) -> Reply:
    """Return a plane's grey levels with their size and scale, thinned to ``size`` pixels; or why it cannot be read."""
    try:
        levels, scale = grey_levels(file, z)
    except InputError as error:
        return {"problem": "This image cannot be read: skip it." if desk.hidden else str(error)}, []
    step = max(max(levels.shape) // size, 1) if size else 1
    levels = levels[::step, ::step]
    height, width = levels.shape
    return {"width": width, "height": height} | asdict(scale), [levels.tobytes()]


def grid(desk: Desk, which: str) -> Reply:
    """Return small pictures of the images that this reader has answered, with the answers of all readers."""
    answered, every = desk.answered(), desk.counted()
    readers = [desk.reader, *sorted({answer.reader for answer in every} - {desk.reader})]
    latest = {reader: current(every, reader) for reader in readers}
    tiles, pictures = list[Message](), list[bytes]()
    for proposal, answer in answered.items():
        name = proposal.first.slice_id
        said = {reader: given[name].label for reader, given in latest.items() if name in given}
        looked = {label for label in said.values() if label != SKIP}
        if which not in (EVERY, answer.label) and not (which == DISAGREEMENTS and len(looked) > 1):
            continue
        others = "; ".join(f"{reader}: {WORDS.get(label, label)}" for reader, label in said.items())
        caption = others if which == DISAGREEMENTS else WORDS.get(answer.label, answer.label)
        tile: Message = {"slice_id": name, "caption": f"{desk.called(proposal)}\n{caption}", "note": answer.note}
        plane, levels = drawn(desk, proposal.first.file, proposal.first.z, THUMBNAIL)
        tiles.append(tile | plane)
        pictures += levels
        if len(tiles) == MOST:
            break
    options = [EVERY, *desk.labels, DISAGREEMENTS] if len(readers) > 1 else [EVERY, *desk.labels]
    return {"kind": "grid", "which": which, "options": options, "tiles": tiles}, pictures


def seconds_left(times: Sequence[str], remaining: int) -> float | None:
    """Estimate the time for the remaining proposals from the median pause between answers; None with too few pauses.

    Parameters
    ----------
    times : sequence of str
        Times of the answers, in ISO 8601.
    """
    moments = sorted(map(datetime.fromisoformat, times))
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    worked = [pause for pause in pauses if pause < BREAK]
    return remaining * median(worked) if remaining and len(worked) >= ENOUGH else None
