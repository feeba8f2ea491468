"""A study as one table with a row for each training, which is worked through by stages.

`plan` makes the table. Stage 0 holds the networks that choose slices, and the trainings on slices that no network
chooses; stage 1 holds the trainings on their choice. Iterative querying has one stage for each query. `compute` trains
the rows whose slices are known, `uncertainty` returns the scores of the networks of a stage, and `choose` fills in the
slices of the next stage. `train` goes through all stages. Of one run, the baseline and the proposed method are:

========  =====  ======  ================  ====================
arm       stage  member  slices            known
========  =====  ======  ================  ====================
baseline  0      0       all               from the beginning
proposed  0      1 to 3  labelled subset   from the beginning
proposed  1      0       30 %, chosen      as soon as `choose` has the members' scores
========  =====  ======  ================  ====================
"""

import csv
import io
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np

from brats_al_utils import InputError
from brats_al_utils.files import write_file
from brats_al_utils.networks.training import Settings
from brats_al_utils.progress import bar
from brats_al_utils.queries.pool import BudgetError, Pool, Views
from brats_al_utils.queries.sampling import ALL, COMMITTEE, MIDDLE, Strategy
from brats_al_utils.queries.selection import Ids, Selection, begin, query, random_start
from brats_al_utils.queries.uncertainty import score
from brats_al_utils.runs import engine
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.places import Places
from brats_al_utils.study.study import Study

Results = dict[tuple[Arm, int], Result]
"""Results by arm and run number."""

Pools = Mapping[tuple[str, ...], Pool]
"""The training slices with the networks' outputs for each, by the keys of the networks' runs."""


@dataclass(frozen=True)
class Row:
    """One training of a study.

    Attributes
    ----------
    arm : Arm
        The arm for which it is trained.
    number : int
        Number of the run, from 0.
    stage : int
        Number of queries before its slices are known.
    member : int
        0: the arm's own training. From 1: a network that chooses slices for the arm.
    selection : Selection
        The slices annotated in this run so far.
    run : Run
        The specification of the training. Until its slices are known, it holds as many others, to tell its cost.
    known : bool
        Whether its slices are known.
    """

    arm: Arm
    number: int
    stage: int
    member: int
    selection: Selection
    run: Run
    known: bool

    @property
    def same(self) -> tuple[object, ...]:
        """Equal for rows that are the same training."""
        return (self.run.key,) if self.known else (replace(self.arm, name=""), self.number, self.stage, self.member)

    @property
    def name(self) -> str:
        """Name of the training in messages."""
        chooses = f"{self.arm.dataset} set, network {self.member} that chooses for " if self.member else ""
        return f"{chooses}{self.arm.name}, run {self.number + 1}"


