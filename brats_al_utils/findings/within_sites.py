"""How well networks tell the class within a site, where the site cannot."""

import numpy as np
import pandas as pd

from brats_al_utils.findings.comparison import BOTH, Pairs, across_patients, auc_limits
from brats_al_utils.findings.sites import Array
from brats_al_utils.networks.training import auc


def within_site(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return each arm's slice-level AUC over pairs of one site, and with folds of one fold, weighted by pairs.

    Parameters
    ----------
    predictions : pd.DataFrame
        As `comparison.patient_pairs` takes them, with a column site.

    Returns
    -------
    pd.DataFrame
        arm, auc_mean (of all pairs, across runs), within (of the pairs of one site), low, high (its 95 % interval
        across patients), pairs_share (those of one site, of all pairs), positives, negatives (patients with such a
        pair). NaN where there is no such pair.
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
    """Return the pairs of one site, of all runs as if they were one, as `comparison` takes them, and their share.

    The AUC is the mean across runs of the share of these pairs that a run wins; a run without any is left out, and so
    is a patient. What a patient adds is how much its pairs won beyond that AUC: of one site and one run it is that of
    `comparison.run_shares`.
    """
    patient, names = pd.factorize(predictions["patient_id"])
    frame = predictions.assign(patient=patient, positive=predictions["label"] == 1)
    arms = tuple(frame["arm"].unique())
    won, met = np.zeros((2, len(arms), 2, len(names)))
    possible = count = 0.0
    for arm, runs in frame.groupby("arm", sort=False):
        own = [wins(run, len(names)) for _, run in runs.groupby("seed")]
        with_pairs = [each for each in own if each[1].any()]
        for beaten, pairs in with_pairs:
            won[arms.index(arm)] += beaten / pairs[0].sum() / len(with_pairs)
            met[arms.index(arm)] += pairs / pairs[0].sum() / len(with_pairs)
        classes = runs.groupby("seed")["positive"].agg(["sum", "size"])
        possible += float((classes["sum"] * (classes["size"] - classes["sum"])).sum())
        count += sum(pairs[0].sum() for _, pairs in own)
    value = won[:, 0].sum(1) if count else np.full(len(arms), np.nan)
    has = met[0] > 0
    patients = has.sum(1)[:, None]
    unbiased = np.sqrt(patients / np.maximum(patients - 1, 1))
    shares = (unbiased * (won - value[:, None, None] * met)).sum(1)
    kinds, partner = np.select([has.all(0), has[0]], [BOTH, 1], 0), has.any(0)
    keys = np.arange(len(arms))[:, None].astype(str)
    return Pairs(arms, keys, value[:, None], shares[:, None, partner], kinds[partner]), count / possible


def wins(run: pd.DataFrame, patients: int) -> tuple[Array, Array]:
    """Return what each patient's slices take part in, as positive and as negative ones: [2, patients].

    Parameters
    ----------
    run : pd.DataFrame
        Columns patient (int, from 0), positive, score, site.

    Returns
    -------
    np.ndarray
        Pairs of one site that the positive slice wins, ties counting half.
    np.ndarray
        All pairs of one site.
    """
    won, met = np.zeros((2, 2, patients))
    for _, rows in run.groupby("site"):
        patient, positive, score = (rows[name].to_numpy() for name in ("patient", "positive", "score"))
        for role, (own, sign) in enumerate(((positive, 1), (~positive, -1))):
            others = np.sort(sign * score[~own])
            places = [np.searchsorted(others, sign * score[own], side) for side in ("left", "right")]
            won[role] += np.bincount(patient[own], (places[0] + places[1]) / 2, patients)
            met[role] += np.bincount(patient[own], np.full(own.sum(), len(others)), patients)
    return won, met
