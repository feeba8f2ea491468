"""Have the runs of arms computed: first those of the networks that choose slices, then those on what they chose."""

import time
from collections.abc import Iterator, Sequence

from brats_al_utils import InputError
from brats_al_utils.progress import bar
from brats_al_utils.queries.selection import Question
from brats_al_utils.runs import engine
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.selections import Selections, choosers, run_of, selections_of, training_ids
from brats_al_utils.study.status import ask
from brats_al_utils.study.study import Study

Results = dict[tuple[Arm, int], Result]
"""Results by arm and run number."""


def train(study: Study, arms: Sequence[Arm]) -> Results:
    """Return the results of every arm's runs; only what the store does not hold is trained.

    Arms whose budget cannot be drawn are skipped. Shows how many runs were asked for, how many of them are distinct
    and how many were there already.

    Raises
    ------
    InputError
        If runs failed; all others are kept.
    """
    title, planned = title_of(arms), len({run.key for run in runs_of(study, arms)})
    known: dict[str, tuple[str, Run]] = {}

    def have(named: Sequence[tuple[str, Run]], what: str, planned: int) -> None:
        known.update({run.key: (name, run) for name, run in named})
        if study.published is None:
            ask(study.places, title, known.values(), planned)
        have_computed(study, named, what)

    while named := [each for each in choosing(study, selections_of(study, arms)) if each[1].key not in known]:
        have(named, "runs of networks that choose slices", planned)
    wanted = wanted_runs(study, selections_of(study, arms))
    have([(describe(study, arm.name, number), run) for (arm, number), run in wanted.items()], "runs", len(wanted))
    return {place: result for place, run in wanted.items() if (result := study.store.load(run))}


def title_of(arms: Sequence[Arm]) -> str:
    """Return what tells the arms of a notebook from those of another."""
    return ", ".join(dict.fromkeys(f"{arm.dataset} {arm.name}" for arm in arms))


def runs_of(study: Study, arms: Sequence[Arm]) -> list[Run]:
    """Return every run that some arms ask for; where networks have not chosen yet, other slices stand in."""
    selected = selections_of(study, arms)
    return [*(run for _, run in choosing(study, selected, settled=False)), *wanted_runs(study, selected).values()]


def choosing(study: Study, selected: Selections, settled: bool = True) -> Iterator[tuple[str, Run]]:
    """Yield the runs of the networks that choose for some arms, each with its description.

    Parameters
    ----------
    selected : dict of (Arm, int) to Selection
    settled : bool
        Only those whose training slices are known by now; otherwise stand-ins take the place of the others.
    """
    seen: set[tuple[str, int, Question]] = set()
    for (arm, number), selection in selected.items():
        for question in selection.questions:
            place = (arm.dataset, number, question)
            if place not in seen and (question.settled or not settled):
                name = describe(study, f"{arm.dataset} set, networks that choose for {arm.name}", number)
                yield from ((name, run) for run in choosers(study, arm.dataset, number, question))
            seen.add(place)


def wanted_runs(study: Study, selected: Selections) -> dict[tuple[Arm, int], Run]:
    """Return the runs on what arms selected."""
    return {
        (arm, number): run_of(
            study,
            arm.dataset,
            number,
            training_ids(arm, selection),
            arm.start,
            study.profile.training_settings(arm.epochs, study.profile.rate(arm.start)),
            network=arm.network or study.profile.network,
            freeze=arm.freeze,
            length=arm.length,
        )
        for (arm, number), selection in selected.items()
    }


def describe(study: Study, name: str, number: int) -> str:
    """Return how a run is named while it is trained."""
    return f"{name}, run {number + 1} of {study.profile.n_runs}"


def have_computed(study: Study, named: Sequence[tuple[str, Run]], what: str) -> None:
    """Have those of some runs computed that the store does not hold, and show how far they are.

    Raises
    ------
    InputError
        If runs failed; all others are kept.
    """
    distinct = {run.key: (name, run) for name, run in named}
    missing = {key: each for key, each in distinct.items() if not study.store.holds(each[1])}
    if missing and study.published is not None:
        raise InputError(f"{len(missing)} of {len(distinct)} {what} are missing in the bundle, which has no images")
    started = time.perf_counter()
    folders = {slices.fingerprint: slices.folder for slices in study.opened.values()}
    with bar(total=sum(run.images for _, run in missing.values()), unit=" images", unit_scale=True) as line:

        def report(images: int, text: str) -> None:
            line.set_postfix_str(text, refresh=False)
            line.update(images)

        failures = engine.compute(list(missing.values()), study.store, folders, study.device, study.workers, report)
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
