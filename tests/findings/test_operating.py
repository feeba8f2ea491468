"""Simulated studies: how often a verdict is given and an interval holds the truth, and the pages in docs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from known_truth import CYCLES, FOLDS, LAYOUTS, STUDIES, coverage, markdown

from brats_al_utils.beyond.population import operating
from brats_al_utils.findings.verdicts import CANNOT_TELL, NOT_REPRODUCED, REPRODUCED

DOCS = Path(__file__).parents[2] / "docs"
RATES = [REPRODUCED, NOT_REPRODUCED, CANNOT_TELL]


def test_the_page_in_docs_is_that_of_its_table() -> None:
    """`test_make` simulates the table anew."""
    committed = pd.read_csv(DOCS / "operating_characteristics.csv")
    assert (DOCS / "operating_characteristics.md").read_text(encoding="utf-8") == operating.markdown(committed)
    assert committed["studies"].tolist() == [operating.STUDIES] * len(committed)
    assert committed[RATES].sum(axis=1).to_numpy() == pytest.approx(1)


def test_what_is_counted() -> None:
    """Of 8 studies of each cell: each has one verdict, at the places of the table in docs."""
    found = operating.characteristics(studies=8, seed=1)
    assert (8 * found[RATES]).round(9).isin(range(9)).all(axis=None)
    assert found[RATES].sum(axis=1).to_numpy() == pytest.approx(1)
    committed = pd.read_csv(DOCS / "operating_characteristics.csv")
    assert found[["truth", "quantity"]].equals(committed[["truth", "quantity"]])


@pytest.mark.parametrize("truth", operating.CELLS)
def test_what_is_simulated(truth: str) -> None:
    """The mean AUCs are the true ones; on the paper's split every study has them, on another they vary by 5 pp."""
    random = np.random.default_rng(0)
    aucs = np.array([operating.study(random, *operating.CELLS[truth]).aucs.mean(1) for _ in range(20)])
    proposed, papers_split, folds, *_ = operating.CELLS[truth]
    assert proposed in (operating.BASELINE, operating.PROPOSED)
    spread = aucs.std(0, ddof=1)
    assert ((spread < 0.015) if papers_split else (spread > 0.015)).all()
    assert aucs.mean(0) == pytest.approx([proposed, operating.BASELINE], abs=5 * spread.max() / np.sqrt(20))
    if folds == 1 and not papers_split:
        assert spread == pytest.approx([0.05, 0.05], abs=0.025)


def test_every_patient_is_tested_once_a_cycle() -> None:
    pairs = operating.study(np.random.default_rng(0), *operating.CELLS["no gain, all patients in folds"])
    tested = (pairs.shares[0] != 0).astype(int)
    assert (tested[:5].sum(0) == 1).all()
    assert (tested[5:].sum(0) == 1).all()
    assert not np.array_equal(tested[:5], tested[5:])  # dealt anew


def test_the_page_in_docs_is_that_of_the_table() -> None:
    table = pd.read_csv(DOCS / "coverage.csv")
    assert (DOCS / "coverage.md").read_text(encoding="utf-8") == markdown(table)
    assert (table["studies"] == STUDIES).all()
    assert set(table["persons"]) == set(LAYOUTS)


def test_the_committed_coverage_is_what_the_interval_claims() -> None:
    """Of twenty runs 95 %, give or take chance; of five, which are one cycle, at least that."""
    table = pd.read_csv(DOCS / "coverage.csv")
    assert set(table["runs"]) == {FOLDS * cycles for cycles in CYCLES}
    many = table[table["runs"] == 20]
    assert many["held"].between(0.93, 0.975).all(), many["held"].describe()
    assert (table["held"] >= 0.93).all()
    often = table[table["zero"] > 0.1]
    assert (often["held_if_zero"] >= 0.9).all(), often[["persons", "runs", "run_sd", "held_if_zero"]]


@pytest.mark.long
def test_coverage_anew() -> None:
    table = coverage(studies=200, seed=1, layouts=("both classes in each person",))
    print(table)
    assert table.loc[table["runs"] == 20, "held"].between(0.90, 0.99).all()
    assert (table["held"] >= 0.90).all()
