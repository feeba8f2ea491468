"""What a notebook talks to: the profile's settings, the slices, and the runs of its arms."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import pandas as pd
import torch

from brats_al_utils import InputError
from brats_al_utils.cohort import FILES, PARTS, Cohort, read_cohort
from brats_al_utils.network import START_NAMES, initial_state
from brats_al_utils.phantom import write_cohort
from brats_al_utils.profile import Profile, profile_of
from brats_al_utils.progress import Note, Track, TrainingProgress, noted
from brats_al_utils.runs import Result, Run, RunStore, compute
from brats_al_utils.seeds import integer
from brats_al_utils.slices import SliceRule, SliceSet, open_slices, prepare
from brats_al_utils.statistics import UNITS, auc, by_unit
from brats_al_utils.training import choose_device

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: notebooks, figures and outputs lie here."""

DATA_VARIABLE = "BRATS_ROOT"
COHORTS = PARTS[1:]
"""Where results are reported: validation and test."""


@dataclass(frozen=True)
class Arm:
    """One of the ways of training that a section compares.

    Attributes
    ----------
    name : str
        As in the tables.
    start : str
        One of `network.STARTS`.
    epochs : int
    """

    name: str
    start: str
    epochs: int


@dataclass(frozen=True)
class Places:
    """Where a study writes.

    Attributes
    ----------
    figures : Path
        Figures and tables.
    outputs : Path
        What git never sees: slice sets, runs, executed notebooks, and every image of a real patient.
    """

    figures: Path
    outputs: Path

    @classmethod
    def of(cls, profile: str, out: str | Path = "") -> "Places":
        """Return the checkout's folders of a profile, or those under ``out``."""
        if out:
            folder = Path(out).expanduser().resolve()
            return cls(folder, folder / "outputs")
        return cls(ROOT / "figures" / profile, ROOT / "outputs" / profile)

    def make(self) -> None:
        """Make both folders, and hide the outputs from git wherever they lie."""
        self.figures.mkdir(parents=True, exist_ok=True)
        self.outputs.mkdir(parents=True, exist_ok=True)
        (self.outputs / ".gitignore").write_text("*\n")

    @property
    def progress(self) -> Path:
        """The file in which a study says how far it is."""
        return self.outputs / "progress.json"


@dataclass(frozen=True)
class Study:
    """A profile with its slices and its store of runs; `open_study` makes one."""

    profile: Profile
    places: Places
    slices: SliceSet
    device: torch.device

    @property
    def store(self) -> RunStore:
        """Where the results are kept."""
        return RunStore(self.places.outputs / "runs")

    @property
    def image_folder(self) -> Path:
        """Where figures that show patients go: among the others for phantoms, out of git's sight for real patients."""
        return self.places.figures if self.slices.synthetic else self.places.outputs / "images"

    @property
    def cohort_name(self) -> str:
        """The cohort, as every figure names it."""
        patients = self.slices.table["patient_id"].nunique()
        if self.slices.synthetic:
            return f"synthetic cohort ({patients} patients)"
        release = self.slices.manifest["release"]
        return f"{'cohort' if release == 'unknown' else 'BraTS ' + release} ({patients} patients)"

    def caption(self, arms: Iterable[Arm] = ()) -> str:
        """Return what every figure says of its origin: cohort, starts and number of runs."""
        starts = dict.fromkeys(arm.start for arm in arms)
        parts = [self.cohort_name[0].upper() + self.cohort_name[1:]]
        if starts:
            names = ", ".join(START_NAMES[start] for start in starts)
            parts += [f"start: {names}", f"{self.profile.n_runs} run{'s' * (self.profile.n_runs > 1)}"]
        return "; ".join(parts)

    def run(self, arm: Arm, number: int) -> Run:
        """Return an arm's run of this number, from 0; runs of the same number share their seeds across arms."""
        seed = self.profile.seed + number
        training, validation, test = (tuple(self.slices.ids(part).tolist()) for part in PARTS)
        return Run(
            self.slices.fingerprint,
            training,
            validation,
            test,
            arm.start,
            self.profile.freeze and arm.start != "scratch",
            self.profile.training_settings(arm.epochs),
            integer(seed, "weights"),
            integer(seed, "batch order"),
        )

    def train(self, arms: Iterable[Arm]) -> dict[tuple[str, int], Result]:
        """Return the results of every arm's runs, by arm and run number; only what the store lacks is trained.

        Prints how many runs were asked for, how many of them are distinct and how many were there already.
        """
        wanted = {(arm.name, number): self.run(arm, number) for number in range(self.profile.n_runs) for arm in arms}
        distinct = {run.key: run for run in wanted.values()}
        results = {key: result for key, run in distinct.items() if (result := self.store.load(run))}
        missing = {key: run for key, run in distinct.items() if key not in results}
        started = time.perf_counter()
        note = Note()
        names = {run.key: f"{arm}, run {number + 1} of {self.profile.n_runs}" for (arm, number), run in wanted.items()}
        progress = TrainingProgress(self.places.progress, sum(run.images for run in missing.values()), note)
        for key, run in missing.items():

            def after_epoch(epoch: int, run: Run = run, name: str = names[key]) -> None:
                progress.advance(len(run.training), f"{name}: epoch {epoch} of {run.settings.epochs}")

            results[key] = compute(run, self.slices, self.device, after_epoch)
            self.store.save(results[key])
        note.show(
            f"{len(wanted)} runs asked for, {len(distinct)} distinct, {len(distinct) - len(missing)} already there, "
            f"{len(missing)} trained in {time.perf_counter() - started:.0f} s.",
            last=True,
        )
        return {place: results[run.key] for place, run in wanted.items()}

    def predictions(self, result: Result, part: str) -> pd.DataFrame:
        """Return patient_id, label and score, P(HGG), of a part's slices, by slice id."""
        table = self.slices.table.iloc[result.run.ids(part)][["patient_id", "label"]]
        return table.assign(score=result.arrays[f"probability/{part}"])

    def evaluate(self, results: Mapping[tuple[str, int], Result]) -> pd.DataFrame:
        """Return one row for each run, cohort and unit: arm, seed, cohort, unit, auc, best_epoch, seconds, key."""
        rows = []
        for (arm, number), result in results.items():
            for cohort in COHORTS:
                frame = self.predictions(result, cohort)
                for unit in UNITS:
                    scored = by_unit(frame, unit)
                    rows.append(
                        {
                            "arm": arm,
                            "seed": self.profile.seed + number,
                            "cohort": cohort,
                            "unit": unit,
                            "auc": auc(scored["label"].to_numpy(), scored["score"].to_numpy()),
                            "best_epoch": result.best_epoch,
                            "seconds": round(result.seconds, 1),
                            "key": result.run.key,
                        }
                    )
        return pd.DataFrame(rows)

    def history(self, results: Mapping[tuple[str, int], Result]) -> pd.DataFrame:
        """Return one row an epoch of every run: arm, seed, epoch (from 1), train_loss, validation_auc, kept."""
        frames = []
        for (arm, number), result in results.items():
            frame = pd.DataFrame({name: result.arrays[name] for name in ("train_loss", "validation_auc")})
            frame.insert(0, "epoch", range(1, len(frame) + 1))
            frame.insert(0, "seed", self.profile.seed + number)
            frame.insert(0, "arm", arm)
            frames.append(frame.assign(kept=frame["epoch"] == result.best_epoch))
        return pd.concat(frames, ignore_index=True)


