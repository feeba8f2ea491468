"""How often the rules give each verdict where the truth is known: simulated studies, judged by `verdicts` itself.

``python -m brats_al_utils.beyond.population.operating docs`` writes ``operating_characteristics.csv`` and ``.md``.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm

from brats_al_utils.arrays import Array
from brats_al_utils.files import write_file
from brats_al_utils.findings.comparison import Pairs, compare, intervals, run_shares
from brats_al_utils.findings.scorecard import of_row
from brats_al_utils.findings.verdicts import (
    CANNOT_TELL,
    EQUIVALENCE,
    NOT_REPRODUCED,
    REPRODUCED,
    gain_verdict,
    number_verdict,
    sign_verdict,
)
from brats_al_utils.seeds import generator

STUDIES = 400
"""Number of simulated studies in each cell."""

TEST_SET, COHORT, SLICES, RUNS = (51, 15), (259, 76), 20, 10
"""Numbers of HGG and LGG patients in the paper's test set and cohort, of slices per patient, and of runs."""

FOLDS = 5
"""Number of folds in the cells in which every patient is tested, in two cycles of five runs."""

BASELINE, PROPOSED = 0.7991, 0.8289
"""The AUCs of Table 3 on the test set."""

PATIENT, ARM, RUN, SLICE = 0.8, 0.05, 0.03, 0.12
"""Shares of a score's variance within a class: what is a patient's in every network, in every run of an arm, in one
run, and a slice's. With these the AUC varies by about 5 pp (SD) over test sets: 4.8 was measured over splits."""

LESS_OF_ARMS = (0.02, 0.01)
"""Other values of ``ARM``: a guess, of which a study's own components of variance say more (`design.above_zero`)."""

TRAINING = 0.05
"""SD of a run's distance of the classes, in SDs of the score: AUC varies by 1.4 pp across runs, as the paper prints."""

CELLS: dict[str, tuple[float, bool, int] | tuple[float, bool, int, float]] = {
    "no gain, the paper's split": (BASELINE, True, 1),
    "no gain, another split": (BASELINE, False, 1),
    "no gain, all patients in folds": (BASELINE, False, FOLDS),
    "the printed gain, the paper's split": (PROPOSED, True, 1),
    "the printed gain, another split": (PROPOSED, False, 1),
    "the printed gain, all patients in folds": (PROPOSED, False, FOLDS),
    **{f"no gain, another split, arms differ by {arm:g}": (BASELINE, False, 1, arm) for arm in LESS_OF_ARMS},
}
"""The proposed method's true AUC; whether it and the baseline's hold on the very test patients or of all patients (on
another split the patients are easier or harder than the paper's were); in how many folds they are tested; and ``ARM``,
if another."""

PRINTED = 100 * (PROPOSED - BASELINE)


