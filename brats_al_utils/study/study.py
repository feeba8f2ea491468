"""A study: its settings, its slice sets, its seeds, and its captions."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from brats_al_utils import InputError
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.naming import CREDIT, cohort_name, is_open, people, remarks
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.slices import FORMAT, SliceSet, open_slices
from brats_al_utils.cohorts.split import fold_split, redrawn
from brats_al_utils.files import locked
from brats_al_utils.networks.network import START_NAMES
from brats_al_utils.progress import Track, patients
from brats_al_utils.queries.pool import Pool
from brats_al_utils.queries.selection import Ids, Selection
from brats_al_utils.runs.store import RunStore
from brats_al_utils.seeds import integer
from brats_al_utils.study.arms import DATASETS, Arm
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import Profile

PREPARING = 3600.0
"""Seconds to wait for another process that prepares the same data; after that it is prepared twice."""


def as_found(cohort: Cohort) -> tuple[list[tuple[str, int, int]], str]:
    """Return each file's path, size and time, and the cohort's table as text: both may be corrected later."""
    states = [(path, Path(path).stat()) for path in cohort.paths]
    said = cohort.cases.drop(columns=list(cohort.files)).to_csv(index=False)
    return [(path, state.st_size, state.st_mtime_ns) for path, state in states], said


def open_set(
    cohort: Cohort, profile: Profile, balanced: bool, places: Places, skip_bad: bool, track: Track
) -> SliceSet:
    """Return the imbalanced or the balanced slice set of a study.

    Parameters
    ----------
    skip_bad : bool
        Whether to cut it without the patients that have a problem; an existing set is used unchanged.
    track : callable
        Shows how many patients have been cut.
    """
    rule = profile.slice_rule(balanced)
    settings = list(asdict(rule).items())
    settings.insert(4, ("intensity", "mode"))  # a former setting: existing slice sets keep their names
    made_from = json.dumps([FORMAT, *as_found(cohort), cohort.classes, dict(settings)])

    def named(text: str) -> Path:
        kind = "balanced" if balanced else "imbalanced"
        return places.slices / f"{kind}-{sha256(text.encode()).hexdigest()[:12]}"

    folder = named(made_from)
    changed = max((Path(path).stat().st_ctime_ns for path in cohort.paths), default=0)
    if (cut := folder / "manifest.json").exists() and changed > cut.stat().st_mtime_ns:
        folder = named(f"{made_from} {changed}")  # a file was replaced by one of the same size and time
    places.slices.mkdir(parents=True, exist_ok=True)
    with locked(Path(f"{folder}.lock"), PREPARING, "cutting slices"):
        return open_slices(folder) if folder.exists() else prepare(cohort, rule, folder, skip_bad, track)


@dataclass(frozen=True)
class Study:
    """A profile with its cohort and its places; `opening.open_study` makes one.

    Attributes
    ----------
    profile : Profile
    places : Places
    cohort : Cohort
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    workers : str
        Who computes its runs: see `engine.distribute`.
    skip_bad : bool
        Whether slice sets are cut without the patients that have a problem.
    track : callable
        Shows how many patients have been cut.
    opened : dict of str to SliceSet
        The slice sets used so far.
    selections : dict
        Selections of networks whose outputs are not stored, by fingerprint of the slice set, strategy, share, iterative
        and run number: see `stages.first_rows`.
    dealt : dict of (str, int) to SliceSet
        Slice sets with folds that `of_run` has returned.
    """

    profile: Profile
    places: Places
    cohort: Cohort
    device: str = "auto"
    workers: str = ""
    skip_bad: bool = False
    track: Track = patients
    opened: dict[str, SliceSet] = field(default_factory=dict, repr=False, compare=False)
    selections: dict[tuple[object, ...], Selection] = field(default_factory=dict, repr=False, compare=False)
    dealt: dict[tuple[str, int], SliceSet] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse folds of a cohort that gives its split."""
        if "part" in self.cohort.cases and self.profile.folds > 1:
            split = f"{self.cohort.root} gives the split: set folds=1, or leave the column split empty"
            raise InputError(f"folds is {self.profile.folds}, but {split}")

    def slice_set(self, dataset: str) -> SliceSet:
        """Return a slice set by name, see `open_set`."""
        if dataset not in self.opened and not self.cohort.files:
            raise InputError(f"slice set {dataset!r} is missing, and this study has no images to cut it from")
        if dataset not in self.opened:
            balanced = dataset == DATASETS[1]
            self.opened[dataset] = open_set(self.cohort, self.profile, balanced, self.places, self.skip_bad, self.track)
        return self.opened[dataset]

    @property
    def slices(self) -> SliceSet:
        """The imbalanced slice set."""
        return self.slice_set(DATASETS[0])

    def of_run(self, dataset: str, number: int) -> SliceSet:
        """Return a slice set with its parts in one run; without folds they are the same in every run."""
        slices, folds, place = self.slice_set(dataset), self.profile.folds, (dataset, number)
        if folds == 1:
            return slices
        if place not in self.dealt:
            split = fold_split(self.slices.table, slices.classes, folds, number, self.profile.split_seed)
            part = slices.table["patient_id"].map(split.set_index("patient_id")["part"])
            self.dealt[place] = replace(slices, table=slices.table.assign(part=part))
        return self.dealt[place]

    def ids(self, dataset: str, part: str, number: int) -> Ids:
        """Return the ids of the slices of a part in one run."""
        return self.of_run(dataset, number).ids(part)

    def pool(self, dataset: str, number: int) -> Pool:
        """Return the training slices of a run, with the patient and the class label of each."""
        table, ids = self.slice_set(dataset).table, self.ids(dataset, "training", number)
        positive = table["class_name"].to_numpy() == self.slices.classes[1]
        return Pool(ids, np.zeros(len(ids)), table["patient_id"].to_numpy(str)[ids], label=positive[ids].astype(int))

    @property
    def synthetic(self) -> bool:
        """Whether the patients are phantoms."""
        return self.slices.synthetic

    @property
    def store(self) -> RunStore:
        """The store of its results."""
        return RunStore(self.places.runs)

    @property
    def shareable(self) -> bool:
        """Whether its images may be published: they are synthetic, or openly licensed."""
        return self.synthetic or is_open(self.slices)

    @property
    def image_folder(self) -> Path | None:
        """Folder of figures that show patients: hidden from git unless they are shareable; None without images."""
        if not self.slices.pictured:
            return None
        return self.places.figures if self.shareable else self.places.images

    @property
    def people(self) -> str:
        """What people are called: patients or persons."""
        return people(self.slices)

    @property
    def cohort_name(self) -> str:
        """The cohort's name in captions."""
        return cohort_name(self.slices)

    def caption(self, arms: Iterable[Arm] = (), *more: str, images: bool = False) -> str:
        """Return the caption of a figure: cohort, initialisations, number and length of runs.

        Parameters
        ----------
        arms : iterable of Arm
            The arms whose results it shows.
        more : str
            Further parts of the caption.
        images : bool
            Whether the figure shows patients: openly licensed images are credited.
        """
        arms = list(arms)
        starts = dict.fromkeys(arm.start for arm in arms)
        parts = [self.cohort_name[0].upper() + self.cohort_name[1:], *remarks(self.slices)]
        if starts:
            names = ", ".join(START_NAMES[start] for start in starts)
            runs = self.profile.n_runs
            parts += [f"initialisation: {names}", f"{runs} {'runs' if runs > 1 else 'run'}"]
            parts += [f"{self.profile.folds} folds"] if self.profile.folds > 1 else []
            parts.append(self.length(arms))
        credited = images and self.slices.pictured and is_open(self.slices)
        return "; ".join([*parts, *more, *([CREDIT] if credited else [])])

    def length(self, arms: Sequence[Arm]) -> str:
        """Return the length of some arms' trainings: epochs, and their number of updates on all training slices."""
        lengths = [(arm.epochs, self.updates(arm)) for arm in sorted(arms, key=lambda arm: arm.epochs)]
        epochs = list(dict.fromkeys(count for count, _ in lengths))
        updates = " or ".join(dict.fromkeys(f"{count:,}" for _, count in lengths))
        passes = f"{' or '.join(map(str, epochs))} {'epochs' if epochs[-1] > 1 else 'epoch'}"
        if self.profile.length == "updates":
            return f"updates in every arm: {updates} ({passes} of all slices)"
        return f"{passes} (updates on all slices: {updates})"

    def updates(self, arm: Arm) -> int:
        """Return the number of updates in an arm's epochs, if it trained on all training slices."""
        slices = len(self.ids(arm.dataset, "training", 0))
        return arm.epochs * self.profile.training_settings(arm.epochs).updates(slices)

    @property
    def redrawn(self) -> float:
        """The ratio of test to training patients with folds; 0 where all runs have the same test set."""
        return redrawn(self.profile.folds)

    def seed(self, number: int, source: str) -> int:
        """Return the seed of a source of chance, by its name, in a run (counted from 0)."""
        return integer(self.profile.seed + number, source)
