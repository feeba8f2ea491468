"""An annotation session: a cohort, the labels known so far, and its files."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.answers import (
    LONGEST,
    SKIP,
    UNSURE,
    WAIT,
    Answer,
    counting,
    current,
    digest_now,
    read,
    standing,
)
from brats_al_utils.beyond.annotation.candidates import (
    UNLABELLED,
    cut_candidates,
    cut_table,
    labelled_set,
    read_candidates,
    read_slices,
)
from brats_al_utils.beyond.annotation.register import read_register, register
from brats_al_utils.beyond.annotation.state import State, hold_out, read_state, still_held_out, write_state
from brats_al_utils.beyond.releases.table import TABLE
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.files import locked, write_file
from brats_al_utils.networks.network import initial_state
from brats_al_utils.networks.training import choose_device
from brats_al_utils.progress import patients
from brats_al_utils.queries.selection import Ids
from brats_al_utils.runs.scheduler import workers_of
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import Profile, profile_of
from brats_al_utils.study.study import Study

SETTINGS: dict[str, Any] = {"epochs": 30, "folds": 1, "n_runs": 3, "classes": ()}
"""Settings that differ from the profile ``open``: with few labels an epoch has few steps, so there are as many epochs
as in the paper; `state.hold_out` makes the split; three trainings compare chosen with random slices."""

TRAINING, VALIDATION, TEST = PARTS

STATE, ANSWERS, REGISTER, QUERY = "state.json", "answers.jsonl", "images.csv", "query.csv"
"""Files in an annotation's folder: see docs/annotation.md."""


@dataclass(frozen=True)
class Session:
    """An annotation as it is at one moment.

    Attributes
    ----------
    folder : Path
        Folder of ``query.csv``, the answers, the state and the trained runs.
    sets : Path
        Folder of its slice sets.
    cohort : Cohort
        See `candidates.read_candidates`.
    profile : Profile
    place : Path
        Folder of the cut images: see `candidates.cut_candidates`.
    slices : pd.DataFrame
        See `candidates.read_slices`.
    state : State
    given : tuple of Answer
        The answers of all readers that count: see `answers.counting`.
    seen : dict of str to str
        First hash of every image that is or was in the table, by its name: see `register.register`.
    notes : tuple of str
        What the user should know.
    device, workers : str
        What trains the networks: see `engine.distribute`.
    """

    folder: Path
    sets: Path
    cohort: Cohort
    profile: Profile
    place: Path
    slices: pd.DataFrame
    state: State
    given: tuple[Answer, ...]
    seen: dict[str, str]
    notes: tuple[str, ...]
    device: str = "auto"
    workers: str = ""

    @cached_property
    def answers(self) -> dict[str, Answer]:
        """The current answer on each slice: see `answers.current`."""
        return current(self.given)

    @property
    def label(self) -> pd.Series:
        """The label of each slice (0, 1 or ``UNLABELLED``): the latest answer that is a class, else the table's."""
        number = {name: place for place, name in enumerate(self.cohort.classes)}
        answered = {name: number[answer.label] for name, answer in self.answers.items() if answer.label in number}
        return self.slices["slice_id"].map(answered).fillna(self.slices["known"]).astype(int)

    @property
    def part(self) -> pd.Series:
        """The part of each slice's patient."""
        held_out = dict.fromkeys(self.state.validation, VALIDATION) | dict.fromkeys(self.state.test, TEST)
        return self.slices["patient_id"].map(held_out).fillna(TRAINING)

    @property
    def training(self) -> Ids:
        """The numbers of the labelled training slices."""
        return numbers((self.label != UNLABELLED) & (self.part == TRAINING))

    @property
    def askable(self) -> pd.Series:
        """Whether each slice may be proposed: it has no label, and no reader was unsure of it."""
        unsure = [name for name, answer in self.answers.items() if answer.label == UNSURE]
        return (self.label == UNLABELLED) & ~self.slices["slice_id"].isin(unsure)

    def knows(self, slice_id: str) -> bool:
        """Whether a slice's image is or was in the table."""
        return slice_id in self.seen or slice_id.rpartition("#")[0] in self.seen

    def keep(self, change: Callable[[State], State], then: Callable[[], object] = bool) -> "Session":
        """Change the state on the disk, with what another process has added to it, and return the session.

        What ``then`` writes is of the same process as the end of the state.
        """
        with state_locked(self.folder):
            state = change(read_state(self.folder / STATE) or self.state)
            write_state(self.folder / STATE, state)
            then()
        return replace(self, state=state)

    def study(self) -> Study:
        """Return a study of the labels known now.

        Its training slices are all that are not held out, labelled or not. Its validation slices are the labelled ones
        of that part, its test slices all slices of the test patients.
        """
        label, part = self.label, self.part
        slices = labelled_set(self.place, self.cohort, self.profile.slice_rule(), label, part, self.sets)
        used = part.where((part != VALIDATION) | (label != UNLABELLED), "")
        slices = replace(slices, table=slices.table.assign(part=used))
        places = Places(self.folder, self.folder)
        return Study(self.profile, places, self.cohort, self.device, self.workers, opened={DATASETS[0]: slices})


