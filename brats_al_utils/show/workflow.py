"""Figure 1 of the paper: the workflow, with this study's own counts at each step."""

from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import FancyBboxPatch

from brats_al_utils.findings.workflow import STEPS
from brats_al_utils.show.style import PAGE, SMALL, STYLE, Drawing, arm_style

BOXES_IN_A_ROW = 3
"""Number of boxes in a row; every second row runs from right to left."""

WIDTH, HEIGHT, ROUND = 0.9, 0.84, 0.04
"""Width and height of a box in units of the distance between two boxes, and the radius of its corners."""

LINE = 26
"""Number of characters of a line in a box."""

OWN = "tails dropped"
"""The step that only the paper has; the others belong to any active learning."""


@plt.style.context([*STYLE, {"axes.grid": False}])
def figure1(steps: pd.DataFrame) -> Drawing:
    """Draw Figure 1: the proposed method from the patients to the test AUC, one box for each step.

    Parameters
    ----------
    steps : pd.DataFrame
        From `findings.workflow.workflow`.
    """
    rows_of_boxes = -(-len(STEPS) // BOXES_IN_A_ROW)
    figure, axes = plt.subplots(figsize=(PAGE, 1.5 * rows_of_boxes))
    numbers = [divmod(number, BOXES_IN_A_ROW) for number in range(len(STEPS))]
    places = [(BOXES_IN_A_ROW - 1 - left if row % 2 else left, -row) for row, left in numbers]
    for number, (step, (x, y)) in enumerate(zip(STEPS, places, strict=True)):
        corner = x - WIDTH / 2 + ROUND, y - HEIGHT / 2 + ROUND
        size = WIDTH - 2 * ROUND, HEIGHT - 2 * ROUND
        edge = {"ec": arm_style("proposed")["color"], "lw": 2.4} if step == OWN else {"ec": "0.4", "lw": 1.2}
        axes.add_patch(FancyBboxPatch(corner, *size, f"round,pad={ROUND}", fc="white", **edge))
        rows = steps[steps["step"] == step]
        lines = said(step, dict(zip(rows["quantity"], rows["value"], strict=True)))
        head, body = f"{number + 1}. {step}", "\n".join(fill(line, LINE) for line in lines)
        axes.text(x, y + HEIGHT / 2 - 0.05, head, ha="center", va="top", fontweight="bold")
        axes.text(x, y - 0.09, body, ha="center", va="center", fontsize=SMALL)
        if number:
            tip, tail = (np.array(places[each], float) for each in (number, number - 1))
            way = np.sign(tip - tail) * np.array([WIDTH, HEIGHT]) / 2
            axes.annotate("", tip - way, tail + way, arrowprops={"arrowstyle": "-|>", "color": "0.35"})
    axes.set(xlim=(-0.46, BOXES_IN_A_ROW - 0.54), ylim=(0.55 - rows_of_boxes, 0.45))
    axes.set_axis_off()
    return Drawing("figure1", figure, steps)


def said(step: str, of: dict[str, Any]) -> list[str]:
    """Return the lines in the box of a step."""
    match step:
        case "cohort":
            classes = ", ".join(f"{count} {name}" for name, count in list(of.items())[2:])
            return [str(of["name"]), classes]
        case "slices":
            parts = [name.removesuffix(" slices") for name in of if name.endswith(" slices")]
            counts = [f"{part} {of[f'{part} slices']:,} ({of[f'{part} patients']})" for part in parts]
            return [f"{of['slices']:,} slices (people)", *counts]
        case "labelled":
            return [f"{of['slices']:,} slices", f"{float(of['share']):.0%} of the training slices, at random"]
        case "committee":
            return [f"{of['networks']} networks", "fine-tuned on these", f"learning rates {of['learning rates']}"]
        case "ranking":
            return [f"{of['slices']:,} slices", "the training set, by falling uncertainty of the committee"]
        case "tails dropped":
            ends = [f"{of[f'{end} uncertain']:,} {end} uncertain" for end in ("most", "least")]
            return [f"{of['slices left']:,} slices left", "without the", *ends]
        case "chosen":
            before = f"drawn at random; {of['labelled before']:,} of them labelled before"
            return [f"{of['slices']:,} slices", before, f"annotated: {of['annotated']:,} ({of['annotated share']:.0%})"]
        case "fine-tuned":
            length = f"{of['updates']:,} updates" if "updates" in of else f"{of['epochs']} epochs"
            return [str(of["network"]), f"from {of['initialisation']}", f"{length}, the best epoch is kept"]
        case _:
            interval = "no interval: one run, or no variance across runs"
            if not np.isnan(of["runs_low"]):
                interval = f"95 % CI across {of['n_runs']} runs: {of['runs_low']:.3f} to {of['runs_high']:.3f}"
            return [f"AUC {of['auc_mean']:.3f}", "slice-level", interval]
