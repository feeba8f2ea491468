"""What a notebook talks to: the profile's settings, the slices, and the runs of its arms."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.brats import FILES, PARTS, TRUTH_FILE, Cohort, find_root, read_cohort
from brats_al_utils.cohorts.slices import SliceRule, SliceSet, open_slices, prepare
from brats_al_utils.files import locked, write_file
from brats_al_utils.findings.statistics import UNITS, by_unit
from brats_al_utils.networks.network import START_NAMES, initial_state
from brats_al_utils.networks.training import Settings, auc, choose_device
from brats_al_utils.phantoms.outliers import plant
from brats_al_utils.phantoms.phantom import write_cohort
from brats_al_utils.progress import Track, bar, patients
from brats_al_utils.queries.pool import Pool, Views
from brats_al_utils.queries.sampling import DISCARDED, NEEDS_VIEWS, PAYS_ALL, select
from brats_al_utils.queries.uncertainty import score
from brats_al_utils.runs import engine
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.runs.scheduler import workers_of
from brats_al_utils.runs.store import RunStore
from brats_al_utils.seeds import integer
from brats_al_utils.study.arms import ALL, ROUND_SHARE, Arm, planted_outliers
from brats_al_utils.study.places import Places, find_data
from brats_al_utils.study.profile import Profile, profile_of
from brats_al_utils.study.status import ask

COHORTS = PARTS[1:]
"""Where results are reported: validation and test."""

DATASETS = ("imbalanced", "balanced")
"""Slice sets of the same patients: section 2.2.1, and section 3.4."""

PREPARING = 3600.0
"""Seconds to wait for another driver that cuts the same slices."""

Ids = np.ndarray[Any, Any]
"""Ids of slices, ascending."""

Results = dict[tuple[Arm, int], Result]
"""Results by arm and run number."""


@dataclass(frozen=True)
class Study:
    """A profile with its slice sets and its store of runs; `open_study` makes one."""

    profile: Profile
    places: Places
    cohort: Cohort
    sets: Mapping[str, SliceSet]
    device: str = "auto"
    workers: str = ""
    picked: dict[tuple[Any, ...], Ids] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What `pick` has answered, by question."""

    @property
    def slices(self) -> SliceSet:
        """The imbalanced slice set."""
        return self.sets[DATASETS[0]]

    @property
    def synthetic(self) -> bool:
        """Whether the patients are phantoms."""
        return self.slices.synthetic

    @property
    def store(self) -> RunStore:
        """Where the results are kept."""
        return RunStore(self.places.runs)

    @property
    def image_folder(self) -> Path:
        """Where figures that show patients go: among the others for phantoms, out of git's sight for real patients."""
        return self.places.figures if self.synthetic else self.places.outputs / "images"

    @property
    def cohort_name(self) -> str:
        """The cohort, as every figure names it."""
        patients = self.slices.table["patient_id"].nunique()
        if self.synthetic:
            return f"synthetic cohort ({patients} patients)"
        release = self.slices.manifest["release"]
        return f"{'cohort' if release == 'unknown' else 'BraTS ' + release} ({patients} patients)"

    def with_sets_of(self, arms: Iterable[Arm]) -> "Study":
        """Return the study with the slice sets that some arms need beside those that are open."""
        missing = [arm.dataset for arm in arms if arm.dataset not in self.sets]
        with locked(self.places.outputs / ".preparing.lock", PREPARING, "preparing slices"):
            return replace(self, sets=open_sets(self.cohort, self.profile, self.places, missing, self.sets))

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
        training: Ids,
        start: str,
        settings: Settings,
        pool: bool = False,
        **more: Any,
    ) -> Run:
        """Return the run of this number on some slices; runs of one number share their seeds.

        ``more`` are fields of `runs.Run`: network, freeze and views.
        """
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
            (more.pop("freeze", False) or self.profile.freeze) and start != "scratch",
            settings,
            self.seed(number, "weights"),
            self.seed(number, "batch order"),
            **{"network": self.profile.network} | more,
        )

    def labelled(self, dataset: str, number: int) -> Ids:
        """Return the ids of the random slices that the committee is trained on (section 2.2.4, step 1)."""
        pool = self.sets[dataset].ids("training")
        count = round(self.profile.labelled_share * len(pool))
        return select("random", Pool(pool, np.zeros(len(pool))), count, self.seed(number, "labelled subset"))

    def committee(self, dataset: str, number: int, labelled: Ids) -> list[Run]:
        """Return the committee's runs: the same labelled slices, one learning rate each."""
        settings = [self.profile.training_settings(self.profile.epochs, rate) for rate in self.profile.committee_rates]
        return [self.run(dataset, number, labelled, self.profile.start, member, pool=True) for member in settings]

    def query(self, arm: Arm, number: int, labelled: Ids) -> Run:
        """Return the run of an arm's query network, of which it is asked more than a committee's member."""
        settings, views = self.profile.training_settings(self.profile.epochs), NEEDS_VIEWS[arm.strategy]
        return self.run(arm.dataset, number, labelled, self.profile.start, settings, pool=True, views=views)

    def choosers(self, arm: Arm, number: int, labelled: Ids) -> list[Run]:
        """Return the runs that must be there before an arm's slices can be chosen."""
        committee = self.committee(arm.dataset, number, labelled) if arm.needs_score else []
        return [*committee, *([self.query(arm, number, labelled)] if arm.needs_views else [])]

    def stored(self, runs: Iterable[Run]) -> list[Result]:
        """Return the results of runs that were trained before.

        Raises
        ------
        InputError
            If one of them was not.
        """
        results = [self.store.load(run) for run in runs]
        if None in results:
            raise InputError("the networks that choose the slices are not trained yet: call train with the arms first")
        return [result for result in results if result]

    def uncertainty(self, dataset: str, number: int, labelled: Ids) -> np.ndarray[Any, Any]:
        """Return what the committee of this number makes of each training slice (section 2.2.3)."""
        results = self.stored(self.committee(dataset, number, labelled))
        high = np.stack([result.arrays["probability/pool"] for result in results])
        return score(np.stack([1 - high, high], axis=-1), self.profile.pairs, self.profile.aggregate)

    def views(self, arm: Arm, number: int, labelled: Ids) -> Views:
        """Return what an arm's query network says of each training slice; nothing where the strategy does not ask."""
        (result,) = self.stored([self.query(arm, number, labelled)])
        slices, arrays = self.sets[arm.dataset], result.arrays
        ids = slices.ids("training")
        return Views(
            arrays["probability/pool"],
            arrays.get("views/dropout", np.empty((0, len(ids)))),
            arrays.get("views/augmented", np.empty((0, len(ids)))),
            arrays.get("views/features", np.empty((len(ids), 0))).astype(np.float32),
            slices.table["label"].to_numpy()[ids],
        )

    def pool(self, arm: Arm, number: int, labelled: Ids, without: Ids) -> Pool:
        """Return the training slices that an arm can choose from.

        Parameters
        ----------
        labelled : np.ndarray of int
            What the networks that choose were trained on.
        without : np.ndarray of int
            Slices that are not to be chosen again.
        """
        slices = self.sets[arm.dataset]
        ids = slices.ids("training")
        left = np.flatnonzero(~np.isin(ids, without))
        uncertainty = self.uncertainty(arm.dataset, number, labelled) if arm.needs_score else np.zeros(len(ids))
        patient = slices.table["patient_id"].to_numpy(str)[ids]
        if not arm.needs_views:
            return Pool(ids[left], uncertainty[left], patient[left])
        views = self.views(arm, number, labelled)
        known = views.features[np.isin(ids, without)]
        return Pool(ids[left], uncertainty[left], patient[left], views.at(left), known)

    def ranking(self, dataset: str = DATASETS[0]) -> pd.DataFrame:
        """Return who is uncertain: one row for each training slice and run.

        Returns
        -------
        pd.DataFrame
            slice_id, seed, uncertainty, rank_share (0: most uncertain), tenth (hardest, between or easiest),
            patient_id, grade, tumour_mm2, position; on a synthetic cohort also atypical, from its truth table; on a
            set with planted outliers also planted.
        """
        columns = ["patient_id", "grade", "tumour_mm2", "position", "planted"]
        table = self.sets[dataset].table
        table = table[[column for column in columns if column in table]]
        if self.synthetic and "planted" not in table:
            truth = pd.read_csv(self.cohort.root / TRUTH_FILE).set_index("patient_id")["atypical"]
            table = table.assign(atypical=table["patient_id"].map(truth))
        frames = []
        for number in range(self.profile.n_runs):
            ids = self.sets[dataset].ids("training")
            pool = Pool(ids, self.uncertainty(dataset, number, self.labelled(dataset, number)))
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
            if arm.strategy != ALL
        ]
        return pd.DataFrame(rows, columns=["arm", "dataset", "share", "examples", "can_be_drawn"])

    def can_be_drawn(self, arm: Arm) -> bool:
        """Whether an arm's budget is there to be drawn."""
        slices, budget = self.sets[arm.dataset], self.budget(arm)
        ids = slices.ids("training")
        if arm.strategy == ALL or arm.in_rounds or arm.needs_views:
            return 0 < budget <= len(ids)
        try:
            select(
                arm.strategy, Pool(ids, np.zeros(len(ids)), slices.table["patient_id"].to_numpy(str)[ids]), budget, 0
            )
        except InputError:
            return False
        return True

    def chosen(self, arm: Arm, number: int) -> Ids:
        """Return the ids of the slices that an arm chooses in the run of this number."""
        if arm.strategy == ALL:
            return self.sets[arm.dataset].ids("training")
        if arm.in_rounds:
            return self.after_rounds(arm, number, arm.rounds)
        labelled = self.labelled(arm.dataset, number)
        return self.pick(arm, number, self.budget(arm), self.seed(number, "sample draw"), labelled, labelled[:0])

    def pick(self, arm: Arm, number: int, count: int, seed: int, labelled: Ids, without: Ids) -> Ids:
        """Return the slices that an arm's strategy picks, see `pool`; it is asked the same only once."""
        question = (arm.dataset, arm.strategy, number, count, seed, labelled.tobytes(), without.tobytes())
        if question not in self.picked:
            pool = self.pool(arm, number, labelled, without)
            self.picked[question] = select(arm.strategy, pool, count, seed)
        return self.picked[question]

    def after_rounds(self, arm: Arm, number: int, rounds: int) -> Ids:
        """Return the ids that an arm has labelled after some rounds; the first is random."""
        ids = self.sets[arm.dataset].ids("training")
        counts = [round(ROUND_SHARE * len(ids) * done) for done in range(rounds + 1)]
        labelled = select("random", Pool(ids, np.zeros(len(ids))), counts[1], self.seed(number, "labelled subset"))
        for done in range(1, rounds):
            seed = integer(self.seed(number, "sample draw"), "round", done)
            added = self.pick(arm, number, counts[done + 1] - counts[done], seed, labelled, without=labelled)
            labelled = np.union1d(labelled, added)
        return labelled

    def training_ids(self, arm: Arm, number: int) -> Ids:
        """Return the ids of the slices that an arm is trained on."""
        chosen = self.chosen(arm, number)
        return np.union1d(chosen, self.labelled(arm.dataset, number)) if arm.with_labelled else chosen

    def train(self, arms: Sequence[Arm]) -> Results:
        """Return the results of every arm's runs; only what the store lacks is trained, who chooses first.

        Arms whose budget cannot be drawn are left out. Shows how many runs were asked for, how many of them are
        distinct and how many were there already.
        """
        for what, named in self.choosing(arms):
            self.compute(named, what)
        wanted = self.wanted(arms)
        results = self.compute(
            [(self.describe(arm.name, number), run) for (arm, number), run in wanted.items()], "runs"
        )
        return {place: results[run.key] for place, run in wanted.items()}

    def choosing(self, arms: Sequence[Arm]) -> Iterator[tuple[str, list[tuple[str, Run]]]]:
        """Yield the runs of the networks that choose slices, in the order in which they can be trained.

        Those at once first, then those of each round, whose slices follow from the round before. Each with its
        description.
        """
        numbers = range(self.profile.n_runs)
        needs = {
            (arm.dataset, arm.needs_score, NEEDS_VIEWS.get(arm.strategy)): arm for arm in arms if not arm.in_rounds
        }
        named = [
            (self.describe(f"{arm.dataset} committee, for {arm.name}", number), run)
            for arm in needs.values()
            for number in numbers
            for run in self.choosers(arm, number, self.labelled(arm.dataset, number))
        ]
        if named:
            yield "committee runs", named
        for done in range(1, max((arm.rounds for arm in arms), default=1)):
            named = [
                (self.describe(f"{arm.name}, round {done}", number), run)
                for arm in arms
                if arm.rounds > done
                for number in numbers
                for run in self.choosers(arm, number, self.after_rounds(arm, number, done))
            ]
            if named:
                yield f"runs of round {done}", named

    def describe(self, name: str, number: int) -> str:
        """Return how a run is named while it is trained."""
        return f"{name}, run {number + 1} of {self.profile.n_runs}"

    def wanted(self, arms: Sequence[Arm]) -> dict[tuple[Arm, int], Run]:
        """Return the runs of some arms; those whose budget cannot be drawn are left out."""
        drawable = [arm for arm in arms if self.can_be_drawn(arm)]
        wanted = {}
        for number in range(self.profile.n_runs):
            for arm in drawable:
                settings = self.profile.training_settings(arm.epochs)
                training = self.training_ids(arm, number)
                network = arm.network or self.profile.network
                wanted[arm, number] = self.run(
                    arm.dataset, number, training, arm.start, settings, network=network, freeze=arm.freeze
                )
        return wanted

    def compute(self, named: Sequence[tuple[str, Run]], what: str) -> dict[str, Result]:
        """Return the results of some runs by key, from the store or trained now."""
        distinct = {run.key: (name, run) for name, run in named}
        ask(self.places, what, named, len(distinct))
        missing = {key: some for key, some in distinct.items() if not self.store.holds(some[1])}
        started = time.perf_counter()
        folders = {slices.fingerprint: slices.folder for slices in self.sets.values()}
        with bar(total=sum(run.images for _, run in missing.values()), unit=" images", unit_scale=True) as line:

            def report(images: int, text: str) -> None:
                line.set_postfix_str(text, refresh=False)
                line.update(images)

            failures = engine.compute(list(missing.values()), self.store, folders, self.device, self.workers, report)
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
        results = {key: result for key, (_, run) in distinct.items() if (result := self.store.load(run))}
        skipped = int(sum(np.isnan(results[key].arrays["validation_auc"]).sum() for key in missing))
        print(
            f"{len(named)} {what} asked for, {len(distinct)} distinct, {len(distinct) - len(missing)} already there, "
            f"{len(missing)} trained in {time.perf_counter() - started:.0f} s"
            + (f" ({skipped} evaluations of epochs that could not be kept were skipped)" if skipped else "")
            + "."
        )
        return results

    def predictions(self, arm: Arm, result: Result, part: str, last_epoch: bool = False) -> pd.DataFrame:
        """Return patient_id, label and score, P(HGG) at the kept or the last epoch, of a part's slices by slice id."""
        table = self.sets[arm.dataset].table.iloc[result.run.ids(part)][["patient_id", "label"]]
        return table.assign(score=result.arrays[f"probability/{part}" + "_last" * last_epoch])

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
        with locked(
            self.places.outputs / ".runs.csv.lock", 60, "recording runs"
        ):  # another driver may record at the same time
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
            arm, dataset, seed; labelled (before any is chosen), chosen and paid (their union; every slice, where a
            strategy asks for every label), in slices; share (paid, of the training slices); patients (touched by a
            paid slice) and patient_share; validation (slices, labelled as well).
        """
        slices = self.sets[arm.dataset]
        pool, rows = slices.ids("training"), []
        patient = slices.table["patient_id"].to_numpy()
        for number in range(self.profile.n_runs):
            chosen = self.chosen(arm, number)
            before = (arm.needs_score or arm.needs_views or arm.with_labelled) and not arm.in_rounds
            labelled = self.labelled(arm.dataset, number) if before else chosen[:0]
            paid = pool if arm.strategy in PAYS_ALL else np.union1d(labelled, chosen)
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


def is_synthetic(profile: Profile, data: str | Path) -> bool:
    """Whether the cohort of a study is, or will be, made of phantoms."""
    folder = find_data(profile, data)
    return folder is None or (find_root(folder) / TRUTH_FILE).exists()


def open_study(
    profile: str = "demo",
    data: str | Path = "",
    out: str | Path = "",
    settings: Mapping[str, object] | None = None,
    device: str = "auto",
    workers: str | int = "",
    datasets: Sequence[str] = DATASETS[:1],
    skip_bad: bool = False,
    track: Track = patients,
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
        Where its runs are computed: see `engine.compute`.
    datasets : sequence of str
        Which of ``DATASETS`` it uses, and which sets with planted outliers (`arms.planted_name`), for which the
        cohort must be synthetic.
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
    if "://" not in str(workers):
        workers_of(str(workers), device)
        choose_device(device)  # on a cluster, the workers have it or not
    initial_state(chosen.start, chosen.network)  # refused now rather than at the first training
    places = Places.of(profile, out)
    find_data(chosen, data)
    places.make()
    with locked(
        places.outputs / ".preparing.lock", PREPARING, "preparing slices"
    ):  # a second driver waits, and finds what the first has cut
        cohort = open_cohort(chosen, places, data, track)
        sets = open_sets(cohort, chosen, places, [DATASETS[0], *datasets], {}, skip_bad, track)
    return Study(chosen, places, cohort, sets, device, str(workers))


def open_sets(
    cohort: Cohort,
    profile: Profile,
    places: Places,
    datasets: Iterable[str],
    sets: Mapping[str, SliceSet],
    skip_bad: bool = False,
    track: Track = patients,
) -> dict[str, SliceSet]:
    """Return some slice sets beside those that are open, each cut now or found among the outputs; imbalanced first."""
    sets = dict(sets)
    for dataset in dict.fromkeys(datasets):
        if planted := planted_outliers(dataset):
            sets[dataset] = open_planted(cohort, sets[DATASETS[0]], *planted, profile.phantom_seed, places)
        else:
            rule = profile.slice_rule(balanced=dataset == "balanced")
            sets[dataset] = open_slice_set(cohort, rule, places, skip_bad, track)
    return sets


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


def open_planted(cohort: Cohort, slices: SliceSet, kind: str, dose: float, seed: int, places: Places) -> SliceSet:
    """Return a slice set with planted outliers, made now or found among the outputs."""
    source = json.dumps([slices.fingerprint, kind, dose, seed])
    folder = places.outputs / "slices" / f"{kind}-{sha256(source.encode()).hexdigest()[:12]}"
    return open_slices(folder) if folder.exists() else plant(cohort, slices, kind, dose, seed, folder)
