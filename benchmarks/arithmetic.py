"""Whether training on a CPU in bfloat16 gives the same AUC, and how much sooner.

``python benchmarks/arithmetic.py PROFILE DATA OUT`` trains random sampling of 30 % ten times in either arithmetic, with
the same slices and seeds: in OUT, where the float32 runs are those of a study of the same folder. The speed is that of
a few steps, interleaved. ``results/arithmetic.csv`` and ``arithmetic_speed.csv`` hold what it found.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from brats_al_utils.beyond.cost import calibrate
from brats_al_utils.networks.training import auc
from brats_al_utils.queries.sampling import RANDOM
from brats_al_utils.study.arms import DATASETS, pretrained
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.profile import PROFILES
from brats_al_utils.study.stages import results_of, train

RESULTS = Path(__file__).parent / "results"
RUNS = 10
REPETITIONS = 5
ARITHMETICS = ("float32", "bfloat16")


def aucs(profile: str, data: Path, out: Path, arithmetic: str) -> list[float]:
    """Return the slice-level test AUC of each run of random sampling."""
    changed = {"n_runs": RUNS} | ({"arithmetic": arithmetic} if arithmetic != ARITHMETICS[0] else {})
    study = open_study(profile, data, out, changed)
    arm = pretrained(study.profile, "random", RANDOM)
    results = results_of(study, train(study, [arm]))
    label = study.slice_set(DATASETS[0]).table["label"].to_numpy()
    return [
        auc(label[results[arm, number].run.ids("test")], results[arm, number].arrays["probability/test"])
        for number in range(RUNS)
    ]


def speeds(profile: str) -> pd.DataFrame:
    """Return the images a second that one worker trains on: one row for each repetition and arithmetic."""
    rows = []
    for repetition in range(REPETITIONS):
        for arithmetic in ARITHMETICS:
            rate, _ = calibrate(PROFILES[profile].with_settings({"arithmetic": arithmetic}), "cpu")
            rows.append({"repetition": repetition, "arithmetic": arithmetic, "images_per_second": rate})
    return pd.DataFrame(rows)


def main(profile: str, data: str, out: str) -> None:
    """Write both tables, and print what they say."""
    speed = speeds(profile)
    speed.to_csv(RESULTS / "arithmetic_speed.csv", index=False, float_format="%.1f")
    rates = speed.pivot(index="repetition", columns="arithmetic", values="images_per_second")
    print(f"bfloat16 is {(rates['bfloat16'] / rates['float32']).median():.2f} times as fast as float32")
    found = pd.DataFrame({name: aucs(profile, Path(data), Path(out), name) for name in ARITHMETICS})
    found.insert(0, "run", range(1, RUNS + 1))
    found.to_csv(RESULTS / "arithmetic.csv", index=False, float_format="%.4f")
    apart = (found["bfloat16"] - found["float32"]).to_numpy()
    half = stats.t.ppf(0.975, RUNS - 1) * np.std(apart, ddof=1) / np.sqrt(RUNS)
    ends = f"{apart.mean() - half:+.4f} to {apart.mean() + half:+.4f}"
    print(f"test AUC of bfloat16 less float32, {RUNS} runs: {apart.mean():+.4f} ({ends})")


if __name__ == "__main__":
    main(*sys.argv[1:])