def open_session(
    data: Path,
    out: Path | None = None,
    settings: Mapping[str, object] | None = None,
    device: str = "auto",
    workers: str = "",
    skip_bad: bool = False,
    follow_links: bool = False,
) -> Session:
    """Open an annotation, or begin one.

    Parameters
    ----------
    data : Path
        Folder of a table of images.
    out : Path, optional
        Folder for all files; by default ``annotation`` in the folder of the data.
    settings : mapping of str to object, optional
        Settings of the profile ``open`` to change, when an annotation begins.
    device, workers, skip_bad, follow_links
        As for `opening.open_study`.

    Raises
    ------
    InputError
        If an argument cannot be used, or a file of the annotation is damaged.
    """
    folder = out or data / "annotation"
    state = read_state(folder / STATE)
    profile = profile_of("open", (state.settings if state else SETTINGS) | dict(settings or {}))
    if state and under_way(state, folder) and profile.changes != state.settings:
        raise InputError(
            f"{folder}: begun with other settings ({', '.join(settings or ())}), expected the same throughout: leave "
            "them out, or name another folder with --out"
        )
    if "://" not in workers:
        workers_of(workers, device)
        choose_device(device)
    initial_state(profile.start, profile.network)  # missing weights are reported now, not at the first training
    cohort = read_candidates(data, follow_links, profile.classes)
    return begun(cohort, profile, folder, folder / "sets", device, workers, skip_bad)


