"""The learning curve of an annotation with a simulated reader, compared with random sampling.

``python tools/annotation_loop.py DIR OUT`` writes ``annotation_loop.svg``, ``.png`` and ``.csv`` into
OUT for a folder of labelled images (``cohort.csv``) such as the open cohort. It keeps the trained networks in
``OUT/loop``; started again, it resumes. The reader knows the labels and errs at a fixed rate. The sizes below were set
before any result, for about a quarter of an hour of two cores: see docs/annotation.md.
"""

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from brats_al_utils.beyond.annotation.answers import Answer, append, digest, now
from brats_al_utils.beyond.annotation.candidates import read_candidates
from brats_al_utils.beyond.annotation.committee import taught, trainable
from brats_al_utils.beyond.annotation.query import query
from brats_al_utils.beyond.annotation.session import ANSWERS, SETTINGS, Session, begun
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.naming import cohort_name, remarks
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.files import beside
from brats_al_utils.findings.comparison import compare, intervals, patient_pairs
from brats_al_utils.seeds import generator
from brats_al_utils.show.style import PAGE, STYLE, Drawing, arm_style, distances, keep_within, save
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import PROFILES, Profile, profile_of

ERROR_RATE = 0.05
"""Share of the slices on which the reader errs."""

BUDGETS = (60, 40, 40, 40, 40)
"""Number of slices of each query; the first, drawn at random, is the same for both strategies."""

REPEATS = 3
"""Repeats with other held-out patients, draws and networks; with fewer there is no interval."""

SIZES = {"image_size": 64, "epochs": 10}
"""Settings that differ from `session.SETTINGS`."""

ARMS = ("middle", "random")
"""The compared strategies."""

READER = "simulated reader"


def read_by(
    names: Iterable[str], images: Mapping[str, Path], truth: Mapping[str, str], error_rate: float, seed: int
) -> list[Answer]:
    """Return the answers of a reader who knows the truth and errs on a fixed share of the slices, always the same.

    Parameters
    ----------
    names : iterable of str
        The slice_id of each slice.
    images : mapping of str to Path
        The file of each slice.
    truth : mapping of str to str
        The class of each slice, one of two.
    """
    classes = sorted(set(truth.values()))
    given = []
    for name in names:
        errs = generator(seed, READER, name).random() < error_rate
        label = classes[1 - classes.index(truth[name])] if errs else truth[name]
        given.append(Answer(name, label, READER, now(), digest(images[name])))
    return given


def simulated_profile(classes: tuple[str, ...], sizes: Mapping[str, object] | None = None) -> Profile:
    """Return the profile of a loop; ``classes`` are positive, negative, and ``sizes`` replaces ``SIZES``."""
    return profile_of("open", SETTINGS | dict(sizes or SIZES) | {"classes": classes})


def simulate(
    data: Path,
    out: Path,
    profile: Profile,
    budgets: Sequence[int] = BUDGETS,
    repeats: int = REPEATS,
    error_rate: float = ERROR_RATE,
) -> pd.DataFrame:
    """Let a simulated reader answer one query after the other, and return each committee's predictions of the test set.

    Parameters
    ----------
    data : Path
        Folder of a table of images with all labels, which are hidden from the queries.
    out : Path
        Folder for all files; started again, it resumes.

    Returns
    -------
    pd.DataFrame
        A row for every committee and slice of its test set: arm (of ``ARMS``), seed and fold (the repeat), query
        (number of answered queries), annotated (slices answered so far), patient_id, label (the true one), score, key.
    """
    cohort = read_candidates(data, classes=profile.classes)
    hidden = replace(cohort, cases=cohort.cases.assign(class_name=""))
    label = cohort.cases.set_index("named")["class_name"]
    frames = []
    for repeat in range(repeats):
        folder, own = out / f"repeat-{repeat}", replace(profile, seed=repeat)

        def opened(name: str, folder: Path = folder, own: Profile = own) -> Session:
            return begun(hidden, own, folder / name, out / "sets")

        def reader(session: Session, names: Iterable[str], seed: int = repeat) -> list[Answer]:
            image = dict(zip(session.slices["slice_id"], session.slices["image"], strict=True))
            files = {name: data / file for name, file in image.items()}
            return read_by(names, files, {name: label[file] for name, file in image.items()}, error_rate, seed)

        answer_all(lambda: opened("start"), reader, "random", budgets[:1])
        for arm in ARMS:
            if not (folder / arm).exists():
                copy = beside(folder / arm)
                shutil.copytree(folder / "start", copy)
                copy.rename(folder / arm)
            session = answer_all(lambda arm=arm: opened(arm), reader, arm, budgets)  # type: ignore[misc]
            frames.append(tested(session, label).assign(arm=arm, seed=repeat, fold=repeat))
    return pd.concat(frames, ignore_index=True)


