"""The interval across runs and patients holds the truth as often as it says: `known_truth`, and its page in docs."""

from pathlib import Path

import pandas as pd
import pytest
from known_truth import CYCLES, FOLDS, LAYOUTS, STUDIES, coverage, markdown

DOCS = Path(__file__).parents[2] / "docs"


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
