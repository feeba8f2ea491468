"""How often the interval across runs and patients holds the truth, where it is known: simulated studies in folds.

``python tests/known_truth.py docs`` writes ``coverage.csv`` and ``coverage.md`` there (a few minutes of one core).

Scores of a slice are skewed or have heavy tails in every part: what is a person's in every network (gamma), in every
run of an arm (t), in one run (normal), and a slice's (t, logistic); and how far a person's two classes are apart is
that person's too (gamma). Two arms are alike but for how far a run has the classes apart: at random, and by the persons
that it was trained on, each of whom pulls a little.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from brats_al_utils.cohorts.split import redrawn
from brats_al_utils.files import write_file
from brats_al_utils.findings.comparison import Pairs, across_both, classes_of, run_sd, run_shares
from brats_al_utils.networks.training import auc
from brats_al_utils.seeds import generator

Array = np.ndarray[Any, Any]

PERSONS, SLICES, FOLDS, STUDIES = 110, 20, 5, 1000
CYCLES, RUN_SDS, COHORT_EFFECTS = (1, 4), (0.0, 1.5, 3.0, 6.0), (0.0, 1.0)
DISTANCE = 2.6
"""Of the classes, on average; a slice-level AUC of 0.87."""


def both_classes(random: np.random.Generator) -> Array:
    """Every person has slices of both classes, a third of them positive: as the LGG set."""
    label = random.random((PERSONS, SLICES)) < random.beta(4, 7, PERSONS)[:, None]
    label[:, 0], label[:, 1] = True, False
    return np.asarray(label)


TEN = np.arange(PERSONS)[:, None] < 10


LAYOUTS: dict[str, Callable[[np.random.Generator], Array]] = {
    "both classes in each person": both_classes,
    "both classes in 10 persons": lambda _: TEN & (np.arange(SLICES) < SLICES // 2),
    "10 persons of one class": lambda _: np.repeat(TEN, SLICES, axis=1),
}


@dataclass(frozen=True)
class Study:
    """One cohort: whether each slice is positive [persons, slices], and what is each person's and slice's own."""

    label: Array
    typical: Array
    apart: Array
    slices: Array


def cohort(random: np.random.Generator, layout: str) -> Study:
    """Return a cohort."""
    typical, apart = (random.gamma(shape, 1 / shape, PERSONS) for shape in (2, 3))
    slices = 0.6 * random.standard_t(5, (PERSONS, SLICES))
    return Study(LAYOUTS[layout](random), 1.4 * typical, apart, slices)


def deal(random: np.random.Generator, label: Array, cycles: int) -> list[tuple[Array, Array]]:
    """Return whom each run tests and trains on, by number: folds within each kind of person, anew each cycle."""
    kinds, runs = label.any(1) + 2 * (~label).any(1), []
    for _ in range(cycles):
        fold = np.empty(PERSONS, int)
        for kind in np.unique(kinds):
            (own,) = np.nonzero(kinds == kind)
            fold[own] = random.permutation(len(own)) % FOLDS
        for run in range(FOLDS):
            runs.append((np.flatnonzero(fold == run), np.flatnonzero(~np.isin(fold, (run, (run + 1) % FOLDS)))))
    return runs


def scores(random: np.random.Generator, study: Study, tested: list[Array], distance: Array) -> list[Array]:
    """Return the scores [persons, slices] of each run of one arm."""
    typical = study.typical + 0.3 * random.standard_t(6, PERSONS)
    apart = study.apart * np.exp(0.15 * random.normal(size=PERSONS))
    return [
        (typical[who] + 0.3 * random.normal(size=len(who)))[:, None]
        + far * apart[who, None] * study.label[who]
        + study.slices[who]
        + 0.3 * random.logistic(size=(len(who), SLICES))
        for who, far in zip(tested, distance, strict=True)
    ]


def expected(layout: str, distances: Array, cohorts: int = 400) -> Array:
    """Return the expected AUC in a fold at each distance of the classes, by the same chance at each."""
    found = np.zeros(len(distances))
    for number in range(cohorts):
        random = generator(number, "expected", layout)
        study = cohort(random, layout)
        tested = [test for test, _ in deal(random, study.label, 1)]
        state = random.bit_generator.state
        for place, distance in enumerate(distances):
            random.bit_generator.state = state
            for who, score in zip(tested, scores(random, study, tested, np.full(FOLDS, distance)), strict=True):
                found[place] += auc(study.label[who].ravel().astype(int), score.ravel())
    return found / (cohorts * FOLDS)


@dataclass(frozen=True)
class Truth:
    """The expected AUC by distance; from an AUC to a distance, about ``DISTANCE``."""

    distances: Array
    aucs: Array

    def per_pp(self) -> float:
        """Return by how much distance an AUC rises by one pp."""
        rise = np.subtract(*np.interp(DISTANCE + np.array([0.25, -0.25]), self.distances, self.aucs))
        return float(0.01 * 0.5 / rise)

    def mean(self, shift: float, spread: float) -> float:
        """Return the mean AUC of runs whose distances are normal about a shifted one."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(15)
        return float(weights @ np.interp(DISTANCE + shift + spread * nodes, self.distances, self.aucs) / weights.sum())