def find_data(profile: Profile, data: str | Path = "") -> Path | None:
    """Return the folder of the data: the one named, else ``BRATS_ROOT`` where the profile has no synthetic cohort.

    Raises
    ------
    InputError
        If the profile needs data and none is named.
    """
    named = data or ("" if profile.patients else os.environ.get(DATA_VARIABLE, ""))
    if not named and not profile.patients:
        raise InputError(
            f"profile {profile.name} has no data: name the folder of a BraTS release (--data DIR, or {DATA_VARIABLE}); "
            "or ask for a synthetic cohort with patients=335"
        )
    return Path(named).expanduser().resolve() if named else None


def open_cohort(profile: Profile, places: Places, data: str | Path, track: Track) -> Cohort:
    """Return the cohort of a study, and write the synthetic one if it is not there yet."""
    folder = find_data(profile, data)
    if folder is None:
        folder = places.outputs / f"phantom-{profile.patients}-{profile.spacing}mm-seed{profile.phantom_seed}"
        if not folder.exists():
            write_cohort(folder, profile.patients, profile.phantom_seed, profile.spacing, track=track)
    return read_cohort(folder)


def open_study(
    profile: str = "demo",
    data: str | Path = "",
    out: str | Path = "",
    settings: Mapping[str, object] | None = None,
    device: str = "auto",
    track: Track = noted,
) -> Study:
    """Open a study, and prepare what it needs: the synthetic cohort, the slice set.

    Parameters
    ----------
    profile : {"smoke", "demo", "paper"}
    data : str or Path
        Folder of a BraTS release; empty for the profile's synthetic cohort.
    out : str or Path
        Folder for everything that the study writes; empty for ``figures/<profile>`` and ``outputs/<profile>``.
    settings : mapping of str to object
        Settings of the profile to change.
    device : {"auto", "cpu", "cuda"}
    track : callable
        Shows how many patients have been written or cut.

    Raises
    ------
    InputError
        If anything that was named cannot be used.
    """
    chosen = profile_of(profile, settings)
    where = choose_device(device)
    initial_state(chosen.start)  # refused now rather than at the first training
    places = Places.of(profile, out)
    find_data(chosen, data)
    places.make()
    slices = open_slice_set(open_cohort(chosen, places, data, track), chosen.slice_rule(), places, track)
    return Study(chosen, places, slices, where)


def open_slice_set(cohort: Cohort, rule: SliceRule, places: Places, track: Track) -> SliceSet:
    """Return the slice set of a cohort and a rule, cut now or found among the outputs."""
    states = [(path, Path(path).stat()) for path in cohort.cases[list(FILES)].to_numpy().ravel()]
    files = [(path, state.st_size, state.st_mtime_ns) for path, state in states]
    source = json.dumps([files, asdict(rule)])
    kind = "balanced" if rule.balanced else "imbalanced"
    folder = places.outputs / "slices" / f"{kind}-{sha256(source.encode()).hexdigest()[:12]}"
    if folder.exists():
        return open_slices(folder)
    return prepare(cohort, rule, folder, track=track)
