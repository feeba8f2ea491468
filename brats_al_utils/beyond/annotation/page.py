"""What notebook 10 shows beside the reader's desk: the proposals' reasons, the readers' agreement, what was learned."""

from collections.abc import Callable, Iterable
from io import BytesIO
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from brats_al_utils.beyond.annotation.answers import Answer, agreement
from brats_al_utils.beyond.annotation.committee import needed, trainable
from brats_al_utils.beyond.annotation.learning import Lesson, learn, sentences
from brats_al_utils.beyond.annotation.session import Session
from brats_al_utils.beyond.explorer.controls import Button
from brats_al_utils.show.panel import Asked, Panel, Picture, View
from brats_al_utils.show.style import PAGE, STYLE, Drawing, arm_style, distances
from brats_al_utils.show.tables import COUNT, SHARE, Columns, in_words

BUTTON = (Button("learn", "Train on the answers so far, and say what was learned"),)


def asked(session: Session, query: pd.DataFrame) -> str:
    """Return as Markdown what is proposed and why, and whether there are too few labels for a committee."""
    counts = "; ".join(f"{count} {why}" for why, count in query["why"].value_counts().sort_index().items())
    said = f"Of {session.askable.sum()} slices without a label, {len(query)} are proposed: {counts}."
    if not trainable(session):
        said += f" **{needed(session)}** Until then no committee can choose, and all of these are drawn at random."
    return f"**{session.cohort.name.capitalize()}.** {said}"


def agreements(answers: Iterable[Answer]) -> pd.DataFrame:
    """Return how far any two readers agree, a row for each pair."""
    every = list(answers)
    pairs = combinations(sorted({answer.reader for answer in every}), 2)
    rows = [(f"{first} and {second}", *agreement(every, first, second)) for first, second in pairs]
    table = pd.DataFrame(rows, columns=["readers", "slices", "share", "kappa"])
    columns: Columns = {
        "readers": ("readers", str),
        "slices": ("slices answered by both", COUNT),
        "share": ("same answer", SHARE),
        "kappa": ("Cohen's kappa", "{:.2f}".format),
    }
    return in_words(table, columns)


def lessons(opened: Callable[[], Session]) -> Panel[View]:
    """Return a button that trains on the answers so far, and shows what was learned.

    Parameters
    ----------
    opened : callable
        Opens the annotation with the answers given by then.
    """

    def learn_now(_: View, __: Asked) -> View:
        session, lesson = learn(opened())
        told = tuple(("", line) for line in sentences(lesson, session.cohort.classes))
        if lesson.curve.empty or lesson.needs:
            return View(BUTTON, facts=told)
        curve = Picture(
            "curve", png(learned(lesson)), "95 % confidence intervals across patients", "learning curve", width=520
        )
        return View(BUTTON, (curve,), told)

    return Panel(View(BUTTON), learn_now, lambda view: view)


@plt.style.context(STYLE)
def png(drawing: Drawing) -> bytes:
    """Return a drawing as a PNG file, and close it."""
    file = BytesIO()
    drawing.figure.savefig(file)
    plt.close(drawing.figure)
    return file.getvalue()


@plt.style.context(STYLE)
def learned(lesson: Lesson) -> Drawing:
    """Draw the test AUC against the number of labels trained on, and the forecast for another query."""
    curve, ahead = lesson.curve, lesson.forecast
    figure, axes = plt.subplots(figsize=(PAGE * 0.6, 3))
    ends = distances(curve, "auc", "low", "high")
    axes.errorbar(curve["labelled"], curve["auc"], yerr=ends, capsize=2, **arm_style(""))
    ticks = curve["labelled"].tolist()
    if ahead is not None:
        auc, last = curve["auc"].iloc[-1], ticks[-1]
        ticks.append(last + ahead.more)
        ends = np.nan_to_num([[ahead.gain - ahead.low], [ahead.high - ahead.gain]])
        style = arm_style("", learned=False) | {"ls": "--", "capsize": 2}
        axes.errorbar(ticks[-2:], [auc, auc + ahead.gain], yerr=np.hstack([np.zeros((2, 1)), ends]), **style)
    axes.axhline(0.5, color="0.6", lw=0.8)
    axes.set(xscale="log", xlabel="slices trained on", ylabel="slice-level test AUC", ylim=(0, 1.02))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    return Drawing("learning_curve", figure, curve)