def at_once(study: Study, rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the table after the next query of all arms."""
    yield choose(study, rows, uncertainty(study, rows))


def train(
    study: Study, arms: Iterable[Arm], queried: Callable[[Study, Sequence[Row]], Iterator[list[Row]]] = at_once
) -> list[Row]:
    """Go through all stages of some arms, and return their table; only missing results are trained.

    Parameters
    ----------
    queried : callable
        Yields the table after one or more queries, and at last after the next query of all arms: between them, the
        networks are trained whose slices are known.

    Raises
    ------
    InputError
        If trainings failed; the results of the others are kept.
    """
    rows = plan(study, arms)
    compute(study, rows)
    while not all(row.known for row in rows):
        for rows in queried(study, rows):  # noqa: B020  # the table grows
            compute(study, rows)
    return rows


def advance(study: Study, arms: Iterable[Arm], runs: int = 0) -> list[Row]:
    """Return the table of some arms, with the choices of all networks that are stored; nothing is trained."""
    rows = plan(study, arms, runs)
    while ready := [each for each in choosing(rows).values() if all(study.store.holds(row.run) for row in each)]:
        rows = choose(study, rows, uncertainty(study, [row for members in ready for row in members]))
    return rows


def plan(study: Study, arms: Iterable[Arm], runs: int = 0) -> list[Row]:
    """Return the table of some arms, of all or the first ``runs`` runs, before any network has chosen.

    Arms whose budget exceeds the slices to choose from are skipped.
    """
    every, rows = list(dict.fromkeys(arms)), []  # named twice, an arm would be asked by each member twice
    for number in range(runs or study.profile.n_runs):
        for arm in every:
            with suppress(BudgetError):
                rows += first_rows(study, arm, number)
    return rows


def first_rows(study: Study, arm: Arm, number: int) -> list[Row]:
    """Return the rows of an arm in one run, before any network has chosen.

    Raises
    ------
    BudgetError
        If its budget exceeds the slices to choose from.
    """
    images = study.slice_set(arm.dataset).fingerprint  # ids of other images are other slices
    selection = study.selections.get((images, arm.strategy.name, arm.share, arm.iterative, number))
    if selection is None:
        pool, seeds = study.pool(arm.dataset, number), partial(study.seed, number)
        selection = begin(arm.strategy, pool, query_sizes(study, arm, number), seeds, arm.iterative)
        while selection.left and not arm.strategy.asks:
            selection = query(arm.strategy, pool, selection, seeds)
    last = len(selection.left)
    members = range(1, 1 + len(rates(study, arm.strategy)))
    places = [*((stage, member) for stage in range(last) for member in members), (last, 0)]
    return [row_at(study, arm, number, stage, member, selection) for stage, member in places]


def row_at(study: Study, arm: Arm, number: int, stage: int, member: int, selection: Selection) -> Row:
    """Return a row for a selection: its slices are known if all queries of the stages before it were made."""
    before = selection.left[: max(0, stage - selection.queries)]
    ids = selection.annotated if member or arm.trains_on_annotated else selection.chosen
    if before:
        ids = study.ids(arm.dataset, "training", number)[: len(ids) + sum(before)]
    run = (
        chooser(study, arm.dataset, number, ids, arm.strategy, member)
        if member
        else run_of_arm(study, arm, number, ids)
    )
    return Row(arm, number, stage, member, selection, run, not before)


def query_sizes(study: Study, arm: Arm, number: int) -> list[int]:
    """Return how many slices are annotated at random at first for an arm, and how many each query adds."""
    training = len(study.ids(arm.dataset, "training", number))
    if arm.iterative:
        share = study.profile.iteration_share
        totals = [round(share * training * done) for done in range(round(arm.share / share) + 1)]
        return [int(added) for added in np.diff(totals)]
    return [study.profile.labelled_slices(training) if arm.strategy.asks else 0, budget(study, arm, number)]


def budget(study: Study, arm: Arm, number: int = 0) -> int:
    """Return how many slices an arm chooses in one run (Table 5)."""
    slices, training = study.slice_set(arm.dataset), study.ids(arm.dataset, "training", number)
    whole = study.profile.budget_base == "paper" and arm.dataset == "balanced" and arm.strategy is not ALL
    return round(arm.share * (len(slices.table) if whole else len(training)))


def compute(study: Study, rows: Sequence[Row]) -> None:
    """Train the rows whose slices are known and whose results are missing; what arms have in common, once.

    Raises
    ------
    InputError
        If trainings failed; the results of the others are kept.
    """
    if study.slices.pictured:
        write_rows(study.places, title_of(rows), [record(row) for row in each_once(rows)])
    runs = study.profile.n_runs
    compute_missing(study, [(f"{row.name} of {runs}", row.run) for row in rows if row.known], "runs")


def choosing(rows: Iterable[Row]) -> dict[tuple[Arm, int], list[Row]]:
    """Return the networks that choose next, by arm and run number."""
    found: dict[tuple[Arm, int], list[Row]] = {}
    for row in rows:
        if row.member and row.selection.left and row.stage == row.selection.queries:
            found.setdefault((row.arm, row.number), []).append(row)
    return found


def uncertainty(study: Study, rows: Iterable[Row]) -> Pools:
    """Return the outputs of the networks that choose next for each training slice, by the keys of their runs.

    Those of a committee are uncertainties (section 2.2.3), those of a query network its predictions and features.

    Raises
    ------
    InputError
        If the networks are not trained yet.
    """
    asked = {keys(members): members[0] for members in choosing(rows).values()}
    runs = {row.run.key: row.run for members in choosing(rows).values() for row in members}
    return {
        each: with_answers(study, row.arm.dataset, row.number, [runs[key] for key in each], row.arm.strategy)
        for each, row in asked.items()
    }


def choose(study: Study, rows: Sequence[Row], scores: Pools) -> list[Row]:
    """Return the table after the next query of each arm whose networks have scores."""
    selections = {
        place: query(place[0].strategy, scores[keys(members)], members[0].selection, partial(study.seed, place[1]))
        for place, members in choosing(rows).items()
        if keys(members) in scores
    }

    def after(row: Row) -> Row:
        selection = selections.get((row.arm, row.number))
        if selection is None:
            return row
        if row.known:
            return replace(row, selection=selection)
        return row_at(study, row.arm, row.number, row.stage, row.member, selection)

    return list(map(after, rows))


def keys(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the keys of some rows' runs."""
    return tuple(row.run.key for row in rows)


def each_once(rows: Iterable[Row]) -> list[Row]:
    """Return the rows, with each network that chooses for several arms only once."""
    return list({row.same if row.member else (row.arm, row.number): row for row in rows}.values())


def results_of(study: Study, rows: Iterable[Row]) -> Results:
    """Return the stored results of the arms' own trainings, by arm and run number."""
    own = [row for row in rows if row.known and not row.member]
    return {(row.arm, row.number): result for row in own if (result := study.store.load(row.run))}


def selections_of(rows: Iterable[Row]) -> dict[tuple[Arm, int], Selection]:
    """Return the slices annotated so far for each arm in each run."""
    return {(row.arm, row.number): row.selection for row in rows}


def record(row: Row) -> dict[str, Any]:
    """Return a row as a dictionary of the columns of a table."""
    return {
        "arm": row.arm.name,
        "run": row.number + 1,
        "dataset": row.arm.dataset,
        "strategy": row.arm.strategy.name,
        "share": row.arm.share,
        "stage": row.stage,
        "trains": f"chooser {row.member}" if row.member else "arm",
        "slices": len(row.run.training),
        "images": row.run.images,
        "key": row.run.key if row.known else "",
        "same": row.run.key if row.known else sha256(repr(row.same).encode()).hexdigest(),
        "of": sha256(repr((replace(row.arm, name=""), row.number)).encode()).hexdigest()[:16],
    }


def title_of(rows: Iterable[Row]) -> str:
    """Return a title that identifies the arms of a notebook."""
    return ", ".join(dict.fromkeys(f"{row.arm.dataset} {row.arm.name}" for row in rows))


def labelled(study: Study, dataset: str, number: int) -> Ids:
    """Return the random slices on which the committee of a run is trained (section 2.2.4, step 1)."""
    pool = study.pool(dataset, number)
    return random_start(pool, study.profile.labelled_slices(len(pool.ids)), partial(study.seed, number))


def committee(study: Study, dataset: str, number: int) -> list[Run]:
    """Return the runs of the committee's members in one run of the study."""
    ids, members = labelled(study, dataset, number), range(1, 1 + len(study.profile.committee_rates))
    return [chooser(study, dataset, number, ids, MIDDLE, member) for member in members]


def committee_pool(study: Study, dataset: str, number: int) -> Pool:
    """Return the training slices with the committee's uncertainty of each, in one run (section 2.2.3).

    Raises
    ------
    InputError
        If the committee is not trained yet.
    """
    return with_answers(study, dataset, number, committee(study, dataset, number), MIDDLE)


def rates(study: Study, strategy: Strategy) -> tuple[float, ...]:
    """Return the learning rates of the networks that choose for a strategy: a committee's, or a query network's."""
    return study.profile.committee_rates if strategy.asks == COMMITTEE else (study.profile.learning_rate,)


def chooser(study: Study, dataset: str, number: int, ids: Ids, strategy: Strategy, member: int) -> Run:
    """Return the run of a network that chooses slices; ``member`` counts its learning rates from 1."""
    profile = study.profile
    return run_of(
        study,
        dataset,
        number,
        ids,
        profile.start,
        profile.training_settings(profile.epochs, rates(study, strategy)[member - 1]),
        pool=study.ids(dataset, "training", number),
        views=strategy.views,
        tested=not profile.test_patients,  # their predictions of test slices are shown nowhere
    )


def with_answers(study: Study, dataset: str, number: int, runs: Sequence[Run], strategy: Strategy) -> Pool:
    """Return the training slices with the outputs of the networks that choose for a strategy.

    Raises
    ------
    InputError
        If the networks are not trained yet.
    """
    found = [study.store.load(run) for run in runs]
    trained = [result.arrays for result in found if result]
    if len(trained) < len(found):
        raise InputError("the networks that choose the slices are not trained yet: compute their runs first")
    pool = study.pool(dataset, number)
    if strategy.asks == COMMITTEE:
        high = np.stack([arrays["probability/pool"] for arrays in trained])
        of_each = score(np.stack([1 - high, high], axis=-1), study.profile.pairs, study.profile.aggregate)
        return replace(pool, score=of_each)
    (arrays,), size = trained, len(pool.ids)
    features = arrays.get("views/features", np.empty((size, 0))).astype(np.float32)
    return replace(pool, views=Views(arrays["probability/pool"], features))


def run_of_arm(study: Study, arm: Arm, number: int, ids: Ids) -> Run:
    """Return an arm's own training on some slices."""
    return run_of(
        study,
        arm.dataset,
        number,
        ids,
        arm.start,
        study.profile.training_settings(arm.epochs, study.profile.rate(arm.start)),
        network=arm.network or study.profile.network,
        freeze=arm.freeze,
        length=arm.length,
    )


def run_of(
    study: Study,
    dataset: str,
    number: int,
    training: Ids,
    start: str,
    settings: Settings,
    pool: Ids | None = None,
    freeze: bool = False,
    tested: bool = True,
    length: str = "",
    **more: Any,
) -> Run:
    """Return a training on some slices in one run of the study; all trainings of a run share their seeds.

    Parameters
    ----------
    pool : np.ndarray of int, optional
        Slices to predict beside those of validation and test.
    tested : bool
        Whether the test slices are predicted.
    length : str
        One of `profile.LENGTHS` in place of the profile's.
    **more
        Further fields of `run.Run`: network, views.
    """
    if (length or study.profile.length) == "updates":
        baseline = settings.updates(len(study.ids(dataset, "training", number)))
        if settings.updates(len(training)) != baseline:
            settings = replace(settings, epoch_updates=baseline)
    return Run(
        data=study.slice_set(dataset).fingerprint,
        training=tuple(training.tolist()),
        validation=tuple(study.ids(dataset, "validation", number).tolist()),
        test=tuple(study.ids(dataset, "test", number).tolist()) if tested else (),
        pool=() if pool is None else tuple(pool.tolist()),
        start=start,
        freeze=(freeze or study.profile.freeze) and start != "scratch",
        settings=settings,
        weights_seed=study.seed(number, "weights"),
        order_seed=study.seed(number, "batch order"),
        **{"network": study.profile.network} | more,
    )


def compute_missing(study: Study, named: Sequence[tuple[str, Run]], what: str) -> None:
    """Have the runs computed that are missing in the store, and show their progress.

    Raises
    ------
    InputError
        If runs failed; the results of the others are kept.
    """
    distinct = {run.key: (name, run) for name, run in named}
    missing = {key: each for key, each in distinct.items() if not study.store.holds(each[1])}
    if missing and not study.slices.pictured:
        raise InputError(
            f"{len(missing)} of {len(distinct)} {what} are missing, and this study has no images to train on"
        )
    started = time.perf_counter()
    folders = {slices.fingerprint: slices.folder for slices in study.opened.values()}
    with bar(total=sum(run.images for _, run in missing.values()), unit=" images", unit_scale=True) as line:

        def report(images: int, text: str) -> None:
            line.set_postfix_str(text, refresh=False)
            line.update(images)

        failures = engine.distribute(list(missing.values()), study.store, folders, study.device, study.workers, report)
    if failures:
        lines = [
            f"{name}: {failures[key]} ({study.store.failure(run)})"
            for key, (name, run) in missing.items()
            if key in failures
        ]
        again = any(not why.startswith(InputError.__name__) for why in failures.values())
        raise InputError(
            f"{len(failures)} of {len(distinct)} {what} failed; the others are kept, "
            + ("start again to resume:\n" if again else "fix what is said below:\n")
            + "\n".join(lines)
        )
    print(
        f"{len(named)} {what} needed, {len(distinct)} distinct, {len(distinct) - len(missing)} already there, "
        f"{len(missing)} trained in {time.perf_counter() - started:.0f} s."
    )


def write_rows(places: Places, title: str, rows: Sequence[Mapping[str, object]], anew: bool = True) -> None:
    """Write the part of a study's table that belongs to some arms.

    Parameters
    ----------
    title : str
        Identifies the arms, see `title_of`.
    rows : sequence of mapping
        One a training, with ``images``, ``key`` (empty until its slices are known) and ``same``.
    anew : bool
        Whether to replace an existing file of the same title.
    """
    content = io.StringIO()
    writer = csv.DictWriter(content, list(rows[0]) if rows else ["key"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    name = f"{re.sub(r'[^a-z0-9]+', '-', title.lower())[:40].strip('-')}-{sha256(title.encode()).hexdigest()[:8]}.csv"
    with suppress(OSError):  # the table is for `status` only: no training must fail for it
        if anew or not (places.table / name).exists():
            write_file(places.table / name, content.getvalue().encode())