def simulated(
    random: np.random.Generator, layout: str, cycles: int, spread: float, effect: float
) -> tuple[Pairs, float]:
    """Return a study of two arms that are alike, and how far its cohort moves the first one, both in distances.

    Parameters
    ----------
    spread : float
        SD of a difference between two runs, beyond what their persons explain.
    effect : float
        SD of what all persons together move a run that was trained on them all.
    """
    study, runs = cohort(random, layout), FOLDS * cycles
    dealt = deal(random, study.label, cycles)
    pull = effect * np.sqrt(PERSONS) * random.normal(size=PERSONS)
    distance = DISTANCE + spread / np.sqrt(2) * random.normal(size=(2, runs))
    distance[0] += [pull[trained].mean() for _, trained in dealt]
    tested, aucs, shares = [test for test, _ in dealt], np.empty((2, runs)), np.zeros((2, runs, PERSONS))
    for arm in range(2):
        for run, score in enumerate(scores(random, study, tested, distance[arm])):
            who = tested[run]
            label, whose = study.label[who].ravel(), np.repeat(who, SLICES)
            aucs[arm, run], shares[arm, run] = run_shares(score.ravel(), label, whose, PERSONS)
    keys = np.arange(2 * runs).reshape(2, -1).astype(str)
    classes = classes_of(np.repeat(np.arange(PERSONS), SLICES), study.label.ravel())
    return Pairs(("a", "b"), keys, aucs, shares, classes, FOLDS), float(pull.mean())


