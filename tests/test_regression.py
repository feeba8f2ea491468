"""All notebooks at smoke size against what they gave before: `tests/baselines/smoke.json`.

Counts, the slices that the paper's own strategies choose and what these cost must be the same; an AUC may differ by
``TOLERANCE``, since another processor rounds otherwise. Of notebook 07's arms, which a rounding may lead to other
slices, only the counts must be the same. After a change that is meant: ``make baseline``, and say in the commit why.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors import safe_open

BASELINE = Path(__file__).parent / "baselines" / "smoke.json"

TOLERANCE = 0.15
"""Of an AUC by slice: with two LGG and six HGG slices, a pair in another order is 0.08."""


def chosen(folder: Path, key: str) -> str:
    """Return a short hash of the slices that a stored run was trained on."""
    with safe_open(folder / "outputs" / "runs" / f"{key}.safetensors", framework="numpy") as file:
        ids = json.loads(file.metadata()["run"])["training"]
    return f"{len(ids)} {sha256(json.dumps(ids).encode()).hexdigest()[:16]}"


def summary(folder: Path) -> dict[str, Any]:
    """Return what a study in a folder is compared by."""
    runs = pd.read_csv(folder / "runs.csv")
    percent = (100 * runs["share"]).round().astype(int).astype(str)
    names = runs["dataset"] + " " + runs["arm"] + " " + percent + "% seed " + runs["seed"].astype(str)
    by_slice = runs.assign(name=names)[runs["unit"] == "slice"]
    beyond = pd.read_csv(folder / "runs_beyond.csv").query("unit == 'slice' and cohort == 'test'")
    places = beyond["dataset"] + " " + beyond["arm"] + " " + beyond["share"].round(4).astype(str)
    places += " seed " + beyond["seed"].astype(str)
    tables = ("cohort", "table5", "label_cost_imbalanced", "label_cost_balanced")
    return {
        "tables": {name: pd.read_csv(folder / f"{name}.csv").to_dict(orient="records") for name in tables},
        "chosen": {name: chosen(folder, key) for name, key in zip(by_slice["name"], by_slice["key"], strict=True)},
        "auc": dict(zip(by_slice["name"] + " " + by_slice["cohort"], by_slice["auc"].round(4), strict=True)),
        "examples beyond": dict(zip(places, beyond["examples"], strict=True)),
        "auc beyond": dict(zip(places, beyond["auc"].round(4), strict=True)),
        "verdicts": pd.read_csv(folder / "scorecard.csv").set_index("id")["verdict"].to_dict(),
    }


def test_smoke_is_what_it_was(smoke: Path) -> None:
    found, expected = summary(smoke), json.loads(BASELINE.read_text())
    for exact in ("tables", "chosen", "examples beyond", "verdicts"):
        assert found[exact] == expected[exact]
    for close in ("auc", "auc beyond"):
        assert found[close] == pytest.approx(expected[close], abs=TOLERANCE)


if __name__ == "__main__":
    BASELINE.write_text(json.dumps(summary(Path(sys.argv[1])), indent=1) + "\n")
