"""Whether the site alone tells the class, without an image, and how well networks tell it within a site.

A site is what the cohort calls so (`naming.sites`). Every function takes a table with the columns patient_id, label
(0, 1) and site, one row a slice or a patient.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils.findings.statistics import NEGLIGIBLE
from brats_al_utils.seeds import generator

Array = np.ndarray[Any, Any]

SHUFFLES = 999
"""How often the sites are shuffled among the patients, for the p of the site's AUC."""


def site_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the sites by class.

    Returns
    -------
    pd.DataFrame
        site; positive_patients, negative_patients, positive_slices, negative_slices; by patients, the most first. A
        patient with slices of both classes is counted in both.
    """
    groups = table.groupby(["site", "label"])["patient_id"].agg(["nunique", "size"]).unstack(fill_value=0)
    counts = pd.DataFrame(
        {
            f"{name}_{what}": groups[column].get(label, pd.Series(0, groups.index))
            for column, what in (("nunique", "patients"), ("size", "slices"))
            for label, name in ((1, "positive"), (0, "negative"))
        }
    )
    order = counts[["positive_patients", "negative_patients"]].sum(axis=1).sort_values(ascending=False, kind="stable")
    return counts.loc[order.index].rename_axis("site").reset_index()


def audit(table: pd.DataFrame) -> dict[str, float]:
    """Return what the site alone says of the class.

    Patients are counted, or where one has slices of both classes, slices.

    Returns
    -------
    dict
        sites, their number; auc, of each site's share of the positive class as the score, in sample; auc_validated,
        the same over pairs of patients, neither of whom counted in that share (leave-pair-out, Airola et al. 2011,
        Comput. Stat. Data Anal. 55:1828: 0.5 on average where the site says nothing); p of so high an AUC in sample,
        were the sites drawn from the same patients at random; positives, negatives, with_partner_positives,
        with_partner_negatives: patients of either class, and those of them who share a site with the other class.
    """
    patients = table.groupby("patient_id").agg(site=("site", "first"), slices=("label", "size"), high=("label", "sum"))
    high, low = patients["high"].to_numpy(), (patients["slices"] - patients["high"]).to_numpy()
    site = pd.factorize(patients["site"])[0]
    partner = np.isin(site, np.intersect1d(site[high > 0], site[low > 0]))
    found = {
        f"{what}{name}": float((own[which] > 0).sum())
        for name, own in (("positives", high), ("negatives", low))
        for what, which in (("", slice(None)), ("with_partner_", partner))
    }
    if not (high * low).any():
        high, low = high > 0, low > 0
    random, alone = generator(0, "sites shuffled"), in_sample(site, high, low)
    chance = np.array([in_sample(random.permutation(site), high, low) for _ in range(SHUFFLES)])
    p = (1 + (chance >= alone - NEGLIGIBLE).sum()) / (1 + SHUFFLES)
    return {"sites": len(np.unique(site)), "auc": alone, "auc_validated": left_out(site, high, low), "p": p, **found}


def in_sample(site: Array, high: Array, low: Array) -> float:
    """Return the AUC of each site's share of the positive class, of patients with so many of either class."""
    positive, negative = np.bincount(site, high), np.bincount(site, low)
    share = positive / np.maximum(positive + negative, 1)
    return auc_of_pairs(share, positive, negative, np.eye(len(share), dtype=bool))


def left_out(site: Array, high: Array, low: Array) -> float:
    """Return the same, each patient scored by the others of its site; of none, by all others."""
    positive, every = (np.bincount(site, of)[site] for of in (high, high + 1.0 * low))
    own = high + 1.0 * low
    rest = (high.sum() - high) / (own.sum() - own)
    share = np.where(every > own, (positive - high) / np.maximum(every - own, 1), rest)
    return auc_of_pairs(share, high, low, site[:, None] == site)


def auc_of_pairs(share: Array, high: Array, low: Array, tied: Array) -> float:
    """Return the share of pairs that the positive one wins by its score, ties and those of one site counting half."""
    wins = np.where(tied, 0.5, np.sign(share[:, None] - share) / 2 + 0.5)
    return float(high @ wins @ low / (high.sum() * low.sum()))


def brats_2019() -> pd.DataFrame:
    """Return the patients of BraTS 2019 by site and by hospital, from the counts alone: by, site, patient_id, label."""
    counts = pd.read_csv(Path(__file__).parent / "brats2019_sites.csv").melt(["by", "site"], var_name="class_name")
    patients = counts.loc[counts.index.repeat(counts.pop("value"))].reset_index(drop=True)
    return patients.assign(patient_id=patients.index, label=(patients["class_name"] == "HGG").astype(int))
