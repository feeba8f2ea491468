"""All notebooks at smoke size against what they gave before: `tests/baselines/smoke.json`.

Counts, the slices that the paper's own strategies choose and what these cost must be the same; an AUC may differ by
``TOLERANCE``, since another processor rounds otherwise, but the mean of all by ``MEAN_TOLERANCE``. Of the arms of
notebooks 07, 11 and 12, which a rounding may lead to other slices, only the counts must be the same. After a change
that is meant: ``make baseline``, and say in the commit why.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from brats_al_utils.findings.evidence import evaluate
from brats_al_utils.study.arms import scorecard
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.stages import results_of, train

BASELINE = Path(__file__).parent / "baselines" / "smoke.json"

TOLERANCE = {"auc": 0.04, "auc beyond": 0.15}
"""Of an AUC by slice: with four LGG and eight HGG slices, a pair in another order is 0.03. With AVX2 in place of
AVX-512 none of the paper's 124 moved; an arm of notebook 07 may have been led to other slices."""

LED_ELSEWHERE = 6
"""Of the 64 runs beyond the paper's, how many may differ by more than the paper's may."""

MEAN_TOLERANCE = 0.01
"""Of the mean of all AUCs: roundings go either way."""

EXACT = ("tables", "chosen", "examples beyond", "verdicts")


def named(runs: pd.DataFrame) -> pd.Series:
    """Return what each run is called here."""
    share, seed = runs["share"].round(4).astype(str), runs["seed"].astype(str)
    return runs["dataset"] + " " + runs["arm"] + " " + share + " seed " + seed


def summary(folder: Path) -> dict[str, Any]:
    """Return what a study in a folder is compared by."""
    study = open_study("smoke", out=folder)
    results = results_of(study, train(study, scorecard(study.profile)))
    chosen = {
        (arm.dataset, arm.name, arm.share, study.profile.seed + number): result.run.training
        for (arm, number), result in results.items()
    }
    by_slice = evaluate(study, results).query("unit == 'slice'")
    further = [pd.read_csv(folder / f"runs_{name}.csv") for name in ("beyond", "competitors", "networks")]
    beyond = pd.concat(further).query("unit == 'slice' and part == 'test'").drop_duplicates(["arm", "share", "seed"])
    tables = ("cohort", "table5", "annotation_cost_imbalanced", "annotation_cost_balanced")
    return {
        "tables": {name: pd.read_csv(folder / f"{name}.csv").to_dict(orient="records") for name in tables},
        "chosen": {
            f"{dataset} {arm} {share:g} seed {seed}": f"{len(ids)} {sha256(json.dumps(ids).encode()).hexdigest()[:16]}"
            for (dataset, arm, share, seed), ids in chosen.items()
        },
        "auc": dict(zip(named(by_slice) + " " + by_slice["part"], by_slice["auc"].round(4), strict=True)),
        "examples beyond": dict(zip(named(beyond), beyond["examples"], strict=True)),
        "auc beyond": dict(zip(named(beyond), beyond["auc"].round(4), strict=True)),
        "verdicts": pd.read_csv(folder / "scorecard.csv").set_index("id")["verdict"].to_dict(),
    }


def test_smoke_is_what_it_was(smoke: Path) -> None:
    found, expected = summary(smoke), json.loads(BASELINE.read_text(encoding="utf-8"))
    for exact in EXACT:
        assert found[exact] == expected[exact]
    for close, tolerance in TOLERANCE.items():
        assert found[close] == pytest.approx(expected[close], abs=tolerance)
        means = [np.mean(list(aucs[close].values())) for aucs in (found, expected)]
        assert means[0] == pytest.approx(means[1], abs=MEAN_TOLERANCE), close
    beyond = [aucs["auc beyond"] for aucs in (found, expected)]
    moved = [name for name, auc in beyond[1].items() if abs(beyond[0][name] - auc) > TOLERANCE["auc"]]
    assert len(moved) <= LED_ELSEWHERE, moved


if __name__ == "__main__":
    BASELINE.write_text(json.dumps(summary(Path(sys.argv[1])), indent=1) + "\n", encoding="utf-8")
