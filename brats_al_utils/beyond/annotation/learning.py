"""What was learned from the answers: what changed, the learning curve so far, and the gain of another query.

Everything is measured on the patients held out for testing, whom no strategy ever chose or avoided.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from brats_al_utils.arrays import Array
from brats_al_utils.beyond.annotation.answers import SKIP
from brats_al_utils.beyond.annotation.candidates import UNLABELLED
from brats_al_utils.beyond.annotation.committee import FEWEST, computed, labels_of, needed, taught, trainable
from brats_al_utils.beyond.annotation.draws import WHY, drawn_at_random
from brats_al_utils.beyond.annotation.session import TEST, TRAINING, VALIDATION, Session, numbers
from brats_al_utils.findings.comparison import (
    Error,
    Pairs,
    across_patients,
    auc_limits,
    by_part,
    compare,
    difference_limits,
    freedom,
    patient_pairs,
)
from brats_al_utils.findings.sentences import pp
from brats_al_utils.findings.statistics import NEGLIGIBLE
from brats_al_utils.seeds import generator
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.stages import compute_missing, run_of
from brats_al_utils.study.study import Study

CHOSEN, RANDOM = "chosen", "random"

FEWEST_POINTS = 3
"""Smallest number of points of a learning curve through which a line is fitted: with two, it has no scatter."""


@dataclass(frozen=True)
class Forecast:
    """The expected rise of the AUC, from the learning curve so far.

    Attributes
    ----------
    more : int
        Number of further training labels.
    gain, low, high : float
        Gain of the AUC and its 95 % limits, NaN if unknown.
    """

    more: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Lesson:
    """The result of `learn`.

    Attributes
    ----------
    changes : dict of str to int
        Number of answers that are new, changed or taken back since the last time.
    answered : dict of str to int
        Number of slices with each answer.
    waiting : int
        Number of proposals of the last query without an answer.
    labelled : dict of str to tuple of int
        See `committee.labels_of`.
    curve : pd.DataFrame
        labelled (slices trained on), auc, low, high: see `learning_curve`.
    forecast : Forecast, optional
    comparison : pd.Series, optional
        Chosen slices against as many random ones: a row of `comparison.compare`, and ``slices``, their number.
    needs : str
        See `committee.needed`.
    """

    changes: dict[str, int]
    answered: dict[str, int]
    waiting: int
    labelled: dict[str, tuple[int, int]]
    curve: pd.DataFrame
    forecast: Forecast | None
    comparison: pd.Series | None
    needs: str


def learn(session: Session) -> tuple[Session, Lesson]:
    """Count the answers, train on them if there are enough, and return what was learned.

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
    comparison, needs = None, needed(session)
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
        needs,
    )
    return session.keep(lambda state: replace(state, learned=now)), lesson


def chosen_against_random(session: Session, study: Study) -> pd.Series | None:
    """Train on chosen and on as many random slices, each beside those that the table labels, and compare them.

    Returns
    -------
    pd.Series or None
        See `Lesson`; None if there are fewer than ``FEWEST`` slices of either kind, or the test set has one class.
    """
    label, given = session.label, session.slices["known"]
    answered = session.training[(given == UNLABELLED).to_numpy()[session.training]]
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
    compute_missing(study, named, "networks that compare chosen with random slices")
    frames = []
    for (arm, number), run in runs.items():
        said = pd.Series(computed(study, run).arrays["probability/pool"], names[test])
        frames.append(tested.assign(arm=arm, seed=number, score=tested["slice_id"].map(said), key=run.key))
    pairs = patient_pairs(pd.concat(frames, ignore_index=True), "slice")
    return compare(pairs, [(CHOSEN, RANDOM)]).assign(slices=size).iloc[0]


def test_labels(session: Session) -> pd.DataFrame:
    """Return slice_id, patient_id and label of the labelled slices of the test set."""
    rows = session.slices.assign(label=session.label)[(session.label != UNLABELLED) & (session.part == TEST)]
    return rows[["slice_id", "patient_id", "label"]]


def curve_pairs(session: Session, tested: pd.DataFrame) -> Pairs | None:
    """Return the pairs of test patients for each committee so far; an arm is named by its number of labels.

    Of two committees with as many labels, the later one counts. None if there is no committee, or a class is missing.
    """
    points = {str(point.labelled): point for point in sorted(session.state.points, key=lambda point: point.labelled)}
    for point in points.values():
        tested = tested[tested["slice_id"].isin(point.probability)]
    if not points or tested["label"].nunique() < 2:
        return None
    frames = [
        tested.assign(arm=arm, seed=0, score=tested["slice_id"].map(point.probability), key=point.fingerprint)
        for arm, point in points.items()
    ]
    return patient_pairs(pd.concat(frames, ignore_index=True), "slice")


