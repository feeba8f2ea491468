"""The numbers that Hao et al. 2021 print."""

from importlib.resources import files

import pandas as pd


def published_results() -> pd.DataFrame:
    """Return the AUCs that the paper prints: id, section, dataset, arm, cohort, auc, ci_low, ci_high (as shares)."""
    with files("brats_al_utils").joinpath("published_results.csv").open() as file:
        return pd.read_csv(file)
