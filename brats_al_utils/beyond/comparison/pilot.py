"""The pilot: length of training, and learning rate from scratch, chosen on the validation set in separate runs.

``python -m brats_al_utils.beyond.comparison.pilot PROFILE DIR OUT [SETTING=VALUE ...]`` trains the baseline and random
sampling of 30 % for ``EPOCHS`` epochs, and from scratch the baseline at each of ``RATES``, with seeds that no study
has. It writes what the validation sets say into ``OUT/pilot.csv``. No network is asked about a test slice.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from brats_al_utils import settings_of
from brats_al_utils.files import write_file
from brats_al_utils.queries.sampling import RANDOM
from brats_al_utils.study.arms import DATASETS, Arm, pretrained
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.stages import compute_missing, plan, run_of

SEED = 1000
"""Seed of the first pilot run; those of studies begin at 0."""

RUNS = 5

EPOCHS, SCRATCH_EPOCHS = 8, 16
"""Epochs of the pilot's trainings: the longest that are tried."""

RATES = (0.001, 0.003, 0.01, 0.03)
"""Learning rates from scratch that are tried."""

SLACK = 0.002
"""A later epoch counts as better if it raises the mean validation AUC by more than 0.2 pp."""


def plateau(curve: pd.Series) -> int:
    """Return the first epoch whose AUC no later one exceeds by more than ``SLACK``.

    Parameters
    ----------
    curve : pd.Series of float
        Mean validation AUC across runs, by epoch.
    """
    best_from_here = curve[::-1].cummax()[::-1]
    return int(curve.index[best_from_here - curve <= SLACK][0])


def lengths(runs: pd.DataFrame) -> pd.DataFrame:
    """Return, for each arm and rate, the epoch of its plateau and the mean validation AUC and training loss there.

    Parameters
    ----------
    runs : pd.DataFrame
        As `pilot` returns it.
    """
    rows = []
    for (arm, rate), own in runs.groupby(["arm", "rate"], sort=False):
        means = own.groupby("epoch")[["validation_auc", "train_loss"]].mean()
        epoch = plateau(means["validation_auc"])
        rows.append({"arm": arm, "rate": rate, "epochs": epoch, **means.loc[epoch]})
    return pd.DataFrame(rows)


def pilot(profile: str, data: Path, out: Path, scratch: bool, settings: Mapping[str, str]) -> pd.DataFrame:
    """Train the pilot's runs: the baseline and random sampling, or the baseline from scratch at each rate.

    Returns
    -------
    pd.DataFrame
        One row for each run and epoch: arm, rate, seed, epoch, train_loss, validation_auc.
    """
    study = open_study(profile, data, out, {**settings, "seed": SEED, "n_runs": RUNS})
    arms = [Arm("scratch", "scratch", SCRATCH_EPOCHS)] if scratch else [
        pretrained(study.profile, "baseline"),
        pretrained(study.profile, "random", RANDOM),
    ]  # fmt: skip
    epochs, rates = (SCRATCH_EPOCHS, RATES) if scratch else (EPOCHS, (study.profile.learning_rate,))
    runs = {
        (row.arm.name, rate, study.profile.seed + row.number): run_of(
            study,
            DATASETS[0],
            row.number,
            row.run.ids("training"),
            row.arm.start,
            study.profile.training_settings(epochs, rate),
            tested=False,
        )
        for row in plan(study, arms)
        for rate in rates
    }
    compute_missing(study, [(f"{name}, seed {seed}", run) for (name, _, seed), run in runs.items()], "runs")
    frames = []
    for (name, rate, seed), run in runs.items():
        if result := study.store.load(run):
            curves = {of: result.arrays[of] for of in ("train_loss", "validation_auc")}
            frames.append(
                pd.DataFrame({"arm": name, "rate": rate, "seed": seed, "epoch": range(1, epochs + 1), **curves})
            )
    return pd.concat(frames, ignore_index=True)


def main(profile: str, data: str, out: str, *settings: str) -> None:
    """Write the results of the pilot, and print the plateaus."""
    tried = [pilot(profile, Path(data), Path(out), scratch, settings_of(settings)) for scratch in (False, True)]
    found = pd.concat(tried, ignore_index=True)
    text = found.to_csv(index=False, float_format="%.4f", lineterminator="\n")
    write_file(Path(out) / "pilot.csv", text.encode())
    print(lengths(found).to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