def learning_curve(pairs: Pairs) -> pd.DataFrame:
    """Return labelled, auc, low and high of each committee: 95 % limits across the patients of the test set."""
    rows = []
    for place, arm in enumerate(pairs.arms):
        auc = float(pairs.aucs[place, 0])
        rows.append((int(arm), auc, *auc_limits(auc, across_patients(pairs, arm))))
    return pd.DataFrame(rows, columns=["labelled", "auc", "low", "high"])


def forecast(pairs: Pairs, more: int) -> Forecast | None:
    """Return the gain in AUC from further labels, along a straight line over the logarithm of their number.

    None with fewer than ``FEWEST_POINTS``. The gain is a weighted sum of the AUCs so far. So its variance across
    patients comes from the same sum of each patient's contributions (see `comparison`), and its variance across
    trainings from the scatter about the line. Learning curves flatten, so the line may promise too much.
    """
    labelled = np.array([int(arm) for arm in pairs.arms])
    if len(labelled) < FEWEST_POINTS:
        return None
    steps = np.log2(labelled)
    centred = steps - steps.mean()
    weights = centred / (centred**2).sum() * np.log2(1 + more / labelled[-1])
    aucs = pairs.aucs[:, 0]
    gain = float(weights @ aucs)
    low, high = difference_limits(gain, error_of(pairs, weights, scatter(centred, aucs)))
    return Forecast(more, gain, low, high)


def scatter(centred: Array, values: Array) -> float:
    """Return the variance of values about their regression line (steps of mean 0), with n - 2 degrees of freedom."""
    slope = centred @ values / (centred**2).sum()
    return float(((values - values.mean() - slope * centred) ** 2).sum() / (len(values) - 2))


def error_of(pairs: Pairs, weights: Array, residual: float) -> Error:
    """Return the standard error of a weighted sum of the arms' AUCs, across patients and trainings.

    Parameters
    ----------
    weights : np.ndarray [arms] of float
    residual : float
        Variance of an AUC from training to training, with arms - 2 degrees of freedom.
    """
    parts = by_part(pairs, weights @ pairs.shares[:, 0])
    if not (parts > NEGLIGIBLE**2).all() or (pairs.freedom < 1).any():
        return Error()
    parts = np.append(parts, residual * (weights**2).sum())
    counts = np.append(pairs.freedom, len(weights) - 2)
    used = parts > 0
    return Error(float(np.sqrt(parts.sum())), freedom(parts[used], counts[used]))


def sentences(lesson: Lesson, classes: tuple[str, str]) -> Iterator[str]:
    """Yield what was learned in words; ``classes`` are negative, positive."""
    changed = ", ".join(f"{count} {what}" for what, count in lesson.changes.items())
    answered = ", ".join(f"{count} {label}" for label, count in lesson.answered.items()) or "none"
    yield f"Answers: {changed}; now {answered}; {lesson.waiting} proposals of the last query have none."
    for part, counted in lesson.labelled.items():
        what = "patients" if part == TEST else "slices"
        told = " and ".join(f"{count} {name}" for count, name in zip(counted[::-1], classes[::-1], strict=True))
        yield f"Labelled for {part}: {told} {what}."
    if lesson.needs:
        yield f"{lesson.needs} Until then no AUC is given. Queries ask for such labels while patients are left."
        return
    if lesson.curve.empty:
        yield "No AUC is given: no network is trained yet."
        return
    for _, point in lesson.curve.iterrows():
        told = limits(point["low"], point["high"], "{:.3f}".format)
        yield f"Trained on {point['labelled']:.0f} slices: test AUC {point['auc']:.3f} ({told})."
    if lesson.forecast is None:
        yield f"The gain of another query cannot be estimated yet: that needs {FEWEST_POINTS} points of the curve."
    else:
        told = limits(lesson.forecast.low, lesson.forecast.high, pp)
        yield (
            f"Another {lesson.forecast.more} labels for training would change the AUC by {pp(lesson.forecast.gain)} pp "
            f"({told}) if it continues along the logarithm of their number. Curves flatten, so expect less."
        )
    if lesson.comparison is not None:
        row = lesson.comparison
        yield (
            f"{row['slices']:.0f} chosen slices against as many random ones: test AUC {pp(row['auc_difference'])} pp "
            f"({limits(row['both_low'], row['both_high'], pp)}), {row['n_runs']:.0f} trainings of either."
        )


def limits(low: float, high: float, text: Callable[[float], str]) -> str:
    """Return 95 % limits in words."""
    return "no interval can be given" if np.isnan(low) else f"95 % confidence interval {text(low)} to {text(high)}"
