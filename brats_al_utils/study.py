"""What a notebook talks to: the profile's settings, the slices, and the runs of its arms."""

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from brats_al_utils import InputError
from brats_al_utils.cohort import FILES, PARTS, TRUTH_FILE, Cohort, read_cohort
from brats_al_utils.executors import Task, carry_out, executor_of
from brats_al_utils.files import write_file
from brats_al_utils.network import START_NAMES, initial_state
from brats_al_utils.phantom import write_cohort
from brats_al_utils.places import Places, find_data
from brats_al_utils.pool import Pool
from brats_al_utils.profile import Profile, profile_of
from brats_al_utils.progress import Note, Track, TrainingProgress, noted
from brats_al_utils.runs import Result, Run, RunStore
from brats_al_utils.sampling import DISCARDED, NEEDS_NO_SCORE, select
from brats_al_utils.seeds import integer
from brats_al_utils.slices import SliceRule, SliceSet, open_slices, prepare
from brats_al_utils.statistics import UNITS, auc, by_unit
from brats_al_utils.training import Settings, choose_device
from brats_al_utils.uncertainty import score

COHORTS = PARTS[1:]
"""Where results are reported: validation and test."""

DATASETS = ("imbalanced", "balanced")
"""Slice sets of the same patients: section 2.2.1, and section 3.4."""