def study(random: np.random.Generator, proposed: float, papers_split: bool, folds: int, of_arm: float = ARM) -> Pairs:
    """Return the test results of one simulated study: ten runs of the proposed method and of the baseline.

    Binormal scores, the classes further apart the higher the AUC, with effects of patients, arms, runs and slices.
    """
    counts = TEST_SET if folds == 1 else COHORT
    positive = np.repeat([True, False], counts)
    of_patient = np.sqrt(PATIENT) * random.normal(size=len(positive))
    tested: list[Array] = []
    for _ in range(RUNS // folds):  # cycles; of one test set, each has one run
        dealt = np.concatenate([random.permutation(count) % folds for count in counts])
        tested += [dealt == fold for fold in range(folds)]
    aucs, shares = np.empty((2, RUNS)), np.zeros((2, RUNS, len(positive)))
    for arm, auc in enumerate((proposed, BASELINE)):
        typical = of_patient + np.sqrt(of_arm) * random.normal(size=len(positive))
        distance = float(np.sqrt(2) * norm.ppf(auc))
        if papers_split:
            distance = distance_on([noise(random, typical) for _ in range(RUNS)], np.repeat(positive, SLICES), auc)
        for run in range(RUNS):
            patient = np.repeat(np.flatnonzero(tested[run]), SLICES)
            shift = positive[patient] * (distance + TRAINING * random.normal())
            score = noise(random, typical[tested[run]]) + shift
            aucs[arm, run], shares[arm, run] = run_shares(score, positive[patient], patient, len(positive))
    keys = np.arange(2 * RUNS).reshape(2, -1).astype(str)
    return Pairs(("proposed", "baseline"), keys, aucs, shares, positive, folds)


def noise(random: np.random.Generator, typical: Array) -> Array:
    """Return a run's scores of each patient's slices, without the effect of the class."""
    of_run: Array = np.repeat(typical + np.sqrt(RUN) * random.normal(size=len(typical)), SLICES)
    of_run += np.sqrt(SLICE) * random.normal(size=len(of_run))
    return of_run


def distance_on(noises: list[Array], label: Array, auc: float) -> float:
    """Return the distance of the classes that gives some mean AUC on these patients."""
    low = [np.sort(noise[~label]) for noise in noises]

    def excess(distance: float) -> float:
        beaten = [
            np.searchsorted(of_low, noise[label] + distance).mean() / len(of_low)
            for noise, of_low in zip(noises, low, strict=True)
        ]
        return float(np.mean(beaten)) - auc

    return float(brentq(excess, -5.0, 10.0, xtol=1e-4))


def verdicts_of(pairs: Pairs) -> Iterator[tuple[str, str]]:
    """Yield the verdict of each rule on a study."""
    baseline = of_row(intervals(pairs).iloc[1], "auc_mean", 1, "")
    gain = of_row(compare(pairs, [pairs.arms]).iloc[0], "auc_difference", 100, "")  # type: ignore[list-item]
    runs_alone = replace(gain, low=gain.runs[0], high=gain.runs[1])
    yield f"the baseline's AUC, printed {BASELINE}", number_verdict(baseline, BASELINE)
    yield f"the gain, printed {PRINTED:.2f} pp", gain_verdict(gain, PRINTED)
    yield "the gain's side alone (another cohort)", sign_verdict(gain)
    yield "the gain's side across runs alone (no rule of ours)", sign_verdict(runs_alone)


def characteristics(studies: int = STUDIES, seed: int = 0) -> pd.DataFrame:
    """Return how often each verdict is given.

    Returns
    -------
    pd.DataFrame
        truth (of ``CELLS``), quantity, reproduced, not reproduced, cannot tell (shares of the studies), studies.
    """
    rows = []
    for truth, cell in CELLS.items():
        random = generator(seed, "operating characteristics", truth)
        found = [row for _ in range(studies) for row in verdicts_of(study(random, *cell))]
        rows.append(pd.DataFrame(found, columns=["quantity", "verdict"]).assign(truth=truth))
    table = pd.concat(rows)
    counts = table.groupby(["truth", "quantity"], sort=False)["verdict"].value_counts(normalize=True).unstack()
    shares = counts.reindex(columns=[REPRODUCED, NOT_REPRODUCED, CANNOT_TELL]).fillna(0)
    return shares.rename_axis(None, axis=1).reset_index().assign(studies=studies)


def markdown(table: pd.DataFrame) -> str:
    """Return the characteristics as a page of the documentation."""
    verdicts = [REPRODUCED, NOT_REPRODUCED, CANNOT_TELL]
    lines = [
        "# How often each verdict is given",
        "",
        f"{table['studies'].iloc[0]} simulated studies a row ({TEST_SET[0]} HGG and {TEST_SET[1]} LGG test patients, "
        f"or {COHORT[0]} and {COHORT[1]} in {FOLDS} folds; {SLICES} slices each, {RUNS} runs an arm), judged by the "
        f"functions that judge the scorecard's rows, with a margin of {EQUIVALENCE:g} pp. "
        f"What a patient is in one arm alone has {ARM:g} of a score's variance, where no other share is named. "
        "`python -m brats_al_utils.beyond.population.operating docs` writes this page anew; its module says what is "
        "simulated.",
        "",
        "| the truth | judged | " + " | ".join(verdicts) + " |",
        "|---|---|" + "--:|" * len(verdicts),
    ]
    for _, row in table.iterrows():
        shares = " | ".join(f"{100 * row[name]:.1f} %" for name in verdicts)
        lines.append(f"| {row['truth']} | {row['quantity']} | {shares} |")
    return "\n".join(lines) + "\n"


def main(folder: str) -> None:
    """Write the table and the page into a folder."""
    table = characteristics()
    write_file(Path(folder) / "operating_characteristics.csv", table.to_csv(index=False, lineterminator="\n").encode())
    write_file(Path(folder) / "operating_characteristics.md", markdown(table).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
