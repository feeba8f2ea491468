"""What notebook 10 shows beside the reader's desk: the proposals, how readers agree, and the learning curve so far."""

from collections.abc import Iterable, Sequence
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from brats_al_utils.beyond.annotation.answers import Answer, agreement
from brats_al_utils.beyond.annotation.committee import lacking, needed, trainable
from brats_al_utils.beyond.annotation.learning import Lesson
from brats_al_utils.beyond.annotation.pictures import MAX_LEVEL, grey_levels
from brats_al_utils.beyond.annotation.proposals import Proposal
from brats_al_utils.beyond.annotation.session import Session
from brats_al_utils.show.style import PAGE, PALETTE, STYLE, Drawing, distances
from brats_al_utils.show.tables import COUNT, SHARE, Columns, in_words

PER_ROW = 4
SHOWN = 8
"""Proposals that are drawn."""


def asked(session: Session, query: pd.DataFrame) -> str:
    """Return in words, as Markdown, what is proposed and why, and whether there are too few labels to choose by."""
    counts = "; ".join(f"{count} {why}" for why, count in query["why"].value_counts().sort_index().items())
    said = (
        f"**{session.cohort.name.capitalize()}.** Of {session.askable.sum()} slices without a label, {len(query)} are "
    )
    said += f"proposed: {counts}."
    if not trainable(session):
        needs = needed(lacking(session), session.cohort.classes)
        said += f" **{needs}** Until then no committee can choose, and all of these are drawn at random."
    return said


@plt.style.context([*STYLE, {"axes.grid": False}])
def proposals(proposed: Sequence[Proposal], query: pd.DataFrame) -> Drawing:
    """Draw the first proposals, each with its rank and why it was proposed; for synthetic cohorts only.

    Parameters
    ----------
    query : pd.DataFrame
        Of `query.query`.
    """
    drawn = proposed[:SHOWN]
    rows = query.set_index("slice_id").loc[[proposal.first.slice_id for proposal in drawn]]
    height = -(-len(drawn) // PER_ROW)
    figure, grid = plt.subplots(height, PER_ROW, figsize=(PAGE, PAGE / PER_ROW * height * 1.2), squeeze=False)
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[], frame_on=False)
    for axes, proposal, (_, row) in zip(grid.ravel(), drawn, rows.iterrows(), strict=False):
        levels, scale = grey_levels(proposal.first.file, proposal.first.z)
        white = MAX_LEVEL * (scale.white - scale.low) / (scale.high - scale.low)
        axes.imshow(levels, cmap="gray", vmin=0, vmax=white, aspect=1 / scale.aspect)
        ranked = f"rank {row['rank']}, " * (not pd.isna(row["rank"]) and row["rank"] != "")
        axes.set_title(f"{proposal.patient_id}: {ranked}{row['why']}", fontsize=6)
    return Drawing("proposals", figure, rows[["rank", "score", "why"]].reset_index())


def agreements(answers: Iterable[Answer]) -> pd.DataFrame:
    """Return how far any two readers agree: a row a pair."""
    every = list(answers)
    rows = []
    for first, second in combinations(sorted({answer.reader for answer in every}), 2):
        found = agreement(every, first, second)
        rows.append((f"{first} and {second}", found.slices, found.share, found.kappa))
    table = pd.DataFrame(rows, columns=["readers", "slices", "share", "kappa"])
    columns: Columns = {
        "readers": ("readers", str),
        "slices": ("slices answered by both", COUNT),
        "share": ("same answer", SHARE),
        "kappa": ("Cohen's kappa", "{:.2f}".format),
    }
    return in_words(table, columns)


@plt.style.context(STYLE)
def learned(lesson: Lesson) -> Drawing:
    """Draw the test AUC against the number of labels trained on, and where another query would lead."""
    curve, ahead = lesson.curve, lesson.forecast
    figure, axes = plt.subplots(figsize=(PAGE * 0.6, 2.6))
    ends = distances(curve, "auc", "low", "high")
    axes.errorbar(curve["labelled"], curve["auc"], yerr=ends, marker="o", ms=4, capsize=2, color=PALETTE["blue"])
    ticks = curve["labelled"].tolist()
    if ahead is not None:
        auc, last = curve["auc"].iloc[-1], ticks[-1]
        ticks.append(last + ahead.more)
        ends = np.nan_to_num([[ahead.gain - ahead.low], [ahead.high - ahead.gain]])
        style = {"marker": "o", "ms": 4, "mfc": "white", "ls": "--", "capsize": 2, "color": PALETTE["orange"]}
        axes.errorbar(ticks[-2:], [auc, auc + ahead.gain], yerr=np.hstack([np.zeros((2, 1)), ends]), **style)
    axes.axhline(0.5, color="0.6", lw=0.8)
    axes.set(xscale="log", xlabel="slices trained on", ylabel="slice-level test AUC", ylim=(0, 1.02))
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    return Drawing("learning_curve", figure, curve)