def answer_all(
    opened: Callable[[], Session],
    reader: Callable[[Session, Iterable[str]], list[Answer]],
    strategy: str,
    budgets: Sequence[int],
) -> Session:
    """Make and answer a query for each budget, train after each, and return the session."""
    while True:
        session = opened()
        asked = [name for done in session.state.queries for name in done.asked]
        if new := [name for name in asked if name not in session.answers]:
            append(session.folder / ANSWERS, *reader(session, new))
            session = opened()
        if trainable(session):
            session, _, _ = taught(session)
        if len(session.state.queries) >= len(budgets):
            return session
        query(session, budgets[len(session.state.queries)], strategy)


def tested(session: Session, label: pd.Series) -> pd.DataFrame:
    """Return the predictions of a loop's committees for its test set, as `simulate`; ``label``: each image's class."""
    queries = session.state.queries
    counts = np.cumsum([len(done.asked) for done in queries])
    final = max(point.labelled for point in session.state.points)
    # A query's number of training labels before it is that of the committee trained after the previous query.
    after = {done.labelled: number for number, done in enumerate(queries)} | {final: len(queries)}
    rows = session.slices.set_index("slice_id")
    frames = []
    for point in session.state.points:
        names = list(point.probability)
        frames.append(
            pd.DataFrame(
                {
                    "query": after[point.labelled],
                    "annotated": counts[after[point.labelled] - 1],
                    "patient_id": rows.loc[names, "patient_id"].to_numpy(),
                    "label": (rows.loc[names, "image"].map(label) == session.cohort.classes[1]).astype(int).to_numpy(),
                    "score": list(point.probability.values()),
                    "key": point.fingerprint,
                }
            )
        )
    return pd.concat(frames)


def loop_curve(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the learning curve of each strategy, and the difference of the two, from the predictions of `simulate`.

    Returns
    -------
    pd.DataFrame
        annotated, arm (or ``middle less random``), auc (slice-level; or the difference), low, high (95 % limits across
        repeats and patients), repeats; a row for each query after which all committees were trained.
    """
    rows = []
    for _, of_query in predictions.groupby("query"):
        if of_query.groupby("arm")["seed"].nunique().reindex(ARMS, fill_value=0).min() < predictions["seed"].nunique():
            continue
        pairs = patient_pairs(of_query, "slice")
        annotated, repeats = int(of_query["annotated"].iloc[0]), of_query["seed"].nunique()
        told = [*intervals(pairs).to_dict(orient="records"), *compare(pairs, [ARMS]).to_dict(orient="records")]
        for row, arm in zip(told, (*pairs.arms, " less ".join(ARMS)), strict=True):
            value = row.get("auc_mean", row.get("auc_difference"))
            rows.append((annotated, arm, value, row["both_low"], row["both_high"], repeats))
    return pd.DataFrame(rows, columns=["annotated", "arm", "auc", "low", "high", "repeats"])


@plt.style.context(STYLE)
def loop(curve: pd.DataFrame) -> Drawing:
    """Draw `loop_curve`: the test AUC over all annotated slices, and the strategy's difference from random sampling."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 3.4))
    styles = dict(zip(ARMS, (arm_style("proposed"), arm_style("random")), strict=True))
    for arm, rows in curve.groupby("arm", sort=False):
        axes = left if arm in styles else right
        style = styles.get(str(arm), arm_style(""))
        ends = distances(rows, "auc", "low", "high")
        axes.errorbar(rows["annotated"], rows["auc"], yerr=ends, capsize=2, lw=0.9, label=arm, **style)
    for axes in (left, right):
        axes.set_xlabel("annotated slices, held-out ones included")
    left.set_ylabel("test AUC, slice-level")
    left.legend()
    keep_within(left, 0, 1.02)
    right.axhline(0, color="0.6", lw=0.8)
    right.set_ylabel(" less ".join(ARMS))
    return Drawing("annotation_loop", figure, curve)


def caption(cohort: Cohort) -> str:
    """Return the figure's caption."""
    manifest = {"name": cohort.name, "channels": ["image"]}
    slices = SliceSet(Path(), manifest, cohort.cases, np.empty(0), np.empty(0))
    name = cohort_name(slices)
    parts = [
        name[0].upper() + name[1:],
        *remarks(slices),
        f"simulated reader who errs on {100 * ERROR_RATE:.0f} % of the slices",
        f"{SIZES['image_size']} pixels, {SIZES['epochs']} epochs",
        f"{REPEATS} repeats, each with other patients held out",
        "bars: 95 % confidence interval across repeats and patients",
    ]
    return "; ".join(parts)


def main(data: str, out: str) -> None:
    """Simulate, draw, and write the figure and its numbers."""
    profile = simulated_profile(PROFILES["open"].classes)
    places = Places(Path(out), Path(out) / "loop")
    places.make()  # with a file that hides the images from git
    curve = loop_curve(simulate(Path(data), places.outputs, profile))
    cohort = read_candidates(Path(data), classes=profile.classes)
    save(loop(curve), places.figures, caption(cohort))
    print(curve.round(4).to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
