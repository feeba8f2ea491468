"""The site audit: whether the site alone tells the class, and the AUC of networks within a site.

Sites are those of `naming.sites`. Every function takes a table with the columns patient_id, label (0, 1) and site, one
row for each slice or patient.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from brats_al_utils.arrays import Array
from brats_al_utils.findings.comparison import BOTH, Pairs, across_patients, auc_limits, won
from brats_al_utils.findings.statistics import NEGLIGIBLE
from brats_al_utils.networks.training import auc
from brats_al_utils.seeds import generator

SHUFFLES = 999
"""Number of random permutations of the sites among patients, for the p of the site's AUC."""


def site_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the sites by class.

    Returns
    -------
    pd.DataFrame
        site; positive_patients, negative_patients, positive_slices, negative_slices; sites with most patients first. A
        patient with slices of both classes counts in both.
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
    """Return how well the site alone tells the class.

    Patients are counted or, if some have slices of both classes, slices.

    Returns
    -------
    dict
        sites (number); auc (in sample, of the share of the positive class in the patient's site as the score);
        auc_validated (the same over pairs of patients who are both left out of that share: leave-pair-out, Airola et
        al. 2011, Comput. Stat. Data Anal. 55:1828; 0.5 on average if the site does not tell the class); p (of the AUC
        in sample, by random permutation of the sites); positives, negatives (patients of each class) and
        with_partner_positives, with_partner_negatives (those who share a site with the other class).
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
    """Return the AUC in sample of each site's share of the positive class.

    Parameters
    ----------
    site, high, low : np.ndarray [patients] of int
        The patient's site, and its number of units of the positive and of the negative class.
    """
    positive, negative = np.bincount(site, high), np.bincount(site, low)
    share = positive / np.maximum(positive + negative, 1)
    return auc_of_pairs(share[:, None] - share, positive, negative, np.eye(len(share), dtype=bool))


def left_out(site: Array, high: Array, low: Array) -> float:
    """Return the same AUC with each of a pair scored by the others of its site, or if there are none by all others."""
    own = high + 1.0 * low
    positive, others = (np.bincount(site, of)[site] - of for of in (high, own))
    rest, of_rest = (of.sum() - of[:, None] - of for of in (high, own))  # without both: one's class must not score it
    share = np.where(others > 0, positive / np.maximum(others, 1), rest / np.maximum(of_rest, 1))  # of the column's
    return auc_of_pairs(share.T - share, high, low, site[:, None] == site)


def auc_of_pairs(ahead: Array, high: Array, low: Array, tied: Array) -> float:
    """Return the AUC over pairs of patients, weighted by units, by which is ``ahead``; 0 and ``tied`` count half."""
    wins = np.where(tied, 0.5, np.sign(ahead) / 2 + 0.5)
    return float(high @ wins @ low / (high.sum() * low.sum()))


def brats_2019() -> pd.DataFrame:
    """Return by, site, patient_id and label of BraTS 2019 by site and by hospital, made from the counts alone."""
    counts = pd.read_csv(Path(__file__).parent / "brats2019_sites.csv").melt(["by", "site"], var_name="class_name")
    patients = counts.loc[counts.index.repeat(counts.pop("value"))].reset_index(drop=True)
    return patients.assign(patient_id=patients.index, label=(patients["class_name"] == "HGG").astype(int))


def within_site(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return each arm's slice-level AUC over pairs of slices of the same site (and fold), weighted by pairs.

    Parameters
    ----------
    predictions : pd.DataFrame
        As `comparison.patient_pairs` takes them, with a column site.

    Returns
    -------
    pd.DataFrame
        arm, auc_mean (all pairs, mean across runs), within (pairs of the same site), low, high (its 95 % interval
        across patients), pairs_share (pairs of the same site, of all pairs), positives, negatives (patients with such a
        pair). NaN if there is no such pair.
    """
    pairs, share = within_pairs(predictions)
    whole = predictions.groupby(["arm", "seed"], sort=False)[["label", "score"]].apply(
        lambda run: auc(run["label"].to_numpy(), run["score"].to_numpy())
    )
    rows = []
    for number, arm in enumerate(pairs.arms):
        value = float(pairs.aucs[number, 0])
        limits = auc_limits(value, across_patients(pairs, arm)) if share else (np.nan, np.nan)
        patients = [int(np.isin(pairs.classes, (kind, BOTH)).sum()) for kind in (1, 0)]
        rows.append((arm, whole[arm].mean(), value, *limits, share, *patients))
    columns = ["arm", "auc_mean", "within", "low", "high", "pairs_share", "positives", "negatives"]
    return pd.DataFrame(rows, columns=columns)


def within_pairs(predictions: pd.DataFrame) -> tuple[Pairs, float]:
    """Return the AUC of the pairs of the same site, with all runs as one, as `comparison.Pairs`, and their share.

    The AUC is the mean across runs of the share of these pairs that are in the right order. Runs and patients without
    such pairs are left out. A patient's contribution is the number of its pairs in the right order, beyond that AUC;
    with a single site and run, it is that of `comparison.run_shares`.
    """
    patient, names = pd.factorize(predictions["patient_id"])
    frame = predictions.assign(patient=patient, positive=predictions["label"] == 1)
    arms = tuple(frame["arm"].unique())
    beaten, met = np.zeros((2, len(arms), 2, len(names)))
    possible = count = 0.0
    for arm, runs in frame.groupby("arm", sort=False):
        own = [wins(run, len(names)) for _, run in runs.groupby("seed")]
        with_pairs = [each for each in own if each[1].any()]
        for own_wins, pairs in with_pairs:
            beaten[arms.index(arm)] += own_wins / pairs[0].sum() / len(with_pairs)
            met[arms.index(arm)] += pairs / pairs[0].sum() / len(with_pairs)
        classes = runs.groupby("seed")["positive"].agg(["sum", "size"])
        possible += float((classes["sum"] * (classes["size"] - classes["sum"])).sum())
        count += sum(pairs[0].sum() for _, pairs in own)
    value = beaten[:, 0].sum(1) if count else np.full(len(arms), np.nan)
    has = met[0] > 0
    patients = has.sum(1)[:, None]
    unbiased = np.sqrt(patients / np.maximum(patients - 1, 1))
    shares = (unbiased * (beaten - value[:, None, None] * met)).sum(1)
    kinds, partner = np.select([has.all(0), has[0]], [BOTH, 1], 0), has.any(0)
    keys = np.arange(len(arms))[:, None].astype(str)
    return Pairs(arms, keys, value[:, None], shares[:, None, partner], kinds[partner]), count / possible


def wins(run: pd.DataFrame, patients: int) -> tuple[Array, Array]:
    """Return the pairs within a site of each patient's slices, as the positive and as the negative one: [2, patients].

    Parameters
    ----------
    run : pd.DataFrame
        Columns patient (int, from 0), positive, score, site.

    Returns
    -------
    np.ndarray
        Pairs in the right order, ties counting half.
    np.ndarray
        All pairs.
    """
    total, met = np.zeros((2, 2, patients))
    for _, rows in run.groupby("site"):
        patient, positive, score = (rows[name].to_numpy() for name in ("patient", "positive", "score"))
        beaten = won(score, positive)
        for role, own in enumerate((positive, ~positive)):
            total[role] += np.bincount(patient[own], beaten[own], patients)
            met[role] += np.bincount(patient[own], np.full(own.sum(), (~own).sum()), patients)
    return total, met
