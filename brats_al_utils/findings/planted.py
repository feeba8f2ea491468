"""How many planted outliers the most uncertain slices hold, where the truth is known: see `phantoms.outliers`."""

import numpy as np
import pandas as pd

from brats_al_utils.findings.statistics import mean_interval


def caught_by_seed(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return how many of the slices in the most uncertain tenth are planted outliers, against chance.

    Parameters
    ----------
    ranking : pd.DataFrame
        Columns seed, decile (most uncertain, between or least uncertain), planted; one row a training slice and seed.

    Returns
    -------
    pd.DataFrame
        seed, share (of the most uncertain decile that is planted), prevalence (of all training slices: what chance
        gives), enrichment (share / prevalence; NaN where nothing is planted). It is also the share of the planted
        slices that are in the most uncertain decile over a tenth.
    """
    top = ranking[ranking["decile"] == "most uncertain"].groupby("seed")["planted"].mean()
    rows = pd.DataFrame({"share": top, "prevalence": ranking.groupby("seed")["planted"].mean()})
    return rows.assign(enrichment=rows["share"] / rows["prevalence"]).reset_index()


def caught(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over the seeds of what `caught_by_seed` does, with its 95 % t-interval.

    The interval is over what differs between seeds, not over which slices are planted.

    Returns
    -------
    pd.DataFrame
        One row: mean, low, high (of share), prevalence, enrichment, enrichment_low, enrichment_high, n_seeds.
    """
    seeds = caught_by_seed(ranking)
    share = mean_interval(seeds["share"].to_numpy(), ends=(0, 1))
    enrichment = mean_interval(seeds["enrichment"].to_numpy(), ends=(0, np.inf))
    columns = ["mean", "low", "high", "prevalence", "enrichment", "enrichment_low", "enrichment_high", "n_seeds"]
    return pd.DataFrame([(*share, seeds["prevalence"].mean(), *enrichment, len(seeds))], columns=columns)