Results = dict[tuple["Arm", int], Result]
"""Results by arm and run number."""


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
    strategy : str
        ``all`` to train on every training slice, or one of `sampling.STRATEGIES`.
    share : float
        Budget of the strategy, as a share of the training slices.
    dataset : str
        One of ``DATASETS``.
    """

    name: str
    start: str
    epochs: int
    strategy: str = "all"
    share: float = 1.0
    dataset: str = "imbalanced"

    @property
    def needs_committee(self) -> bool:
        """Whether its slices are chosen by uncertainty."""
        return self.strategy not in ("all", *NEEDS_NO_SCORE)


@dataclass(frozen=True)
class Study:
    """A profile with its slice sets and its store of runs; `open_study` makes one."""

    profile: Profile
    places: Places
    cohort: Cohort
    sets: Mapping[str, SliceSet]
    device: str = "auto"
    workers: str = ""

    @property
    def slices(self) -> SliceSet:
        """The imbalanced slice set."""
        return self.sets[DATASETS[0]]

    @property
    def store(self) -> RunStore:
        """Where the results are kept."""
        return RunStore(self.places.runs)

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

    def seed(self, number: int, source: str) -> int:
        """Return the seed of one of ``SOURCES`` in the run of this number, from 0."""
        return integer(self.profile.seed + (0 if source in self.profile.hold else number), source)

    def run(
        self,
        dataset: str,
        number: int,
        training: np.ndarray[Any, Any],
        start: str,
        settings: Settings,
        pool: bool = False,
    ) -> Run:
        """Return the run of this number on some slices; runs of one number share their seeds."""
        slices = self.sets[dataset]
        none = np.array([], np.int64)
        parts = (training, slices.ids("validation"), slices.ids("test"), slices.ids("training") if pool else none)
        training_ids, validation, test, pool_ids = (tuple(ids.tolist()) for ids in parts)
        return Run(
            slices.fingerprint,
            training_ids,
            validation,
            test,
            pool_ids,
            start,
            self.profile.freeze and start != "scratch",
            settings,
            self.seed(number, "weights"),
            self.seed(number, "batch order"),
        )

    def labelled(self, dataset: str, number: int) -> np.ndarray[Any, Any]:
        """Return the ids of the random slices that the committee is trained on (section 2.2.4, step 1)."""
        pool = self.sets[dataset].ids("training")
        count = round(self.profile.labelled_share * len(pool))
        return select("random", Pool(pool, np.zeros(len(pool))), count, self.seed(number, "labelled subset"))

    def committee(self, dataset: str, number: int) -> list[Run]:
        """Return the committee's runs: the same slices, one learning rate each."""
        training = self.labelled(dataset, number)
        settings = [self.profile.training_settings(self.profile.epochs, rate) for rate in self.profile.committee_rates]
        return [self.run(dataset, number, training, self.profile.start, member, pool=True) for member in settings]

    def pool(self, dataset: str, number: int) -> Pool:
        """Return the training slices with the uncertainty that the committee of this number gives them.

        Raises
        ------
        InputError
            If the committee is not trained yet.
        """
        results = [self.store.load(run) for run in self.committee(dataset, number)]
        if None in results:
            raise InputError(
                f"the {dataset} set's committee {number + 1} is not trained: call train with its arms first"
            )
        high = np.stack([result.arrays["probability/pool"] for result in results if result])
        probability = np.stack([1 - high, high], axis=-1)
        return Pool(self.sets[dataset].ids("training"), score(probability, self.profile.pairs, self.profile.aggregate))

    def ranking(self, dataset: str = DATASETS[0]) -> pd.DataFrame:
        """Return who is uncertain: one row for each training slice and run.

        Returns
        -------
        pd.DataFrame
            slice_id, seed, uncertainty, rank_share (0: most uncertain), tenth (hardest, between or easiest),
            patient_id, grade, tumour_mm2, position; on a synthetic cohort also atypical, from its truth table.
        """
        columns = ["patient_id", "grade", "tumour_mm2", "position"]
        table = self.sets[dataset].table[columns]
        if self.cohort.synthetic:
            truth = pd.read_csv(self.cohort.root / TRUTH_FILE).set_index("patient_id")["atypical"]
            table = table.assign(atypical=table["patient_id"].map(truth))
        frames = []
        for number in range(self.profile.n_runs):
            pool = self.pool(dataset, number)
            scores = pd.Series(pool.score, pool.ids)[pool.ranking]
            share = (np.arange(len(scores)) + 0.5) / len(scores)
            tenth = np.select([share < DISCARDED, share > 1 - DISCARDED], ["hardest", "easiest"], "between")
            facts: dict[str, Any] = {
                "seed": self.profile.seed + number,
                "uncertainty": scores,
                "rank_share": share,
                "tenth": tenth,
            }
            frames.append(table.loc[scores.index].assign(**facts).rename_axis("slice_id").reset_index())
        return pd.concat(frames, ignore_index=True)

    def budget(self, arm: Arm) -> int:
        """Return how many slices an arm chooses (Table 5)."""
        slices = self.sets[arm.dataset]
        whole = self.profile.budget_base == "paper" and arm.dataset == "balanced"
        return round(arm.share * (len(slices.table) if whole else len(slices.ids("training"))))

    def budgets(self, arms: Iterable[Arm]) -> pd.DataFrame:
        """Return how many slices each arm with a strategy chooses: arm, dataset, share, examples, can_be_drawn."""
        rows = [
            (arm.name, arm.dataset, arm.share, self.budget(arm), self.can_be_drawn(arm))
            for arm in arms
            if arm.strategy != "all"
        ]
        return pd.DataFrame(rows, columns=["arm", "dataset", "share", "examples", "can_be_drawn"])

    def can_be_drawn(self, arm: Arm) -> bool:
        """Whether an arm's budget is there to be drawn."""
        ids = self.sets[arm.dataset].ids("training")
        try:
            return (
                arm.strategy == "all"
                or len(select(arm.strategy, Pool(ids, np.zeros(len(ids))), self.budget(arm), 0)) > 0
            )
        except InputError:
            return False

    def chosen(self, arm: Arm, number: int) -> np.ndarray[Any, Any]:
        """Return the ids of the slices that an arm is trained on in the run of this number."""
        ids = self.sets[arm.dataset].ids("training")
        if arm.strategy == "all":
            return ids
        pool = self.pool(arm.dataset, number) if arm.needs_committee else Pool(ids, np.zeros(len(ids)))
        return select(arm.strategy, pool, self.budget(arm), self.seed(number, "sample draw"))

    def train(self, arms: Sequence[Arm]) -> Results:
        """Return the results of every arm's runs; only what the store lacks is trained, the committees first.

        Arms whose budget cannot be drawn are left out. Shows how many runs were asked for, how many of them are
        distinct and how many were there already.
        """
        members = self.committees(arms)
        if members:
            self.compute(members, "committee runs")
        wanted = self.wanted(arms)
        results = self.compute(
            [(self.describe(arm.name, number), run) for (arm, number), run in wanted.items()], "runs"
        )
        return {place: results[run.key] for place, run in wanted.items()}

    def describe(self, name: str, number: int) -> str:
        """Return how a run is named while it is trained."""
        return f"{name}, run {number + 1} of {self.profile.n_runs}"

    def committees(self, arms: Iterable[Arm]) -> list[tuple[str, Run]]:
        """Return the committee runs that some arms need, each with its description."""
        datasets = dict.fromkeys(arm.dataset for arm in arms if arm.needs_committee)
        return [
            (self.describe(f"{dataset} committee", number), run)
            for dataset in datasets
            for number in range(self.profile.n_runs)
            for run in self.committee(dataset, number)
        ]

    def wanted(self, arms: Sequence[Arm]) -> dict[tuple[Arm, int], Run]:
        """Return the runs of some arms; those whose budget cannot be drawn are left out."""
        drawable = [arm for arm in arms if self.can_be_drawn(arm)]
        wanted = {}
        for number in range(self.profile.n_runs):
            for arm in drawable:
                settings = self.profile.training_settings(arm.epochs)
                wanted[arm, number] = self.run(arm.dataset, number, self.chosen(arm, number), arm.start, settings)
        return wanted

    def compute(self, named: Sequence[tuple[str, Run]], what: str) -> dict[str, Result]:
        """Return the results of some runs by key, from the store or trained now."""
        distinct = {run.key: (name, run) for name, run in named}
        results = {key: result for key, (_, run) in distinct.items() if (result := self.store.load(run))}
        missing = {key: named_run for key, named_run in distinct.items() if key not in results}
        started, note = time.perf_counter(), Note()
        progress = TrainingProgress(self.places.progress, sum(run.images for _, run in missing.values()), note)
        folders = {slices.fingerprint: slices.folder for slices in self.sets.values()}
        driver = uuid.uuid4().hex
        tasks = [
            Task(name, run, folders[run.data], self.store.folder, self.device, driver) for name, run in missing.values()
        ]
        failures = carry_out(tasks, executor_of(self.workers), progress.advance)
        for task in tasks:
            result = self.store.load(task.run)
            if result:
                results[task.run.key] = result
            else:
                failures.setdefault(task.run.key, "its worker kept it elsewhere: let workers share the store's folder")
        if failures:
            lines = [
                f"{name}: {failures[key]} ({self.store.failure(run)})"
                for key, (name, run) in missing.items()
                if key in failures
            ]
            raise InputError(
                f"{len(failures)} of {len(distinct)} {what} are missing; the others are kept, start again to go on:\n"
                + "\n".join(lines)
            )
        note.show(
            f"{len(named)} {what} asked for, {len(distinct)} distinct, {len(distinct) - len(missing)} already there, "
            f"{len(missing)} trained in {time.perf_counter() - started:.0f} s.",
            last=True,
        )
        return results

    def predictions(self, arm: Arm, result: Result, part: str) -> pd.DataFrame:
        """Return patient_id, label and score, P(HGG), of a part's slices, by slice id."""
        table = self.sets[arm.dataset].table.iloc[result.run.ids(part)][["patient_id", "label"]]
        return table.assign(score=result.arrays[f"probability/{part}"])

    def evaluate(self, results: Results) -> pd.DataFrame:
        """Return one row for each run, cohort and unit.

        Returns
        -------
        pd.DataFrame
            arm, seed, cohort, unit, auc, best_epoch, seconds, key; dataset, start, strategy, share, examples.
        """
        rows = []
        for (arm, number), result in results.items():
            for cohort in COHORTS:
                frame = self.predictions(arm, result, cohort)
                for unit in UNITS:
                    scored = by_unit(frame, unit)
                    rows.append(
                        {
                            "arm": arm.name,
                            "seed": self.profile.seed + number,
                            "cohort": cohort,
                            "unit": unit,
                            "auc": auc(scored["label"].to_numpy(), scored["score"].to_numpy()),
                            "best_epoch": result.best_epoch,
                            "seconds": round(result.seconds, 1),
                            "key": result.run.key,
                            "dataset": arm.dataset,
                            "start": arm.start,
                            "strategy": arm.strategy,
                            "share": arm.share,
                            "examples": len(result.run.training),
                        }
                    )
        return pd.DataFrame(rows)

    @property
    def name(self) -> str:
        """A short name of the settings and the data: what other settings gave is not part of this study."""
        return sha256(json.dumps([asdict(self.profile), self.slices.fingerprint]).encode()).hexdigest()[:12]

    def record(self, runs: pd.DataFrame) -> None:
        """Keep an evaluation in ``runs.csv`` with those of the other notebooks; a row replaces its older self."""
        path = self.places.figures / "runs.csv"
        same = ["arm", "dataset", "share", "seed", "cohort", "unit"]
        with FileLock(self.places.outputs / ".runs.csv.lock"):  # another driver may record at the same time
            rows = pd.concat(
                [self.recorded_runs(), runs.assign(study=self.name)]
                if path.exists()
                else [runs.assign(study=self.name)]
            )
            rows = rows.drop_duplicates(same, keep="last").sort_values(same)
            write_file(path, rows.to_csv(index=False, lineterminator="\n").encode())

    def recorded_runs(self) -> pd.DataFrame:
        """Return what the notebooks recorded.

        Raises
        ------
        InputError
            If none has.
        """
        path = self.places.figures / "runs.csv"
        if not path.exists():
            raise InputError(f"{path}: not there, expected the runs of notebooks 01 to 05: run these first")
        rows = pd.read_csv(path)
        return rows[rows["study"] == self.name] if "study" in rows else rows[:0]  # not of an earlier version

    def history(self, results: Results) -> pd.DataFrame:
        """Return one row an epoch of every run: arm, seed, epoch (from 1), train_loss, validation_auc, kept."""
        frames = []
        for (arm, number), result in results.items():
            frame = pd.DataFrame({name: result.arrays[name] for name in ("train_loss", "validation_auc")})
            frame.insert(0, "epoch", range(1, len(frame) + 1))
            frame.insert(0, "seed", self.profile.seed + number)
            frame.insert(0, "arm", arm.name)
            frames.append(frame.assign(kept=frame["epoch"] == result.best_epoch))
        return pd.concat(frames, ignore_index=True)

    def label_cost(self, arm: Arm) -> pd.DataFrame:
        """Return what an arm's labels cost: one row a run.

        Returns
        -------
        pd.DataFrame
            arm, dataset, seed; labelled, chosen and paid (their union), in slices; share (paid, of the training
            slices); patients (touched by a paid slice) and patient_share; validation (slices, labelled as well).
        """
        slices = self.sets[arm.dataset]
        pool, rows = slices.ids("training"), []
        patient = slices.table["patient_id"].to_numpy()
        for number in range(self.profile.n_runs):
            labelled = self.labelled(arm.dataset, number) if arm.needs_committee else np.array([], int)
            chosen = self.chosen(arm, number)
            paid = np.union1d(labelled, chosen)
            patients = len(np.unique(patient[paid]))
            rows.append(
                {
                    "arm": arm.name,
                    "dataset": arm.dataset,
                    "seed": self.profile.seed + number,
                    "labelled": len(labelled),
                    "chosen": len(chosen),
                    "paid": len(paid),
                    "share": len(paid) / len(pool),
                    "patients": patients,
                    "patient_share": patients / len(np.unique(patient[pool])),
                    "validation": len(slices.ids("validation")),
                }
            )
        return pd.DataFrame(rows)


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
    workers: str | int = "",
    datasets: Sequence[str] = DATASETS[:1],
    skip_bad: bool = False,
    track: Track = noted,
) -> Study:
    """Open a study, and prepare what it needs: the synthetic cohort, the slice sets.

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
    workers : str or int
        Where its runs are computed: see `executors.executor_of`.
    datasets : sequence of str
        Which of ``DATASETS`` it uses.
    skip_bad : bool
        Cut the slice sets without the patients that have a problem; a set that is there already is used as it is.
    track : callable
        Shows how many patients have been written or cut.

    Raises
    ------
    InputError
        If anything that was named cannot be used.
    """
    chosen = profile_of(profile, settings)
    executor_of(str(workers))
    if "://" not in str(workers):
        choose_device(device)  # on a cluster, the workers have it or not
    initial_state(chosen.start)  # refused now rather than at the first training
    places = Places.of(profile, out)
    find_data(chosen, data)
    places.make()
    with FileLock(places.outputs / ".preparing.lock"):  # a second driver waits, and finds what the first has cut
        cohort = open_cohort(chosen, places, data, track)
        sets = {
            dataset: open_slice_set(cohort, chosen.slice_rule(balanced=dataset == "balanced"), places, skip_bad, track)
            for dataset in datasets
        }
    return Study(chosen, places, cohort, sets, device, str(workers))


def open_slice_set(cohort: Cohort, rule: SliceRule, places: Places, skip_bad: bool, track: Track) -> SliceSet:
    """Return the slice set of a cohort and a rule, cut now or found among the outputs."""
    states = [(path, Path(path).stat()) for path in cohort.cases[list(FILES)].to_numpy().ravel()]
    files = [(path, state.st_size, state.st_mtime_ns) for path, state in states]
    source = json.dumps([files, asdict(rule)])
    kind = "balanced" if rule.balanced else "imbalanced"
    folder = places.outputs / "slices" / f"{kind}-{sha256(source.encode()).hexdigest()[:12]}"
    if folder.exists():
        return open_slices(folder)
    return prepare(cohort, rule, folder, skip_bad, track)
