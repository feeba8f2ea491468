"""A reader's desk: what the browser asks for is done, and what has been answered is only ever read from the file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.answers import (
    SKIP,
    UNDO,
    UNSURE,
    Answer,
    append,
    current,
    digest,
    now,
    read,
    standing,
)
from brats_al_utils.beyond.annotation.draws import UNITS
from brats_al_utils.beyond.annotation.pictures import grey_levels
from brats_al_utils.beyond.annotation.proposals import Proposal, proposals_of
from brats_al_utils.beyond.annotation.session import Session, answers_file
from brats_al_utils.cohorts.layout import shown
from brats_al_utils.files import cause

BREAK = 120.0
"""Seconds without an answer that count as a break, when it is reckoned how long the rest will take."""

ENOUGH = 3
"""Pauses between answers, from which on the time left is told."""

PARTS: dict[str, tuple[str, ...]] = {
    "show": (),
    "undo": (),
    "answer": ("slice_id", "sha256", "label"),
    "look": ("slice_id", "place", "channel"),
}
"""What the browser may ask for, and what such a message holds besides."""

WORDS = {UNSURE: "unsure", SKIP: "skipped"}
"""What has been answered by no class, in words."""

Message = dict[str, Any]
Reply = tuple[Message, list[bytes]]
"""What the browser is sent: a message, and the bytes of the picture if there is one."""


@dataclass(frozen=True)
class Desk:
    """What a reader works on.

    Attributes
    ----------
    proposals : tuple of Proposal
        In the order in which they are shown.
    answers : Path
        The file of answers.
    reader : str
    classes : tuple of str
        Negative, positive.
    """

    proposals: tuple[Proposal, ...]
    answers: Path
    reader: str
    classes: tuple[str, str]

    @property
    def labels(self) -> tuple[str, ...]:
        """What a slice can be answered with."""
        return (*self.classes, UNSURE, SKIP)

    def given(self) -> list[Answer]:
        """Return this reader's answers to these proposals that are not taken back, in their order."""
        asked = {name for proposal in self.proposals for name in proposal.slice_ids}
        own = standing(read(self.answers))
        return [answer for answer in own if answer.reader == self.reader and answer.slice_id in asked]

    def answered(self) -> dict[Proposal, Answer]:
        """Return the proposals that this reader has answered, of whole patients all slices."""
        given = current(self.given())
        return {
            proposal: given[proposal.first.slice_id]
            for proposal in self.proposals
            if given.keys() >= set(proposal.slice_ids)
        }

    def due(self) -> Proposal | None:
        """Return the first proposal that this reader has not answered."""
        answered = self.answered()
        return next((proposal for proposal in self.proposals if proposal not in answered), None)

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
        raise InputError(f"slice {printed(slice_id)}, expected one of the {len(self.proposals)} proposed: not saved")


def desk_of(session: Session, query: pd.DataFrame, reader: str) -> Desk:
    """Return the desk of a reader with the proposals of a query."""
    whole = session.state.queries[-1].unit == UNITS[1]
    proposals = proposals_of(query["slice_id"].tolist(), session.cohort, whole)
    return Desk(proposals, answers_file(session.folder), reader, session.cohort.classes)


def respond(desk: Desk, message: object) -> Reply:
    """Do what the browser asks for, and return what it is to show.

    An answer is on the disk before the next picture is read. It is taken only for the proposal that is due: what
    another window has answered meanwhile, and what a second stroke of a key would answer unseen, is not.

    Parameters
    ----------
    message : object
        Whatever arrived: see `checked`.
    """
    try:
        asked = checked(desk, message)
        if asked["ask"] == "look":
            return look(desk.named(asked["slice_id"]), asked["place"], asked["channel"])
        if asked["ask"] == "answer":
            return present(desk, keep(desk, asked))
        return present(desk, take_back(desk) if asked["ask"] == "undo" else "")
    except InputError as error:
        return {"kind": "refused", "said": str(error)}, []
    except OSError as error:
        return {"kind": "refused", "said": f"{cause(error)}. Not saved."}, []


def checked(desk: Desk, message: object) -> Message:
    """Return a message as ``PARTS`` describes it.

    Raises
    ------
    InputError
        If it is anything else, or names no proposal, no label or no picture.
    """
    ask = message.get("ask") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(ask, str) or {*message} != {"ask", *PARTS.get(ask, [""])}:
        raise InputError(f"a message without meaning, expected one of {', '.join(PARTS)}: reload the page")
    if ask == "answer" and message["label"] not in desk.labels:
        raise InputError(f"label {printed(message['label'])}, expected one of {', '.join(desk.labels)}: not saved")
    if "slice_id" in message:
        proposal = desk.named(message["slice_id"])
    if ask == "look":
        place = within(message, "place", proposal.pictures)
        within(message, "channel", proposal.pictures[place].channels)
    return message


