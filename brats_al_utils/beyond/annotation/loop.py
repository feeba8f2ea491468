"""The learning curve of an annotation with a simulated reader in place of a person, against random sampling.

``python -m brats_al_utils.beyond.annotation.loop DIR OUT`` writes ``annotation_loop.svg``, ``.png`` and ``.csv`` of a
folder of images with labels (``cohort.csv``) such as the open cohort's into OUT, and keeps what it trains in
``OUT/loop``; started again, it resumes.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from brats_al_utils.beyond.annotation.candidates import read_candidates
from brats_al_utils.beyond.annotation.simulated import (
    ARMS,
    ERROR_RATE,
    REPEATS,
    SIZES,
    loop_curve,
    simulate,
    simulated_profile,
)
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.naming import cohort_name, remarks
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.show.style import PAGE, STYLE, Drawing, arm_style, distances, keep_within, save
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import PROFILES


@plt.style.context(STYLE)
def loop(curve: pd.DataFrame) -> Drawing:
    """Draw the test AUC over all annotated slices, and by how much the strategy exceeds random sampling.

    Parameters
    ----------
    curve : pd.DataFrame
        From `simulated.loop_curve`.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 3.4))
    styles = dict(zip(ARMS, (arm_style("proposed"), arm_style("random")), strict=True))
    for arm, rows in curve.groupby("arm", sort=False):
        axes = left if arm in styles else right
        style = styles.get(str(arm), arm_style(""))
        axes.errorbar(
            rows["annotated"],
            rows["auc"],
            yerr=distances(rows, "auc", "low", "high"),
            capsize=2,
            lw=0.9,
            label=arm,
            **style,
        )
    for axes in (left, right):
        axes.set_xlabel("annotated slices, held-out ones included")
    left.set_ylabel("test AUC, slice-level")
    left.legend()
    keep_within(left, 0, 1.02)
    right.axhline(0, color="0.6", lw=0.8)
    right.set_ylabel(" less ".join(ARMS))
    return Drawing("annotation_loop", figure, curve)


def caption(cohort: Cohort) -> str:
    """Return what the figure says of its origin."""
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
    """Simulate, draw, and write."""
    profile = simulated_profile(PROFILES["open"].classes)
    places = Places(Path(out), Path(out) / "loop")
    places.make()  # git sees nothing of the images
    curve = loop_curve(simulate(Path(data), places.outputs, profile))
    cohort = read_candidates(Path(data), classes=profile.classes)
    save(loop(curve), places.figures, caption(cohort))
    print(curve.round(4).to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
