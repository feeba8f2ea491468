"""How many outliers the most uncertain slices hold, worked out by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from brats_al_utils.findings.planted import caught, caught_by_seed


def test_caught_by_hand() -> None:
    """Of ten slices per seed two are planted; the two most uncertain hold one of them, then both."""
    decile = ["most uncertain"] * 2 + ["between"] * 6 + ["least uncertain"] * 2
    frames: list[dict[str, Any]] = [
        {"seed": 0, "decile": decile, "planted": [True, False, True] + [False] * 7},
        {"seed": 1, "decile": decile, "planted": [True, True] + [False] * 8},
    ]
    ranking = pd.concat([pd.DataFrame(frame) for frame in frames])
    seeds = caught_by_seed(ranking)
    assert seeds.to_dict("list") == {
        "seed": [0, 1],
        "share": [0.5, 1.0],
        "prevalence": [0.2, 0.2],
        "enrichment": [2.5, 5.0],
    }
    (row,) = caught(ranking).to_dict("records")
    # Two values differ by d: their mean's standard error is d / 2, and t with one degree of freedom is 12.706.
    assert (row["mean"], row["prevalence"], row["enrichment"], row["n_seeds"]) == (0.75, 0.2, 3.75, 2)
    assert (row["low"], row["high"]) == (0, 1), "12.7 times 0.25 to either side, but no share is beyond 0 or 1"
    assert row["enrichment_high"] - row["enrichment"] == pytest.approx(12.706 * 1.25, abs=1e-3)
    assert row["enrichment_low"] == 0


def test_where_nothing_is_planted_there_is_no_enrichment() -> None:
    ranking = pd.DataFrame({"seed": [0, 0, 1, 1], "decile": ["most uncertain", "between"] * 2, "planted": False})
    (row,) = caught(ranking).to_dict("records")
    assert (row["mean"], row["prevalence"]) == (0, 0)
    assert np.isnan(row["enrichment"])