def within(message: Message, name: str, things: Sequence[object]) -> int:
    """Return which of some things a message names.

    Raises
    ------
    InputError
        If it names none of them.
    """
    value = message[name]
    if type(value) is not int or not 0 <= value < len(things):
        raise InputError(f"{name} {printed(value)}, expected 0 to {len(things) - 1}: reload the page")
    return value


def printed(value: object) -> str:
    """Return what a message holds, short and so that it can be printed."""
    return shown(str(value)[:60])


def keep(desk: Desk, asked: Message) -> str:
    """Add an answer to the file if it is to the proposal that is due, and return what is to be said."""
    proposal = desk.due()
    if proposal is None or proposal.first.slice_id != asked["slice_id"]:
        return "Answered already, in another window or by a second stroke of the key: not changed."
    if digest(proposal.first.file) != asked["sha256"]:
        return f"{proposal.first.file.name} has changed since it was shown: look again. Not saved."
    for picture in proposal.proposed:
        append(desk.answers, Answer(picture.slice_id, asked["label"], desk.reader, now(), digest(picture.file)))
    return f"Saved: {proposal.patient_id}, {WORDS.get(asked['label'], asked['label'])}."


def take_back(desk: Desk) -> str:
    """Take back the reader's last answer, of a whole patient all of it, and return what is to be said."""
    given = desk.given()
    if not given:
        return "Nothing to undo."
    last, latest = given[-1], current(given)
    proposal = next(proposal for proposal in desk.proposals if last.slice_id in proposal.slice_ids)
    for name in proposal.slice_ids:
        if name in latest:
            append(desk.answers, Answer(name, UNDO, desk.reader, now(), latest[name].image_sha256))
    return f"Taken back: {WORDS.get(last.label, last.label)}."


def present(desk: Desk, said: str) -> Reply:
    """Return the proposal that is due with its picture, or that there is none, and how far the reader is."""
    answers, proposal, total = list(desk.answered().values()), desk.due(), len(desk.proposals)
    counts = Counter(answer.label for answer in answers)
    others = ", ".join(f"{counts[label]} {word}" for label, word in WORDS.items() if counts[label])
    progress: Message = {
        "labels": list(desk.classes),
        "said": said,
        "answered": len(answers),
        "total": total,
        "counted": f"{desk.reader}: {len(answers)} of {total} answered" + f" ({others})" * bool(others),
        "seconds_left": seconds_left([answer.time for answer in answers], total - len(answers)),
        "undo": bool(desk.given()),
    }
    if proposal is None:
        each = "\n".join(f"{counts[label]} {WORDS.get(label, label)}" for label in desk.labels)
        summary = f"All {total} answered by {desk.reader}\n\n{each}\n\nEvery answer is saved: run the cells below."
        return progress | {"kind": "ended", "summary": summary if total else "Nothing is proposed."}, []
    message, levels = look(proposal, proposal.places[0], 0)
    own: Message = {
        "kind": "proposal",
        "patient_id": proposal.patient_id,
        "sha256": digest(proposal.first.file),
        "places": list(proposal.places),
        "channels": [len(picture.channels) for picture in proposal.pictures],
    }
    return progress | message | own, levels


def look(proposal: Proposal, place: int, channel: int) -> Reply:
    """Return one picture of a proposal's patient; of one that cannot be read, why, so that it can be skipped."""
    picture = proposal.pictures[place]
    channels, images = len(picture.channels), len(proposal.pictures)
    name = picture.name + f"\nimage {place + 1} of {images}" * (images > 1)
    name += f"\nchannel {channel + 1} of {channels}" * (channels > 1)
    image: Message = {"name": name, "place": place, "channel": channel}
    message: Message = {"kind": "look", "slice_id": proposal.first.slice_id, "image": image}
    try:
        levels, scale = grey_levels(picture.channels[channel], picture.z)
    except InputError as error:
        return message | {"image": image | {"problem": str(error)}}, []
    height, width = levels.shape
    return message | {"image": image | {"width": width, "height": height} | asdict(scale)}, [levels.tobytes()]


def seconds_left(times: Sequence[str], remaining: int) -> float | None:
    """Return how long the remaining proposals will take, by the median pause between answers, or None.

    Parameters
    ----------
    times : sequence of str
        Of the answers, in ISO 8601.
    """
    moments = sorted(map(datetime.fromisoformat, times))
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    worked = [pause for pause in pauses if pause < BREAK]
    return remaining * median(worked) if remaining and len(worked) >= ENOUGH else None