def coverage(studies: int = STUDIES, seed: int = 0, layouts: tuple[str, ...] = tuple(LAYOUTS)) -> pd.DataFrame:
    """Return how often the interval across both of a difference holds the truth.

    Returns
    -------
    pd.DataFrame
        persons (of ``LAYOUTS``), runs, run_sd and cohort_effect (pp, of the difference); held (of the gain that other
        runs, trained on the same persons, have on others), half_width (pp, mean); zero (share of studies whose runs
        are estimated not to differ of their own), held_if_zero; another_cohort (of the gain of runs that are trained on
        other persons too), nadeau_bengio (of the same, with their term), its half width; studies.
    """
    rows = []
    for layout in layouts:
        distances = np.linspace(DISTANCE - 2.5, DISTANCE + 3.5, 13)
        truth = Truth(distances, expected(layout, distances))
        for place in np.ndindex(len(CYCLES), len(RUN_SDS), len(COHORT_EFFECTS)):
            cycles, sd, pp = CYCLES[place[0]], RUN_SDS[place[1]], COHORT_EFFECTS[place[2]]
            random, found = generator(seed, "coverage", layout, *map(str, place)), []
            spread, effect = sd * truth.per_pp(), pp * truth.per_pp()
            # Three fifths of the persons are trained on: by which of them varies too, in one arm.
            of_arms = np.hypot(spread / np.sqrt(2), effect * np.sqrt(2 / 3)), spread / np.sqrt(2)
            other = truth.mean(0, of_arms[1])
            any_cohort = truth.mean(0, np.hypot(of_arms[0], effect)) - other
            for _ in range(studies):
                pairs, moved = simulated(random, layout, cycles, spread, effect)
                gain, error = float(np.subtract(*pairs.aucs).mean()), across_both(pairs, "a", "b")
                own = run_sd(pairs, "a", "b")
                half = error.error * t.ppf(0.975, error.freedom)
                wide = np.hypot(error.error, own * np.sqrt(redrawn(pairs.folds))) * t.ppf(0.975, FOLDS * cycles - 1)
                here = truth.mean(moved, of_arms[0]) - other
                away = abs(gain - any_cohort)
                found.append((abs(gain - here) <= half, 100 * half, own == 0, away <= half, away <= wide, 100 * wide))
            held, halves, zero, elsewhere, with_term, wides = np.array(found, float).T
            row = {"persons": layout, "runs": FOLDS * cycles, "run_sd": sd, "cohort_effect": pp}
            row |= {"held": held.mean(), "half_width": halves.mean(), "zero": zero.mean()}
            row |= {"held_if_zero": held[zero > 0].mean() if zero.any() else np.nan}
            row |= {"another_cohort": elsewhere.mean(), "nadeau_bengio": with_term.mean()}
            rows.append(row | {"nadeau_bengio_half_width": wides.mean(), "studies": studies})
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    """Return the table as a page of the documentation."""
    lines = [
        "# How often the interval across runs and patients holds the truth",
        "",
        f"{table['studies'].iloc[0]} simulated studies a row: {PERSONS} persons of {SLICES} slices in {FOLDS} folds, "
        "two arms that are alike, the interval of their difference in slice-level AUC (`comparison.across_both`). "
        "`python tests/known_truth.py docs` writes this page anew; that file says what is simulated.",
        "",
        "The interval is about other runs that are *trained on these persons* and tested on others: *holds it*, 95 % "
        "if it is right. Five runs are one cycle of folds, whose spread is all that is known of runs: the interval has "
        "their four degrees of freedom, and covers more than it must where they hardly differ. *Spread of 0*: in how "
        "many studies the runs are estimated not to differ of their own, and how often the interval then holds the "
        "truth. Five runs that differ by 6 pp come out alike in a few studies, and no interval can know it: one wide "
        "enough for these would be thrice as wide wherever runs do not differ.",
        "",
        "*Other persons trained on*: the same interval, held against the gain of runs that are trained on another "
        "cohort, which moves all runs at once. It is too narrow for that, and Nadeau and Bengio's term (2003) does not "
        "mend it: where runs hardly differ it adds too little, where they differ by 6 pp it doubles the width for "
        "nothing. So the term is left out, and what is said is said of these persons as training set.",
        "",
        "| persons | runs | SD of runs (pp) | cohort effect (pp) | holds it | half width (pp) | spread of 0 | holds it "
        "then | other persons trained on | with Nadeau and Bengio's term | its half width (pp) |",
        "|---|" + "--:|" * 10,
    ]

    def share(value: float) -> str:
        return "" if np.isnan(value) else f"{100 * value:.1f} %"

    shown: dict[Any, Callable[[float], str]] = dict.fromkeys(("run_sd", "cohort_effect"), "{:g}".format)
    shown |= dict.fromkeys(("half_width", "nadeau_bengio_half_width"), "{:.1f}".format)
    shown |= dict.fromkeys(("held", "zero", "held_if_zero", "another_cohort", "nadeau_bengio"), share)
    for row in table.drop(columns="studies").to_dict("records"):
        cells = [shown[name](value) if name in shown else str(value) for name, value in row.items()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(folder: str) -> None:
    """Write the table and the page into a folder."""
    table = coverage()
    write_file(Path(folder) / "coverage.csv", table.to_csv(index=False, lineterminator="\n").encode())
    write_file(Path(folder) / "coverage.md", markdown(table).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
