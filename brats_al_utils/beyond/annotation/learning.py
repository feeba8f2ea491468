"""What was learned from the answers: what changed, the learning curve so far, and what another query would buy.

All of it is measured on the patients held out for testing, whom no strategy ever chose or kept away from.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from brats_al_utils.beyond.annotation.answers import SKIP
from brats_al_utils.beyond.annotation.candidates import UNLABELLED
from brats_al_utils.beyond.annotation.committee import FEWEST, computed, labels_of, lacking, needed, taught, trainable
from brats_al_utils.beyond.annotation.curve import (
    FEWEST_POINTS,
    Forecast,
    curve_pairs,
    forecast,
    learning_curve,
    test_labels,
)
from brats_al_utils.beyond.annotation.draws import WHY, drawn_at_random
from brats_al_utils.beyond.annotation.session import TEST, TRAINING, VALIDATION, Session, numbers
from brats_al_utils.findings.comparison import compare, patient_pairs
from brats_al_utils.findings.sentences import pp
from brats_al_utils.seeds import generator
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.stages import have_computed, run_of
from brats_al_utils.study.study import Study

CHOSEN, RANDOM = "chosen", "random"


@dataclass(frozen=True)
class Lesson:
    """What `learn` tells.

    Attributes
    ----------
    changes : dict of str to int
        How many answers are new, changed or taken back since it was told last.
    answered : dict of str to int
        How many slices have each answer now.
    waiting : int
        Proposals of the last query without an answer.
    labelled : dict of str to tuple of int
        See `committee.labels_of`.
    curve : pd.DataFrame
        labelled (slices trained on), auc, low, high: see `learning_curve`.
    forecast : Forecast, optional
    comparison : pd.Series, optional
        Of `comparison.compare`: chosen slices against as many random ones; and ``slices``, how many these are.
    lacking : dict of str to tuple of int
        See `committee.lacking`.
    """

    changes: dict[str, int]
    answered: dict[str, int]
    waiting: int
    labelled: dict[str, tuple[int, int]]
    curve: pd.DataFrame
    forecast: Forecast | None
    comparison: pd.Series | None
    lacking: dict[str, tuple[int, int]]


def learn(session: Session) -> tuple[Session, Lesson]:
    """Take the answers back, train on them where there are enough, and say what that gave.

    Raises
    ------
    InputError
        If a training fails.
    """
    now = {name: answer.label for name, answer in session.answers.items()}
    before, queries = session.state.learned, session.state.queries
    changes = {
        "new": len(now.keys() - before.keys()),
        "changed": sum(now[name] != before[name] for name in now.keys() & before.keys()),
        "taken back": len(before.keys() - now.keys()),
    }
    comparison, lacks = None, lacking(session)
    if trainable(session):
        session, study, _ = taught(session)
        comparison = chosen_against_random(session, study)
    done = {name for name, label in now.items() if label != SKIP}
    waiting = set(queries[-1].asked if queries else ()) & set(session.slices["slice_id"]) - done
    tested = test_labels(session)
    pairs = curve_pairs(session, tested)
    more = sum(why not in (WHY[VALIDATION], WHY[TEST]) for why in queries[-1].asked.values()) if queries else 0
    lesson = Lesson(
        changes,
        dict(sorted(Counter(now.values()).items())),
        len(waiting),
        labels_of(session),
        learning_curve(pairs) if pairs else pd.DataFrame(columns=["labelled", "auc", "low", "high"]),
        forecast(pairs, more) if pairs and more else None,
        comparison,
        lacks,
    )
    return session.keep(lambda state: replace(state, learned=now)), lesson


def chosen_against_random(session: Session, study: Study) -> pd.Series | None:
    """Train on chosen and on as many random slices, beside what the table has labelled, and compare them.

    Returns
    -------
    pd.Series or None
        Of `comparison.compare`, and slices: how many of either; None while there are fewer than ``FEWEST`` of either,
        or the test set lacks a class.
    """
    label, given = session.label, session.slices["known"]
    answered = numbers((label != UNLABELLED) & (given == UNLABELLED) & (session.part == TRAINING))
    asked = {name for query in session.state.queries for name, why in query.asked.items() if why.startswith(CHOSEN)}
    names = session.slices["slice_id"].to_numpy()
    by_strategy = answered[np.isin(names[answered], list(asked))]
    by_chance = np.intersect1d(drawn_at_random(session), answered)
    start = numbers((given != UNLABELLED) & (session.part == TRAINING))
    tested = test_labels(session)
    size = min(len(by_strategy), len(by_chance))
    if size < FEWEST or tested["label"].nunique() < 2:
        return None
    profile, test, runs = session.profile, study.ids(DATASETS[0], TEST, 0), {}
    for number in range(profile.n_runs):
        for arm, source in ((CHOSEN, by_strategy), (RANDOM, by_chance)):
            drawn = generator(profile.seed, "compared", arm, number).permutation(source)[:size]
            training = np.union1d(start, drawn)
            if set(label[training]) != {0, 1}:
                return None
            settings = profile.training_settings(profile.epochs)
            runs[arm, number] = run_of(
                study, DATASETS[0], number, training, profile.start, settings, pool=test, tested=False
            )
    named = [(f"{arm} slices, run {number + 1} of {profile.n_runs}", run) for (arm, number), run in runs.items()]
    have_computed(study, named, "networks that compare chosen with random slices")
    frames = []
    for (arm, number), run in runs.items():
        said = pd.Series(computed(study, run).arrays["probability/pool"], names[test])
        frames.append(tested.assign(arm=arm, seed=number, score=tested["slice_id"].map(said), key=run.key))
    pairs = patient_pairs(pd.concat(frames, ignore_index=True), "slice")
    return compare(pairs, [(CHOSEN, RANDOM)]).assign(slices=size).iloc[0]


def sentences(lesson: Lesson, classes: tuple[str, str]) -> Iterator[str]:
    """Yield what was learned, in words.

    Parameters
    ----------
    classes : tuple of str
        Negative, positive.
    """
    changed = ", ".join(f"{count} {what}" for what, count in lesson.changes.items())
    answered = ", ".join(f"{count} {label}" for label, count in lesson.answered.items()) or "none"
    yield f"Answers: {changed}; now {answered}; {lesson.waiting} proposals of the last query have none."
    for part, counted in lesson.labelled.items():
        what = "patients" if part == TEST else "slices"
        told = " and ".join(f"{count} {name}" for count, name in zip(counted[::-1], classes[::-1], strict=True))
        yield f"Labelled for {part}: {told} {what}."
    if said := needed(lesson.lacking, classes):
        yield f"{said} Until then no AUC is told; queries ask for them, as long as patients of that part are left."
        return
    if lesson.curve.empty:
        yield "Nothing can be told of the AUC: no network is trained yet."
        return
    for _, point in lesson.curve.iterrows():
        told = limits(point["low"], point["high"], "{:.3f}".format)
        yield f"Trained on {point['labelled']:.0f} slices: test AUC {point['auc']:.3f} ({told})."
    if lesson.forecast is None:
        yield f"What another query would buy cannot be told: expected {FEWEST_POINTS} points of a learning curve."
    else:
        told = limits(lesson.forecast.low, lesson.forecast.high, pp)
        yield (
            f"Another {lesson.forecast.more} labels for training would change the AUC by {pp(lesson.forecast.gain)} pp "
            f"({told}), if it goes on along the logarithm of their number; curves flatten, so it may well be less."
        )
    if lesson.comparison is not None:
        row = lesson.comparison
        yield (
            f"{row['slices']:.0f} chosen slices against as many random ones: test AUC {pp(row['auc_difference'])} pp "
            f"({limits(row['both_low'], row['both_high'], pp)}), {row['n_runs']:.0f} trainings of either."
        )


def limits(low: float, high: float, text: Callable[[float], str]) -> str:
    """Return 95 % limits in words."""
    return "no interval can be told" if np.isnan(low) else f"95 % confidence interval {text(low)} to {text(high)}"