def begun(
    cohort: Cohort,
    profile: Profile,
    folder: Path,
    sets: Path,
    device: str = "auto",
    workers: str = "",
    skip_bad: bool = False,
) -> Session:
    """Return the session of a cohort, and begin it if the folder has none; parameters as `open_session`.

    Parameters
    ----------
    sets : Path
        Folder of the slice sets. Annotations of one cohort may share it.
    """
    negative, positive = cohort.classes
    profile = replace(profile, classes=(positive, negative))
    Places(folder, folder).make()
    place = cut_candidates(cohort, profile.slice_rule(), sets, skip_bad, patients)
    # Who is skipped as bad is not known yet: once mended, the patient is new.
    usable = cohort.cases["patient_id"].isin(cut_table(place)["patient_id"])
    cohort = replace(cohort, cases=cohort.cases[usable].reset_index(drop=True))
    part = cohort.cases.get("part", pd.Series("", cohort.cases.index))
    parts = dict(zip(cohort.cases["patient_id"], part, strict=True))
    with state_locked(folder):  # state and register change together, and only if every image can be used
        before, every = read_state(folder / STATE), read(folder / ANSWERS)
        anew = before is None or not under_way(before, folder)
        names, known, registered = register(folder / REGISTER, cohort, anew)
        cohort = replace(cohort, cases=cohort.cases.assign(known_as=cohort.cases["named"].map(names)))
        slices = read_slices(place, cohort)
        if (longest := slices["slice_id"].str.len().max()) > LONGEST["slice_id"]:
            raise InputError(f"{cohort.root}: an image's path has {longest} characters, expected fewer: shorten it")
        if before is None or anew:
            validation, test = hold_out(parts, profile.seed)
            state = State(profile.changes, validation, test)
        else:
            state = still_held_out(before, parts, set(known["patient_id"]), profile.seed)
        if state != before:
            write_state(folder / STATE, state)
        if registered:  # last: who is known, but not held out yet, would be trained on for ever
            write_file(folder / REGISTER, registered)
    given, notes = counted(every, folder / ANSWERS, cohort, slices)
    hashes = read_register(folder / REGISTER)["image_sha256"]
    seen = dict(zip(map(str, hashes.index), hashes, strict=True))
    others = sorted(set(folder.glob("answers*.jsonl")) - {folder / ANSWERS})
    copies = [f"{path}: another file of answers, not counted: brats-al answers --import takes it" for path in others]
    notes = [*cohort.notes, *notes, *copies]
    return Session(folder, sets, cohort, profile, place, slices, state, given, seen, tuple(notes), device, workers)


def under_way(state: State, folder: Path) -> bool:
    """Whether anything was asked, answered or learned; before, an annotation begins anew whenever it is opened."""
    answers = folder / ANSWERS
    return bool(state.queries or state.points or (answers.exists() and answers.stat().st_size))


def state_locked(folder: Path) -> AbstractContextManager[None]:
    """Wait for other processes that change the state of an annotation, and keep them from it until the block ends."""
    return locked(folder / f"{STATE}.lock", WAIT, "writing the state")


def reread(session: Session) -> Session:
    """Return a session with the current answers of its file."""
    file = session.folder / ANSWERS
    given, _ = counted(read(file), file, session.cohort, session.slices)
    return replace(session, given=given)


def counted(
    answers: Sequence[Answer], file: Path, cohort: Cohort, slices: pd.DataFrame
) -> tuple[tuple[Answer, ...], list[str]]:
    """Return the answers that count (see `answers.counting`), and notes on those that do not.

    Raises
    ------
    InputError
        Naming the first answer with an unknown label.
    """
    labels, standing_now = (*cohort.classes, UNSURE, SKIP), standing(answers)
    hashes = hashes_of(cohort, slices, [answer.slice_id for answer in standing_now])
    there = [answer for answer in standing_now if answer.slice_id in hashes]
    for answer in there:
        if answer.label not in labels:
            what = f"expected one of {', '.join(labels)}"
            raise InputError(f"{file}: label {answer.label!a} of {answer.slice_id!a}, {what}: remove the line")
    given = tuple(counting(answers, hashes))
    notes = []
    if gone := len(standing_now) - len(there):
        notes.append(f"{file}: {gone} answers are on images that are no longer in {TABLE}: they do not count")
    if changed := len(there) - len(given):
        what = "they do not count: answer again, or put the former files back"
        notes.append(f"{file}: {changed} answers are on images that have changed since: {what}")
    return given, notes


def hashes_of(cohort: Cohort, slices: pd.DataFrame, names: Collection[str]) -> dict[str, str]:
    """Return the hash of the image of each named slice that is in the table."""
    rows = slices[slices["slice_id"].isin(names)]
    return {name: digest_now(cohort.root / image) for name, image in zip(rows["slice_id"], rows["image"], strict=True)}


def counts(label: pd.Series) -> tuple[int, int]:
    """Return the number of labels of the negative and of the positive class."""
    return int((label == 0).sum()), int((label == 1).sum())


def numbers(mask: pd.Series) -> Ids:
    """Return the numbers of the slices in a mask, ascending."""
    return np.flatnonzero(mask.to_numpy())
