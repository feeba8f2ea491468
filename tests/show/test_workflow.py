"""Figure 1: counts of a small cohort by hand, and what its boxes say of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Annotation
from small_study import small_study

from brats_al_utils.findings.workflow import STEPS, workflow
from brats_al_utils.queries.sampling import MIDDLE
from brats_al_utils.show.style import ARM_LOOKS
from brats_al_utils.show.workflow import figure1
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import plan

NAN = float("nan")
PROPOSED = Arm("proposed", "scratch", 2, MIDDLE, 0.3)
ROW = {"arm": "proposed", "part": "test", "unit": "slice", "n_runs": 2}
ROW |= {"auc_mean": 0.75, "runs_low": 0.5, "runs_high": 1.0}
SUMMARY = pd.DataFrame([ROW | {"part": "validation", "auc_mean": 0.9}, ROW | {"arm": "baseline", "auc_mean": 0.8}, ROW])


def counts(steps: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {str(step): dict(zip(rows["quantity"], rows["value"], strict=True)) for step, rows in steps.groupby("step")}


@pytest.fixture
def steps(tiny_cohort: Path, tmp_path: Path) -> pd.DataFrame:
    """Four HGG and three LGG patients of four slices each: two and one of them for training."""
    study = small_study(tiny_cohort, tmp_path / "out")
    (row,) = [row for row in plan(study, [PROPOSED], runs=1) if not row.member]
    chosen = replace(row.selection, chosen=MIDDLE.choose(study.pool("imbalanced", 0), 4, 0))
    return workflow(study, [replace(row, selection=chosen)], PROPOSED, SUMMARY)


def test_counts_by_hand(steps: pd.DataFrame) -> None:
    found = counts(steps)
    before = found["chosen"].pop("labelled before")
    assert found.pop("chosen") == {"slices": 4, "annotated": 8 - before, "annotated share": (8 - before) / 12}
    parts = {"training": (12, 3), "validation": (8, 2), "test": (8, 2)}
    slices = {f"{part} slices": of[0] for part, of in parts.items()}
    slices |= {f"{part} patients": of[1] for part, of in parts.items()}
    assert found == {
        "cohort": {"name": "BraTS 2018 (7 patients)", "patients": 7, "HGG": 4, "LGG": 3},
        "slices": {"slices": 28, **slices},
        "labelled": {"slices": 4, "share": 4 / 12},
        "committee": {"networks": 2, "learning rates": "0.001, 0.0005"},
        "ranking": {"slices": 12},
        "tails dropped": {"most uncertain": 1, "least uncertain": 1, "slices left": 10},
        "fine-tuned": {"network": "alexnet", "initialisation": "random", "epochs": 2},
        "test": {name: ROW[name] for name in ("auc_mean", "runs_low", "runs_high", "n_runs")},
    }


def test_the_boxes_show_the_counts(steps: pd.DataFrame) -> None:
    drawing = figure1(steps)
    assert drawing.name == "figure1"
    assert drawing.table.equals(steps)
    (axes,) = drawing.figure.axes
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    own = [box.get_edgecolor() == to_rgba(ARM_LOOKS["proposed"][0]) for box in boxes]
    assert own == [step == "tails dropped" for step in STEPS]
    texts = [text for text in axes.texts if text.get_text()]
    said = [text.get_text() for text in texts]
    assert said[::2] == [f"{number}. {step}" for number, step in enumerate(STEPS, 1)]
    bodies = dict(zip(STEPS, said[1::2], strict=True))
    assert bodies["cohort"] == "BraTS 2018 (7 patients)\n4 HGG, 3 LGG"
    assert bodies["slices"] == "28 slices (people)\ntraining 12 (3)\nvalidation 8 (2)\ntest 8 (2)"
    assert bodies["tails dropped"] == "10 slices left\nwithout the\n1 most uncertain\n1 least uncertain"
    assert bodies["test"] == "AUC 0.750\nslice-level\n95 % CI across 2 runs:\n0.500 to 1.000"
    arrows = [text for text in axes.texts if isinstance(text, Annotation)]
    # Along the first row, down from its end, and back.
    assert [arrow.xy for arrow in arrows[1:4]] == [pytest.approx(xy) for xy in ((1.55, 0), (2, -0.58), (1.45, -1))]
    assert len(arrows) == len(STEPS) - 1
    drawing.figure.draw_without_rendering()
    for step, patch, text in zip(STEPS, boxes, texts[1::2], strict=True):
        box, words = patch.get_window_extent(), text.get_window_extent()
        assert box.x0 <= words.x0 and words.x1 <= box.x1 and box.y0 <= words.y0 and words.y1 <= box.y1, step


def test_where_every_arm_makes_as_many_updates_these_are_said_and_no_epochs(steps: pd.DataFrame) -> None:
    length = {"quantity": "updates", "value": 1560}
    equal = steps.assign(**{name: steps[name].mask(steps["quantity"] == "epochs", of) for name, of in length.items()})
    (axes,) = figure1(equal).figure.axes
    (box,) = [text.get_text() for text in axes.texts if "kept" in text.get_text()]
    assert "1,560 updates" in box and "epochs" not in box


def test_a_single_run_has_no_interval(steps: pd.DataFrame) -> None:
    single = steps.assign(value=steps["value"].where(~steps["quantity"].isin(["runs_low", "runs_high"]), NAN))
    (axes,) = figure1(single).figure.axes
    assert axes.texts[-1 - 1].get_text().endswith("\nno interval: one run, or\nno variance across runs")
