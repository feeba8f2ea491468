"""The tables of the notebooks beyond the paper, for readers."""

import pandas as pd

from brats_al_utils.findings.sentences import pp
from brats_al_utils.show.tables import ACROSS_PATIENTS, AUC, COUNT, SHARE, Columns, ends, in_words


def within_site(table: pd.DataFrame, classes: tuple[str, str], people: str) -> pd.DataFrame:
    """Return `sites.within_site` in words; parameters as of `site_table`."""
    columns: Columns = {
        "arm": ("arm", str),
        "auc_mean": ("test AUC", AUC),
        "within": ("within a site", AUC),
        "ends": (ACROSS_PATIENTS, str),
        "pairs_share": ("pairs of one site", SHARE),
        "positives": (f"{classes[1]} {people} in them", COUNT),
        "negatives": (f"{classes[0]} {people} in them", COUNT),
    }
    return in_words(table.assign(ends=ends(table, "low", "high", AUC)), columns)


def in_ranges(table: pd.DataFrame, positive: str) -> pd.DataFrame:
    """Return `uncertain.in_ranges` with `planned.taught` in words, with the name of the positive class."""
    columns: Columns = {
        "arm": ("part of the ranking", str),
        "positive_share": (positive, SHARE),
        "tumour_mm2": ("tumour (mm\N{SUPERSCRIPT TWO})", COUNT),
        "first_last": ("a tumour's first or last two slices", SHARE),
        "next_to": ("the next two without tumour", SHARE),
        "sites_apart": ("of other sites", SHARE),
        "labelled_share": ("the committee's own", SHARE),
        "committee_auc": ("committee's AUC in it", AUC),
        "test_auc": ("test AUC after training on it", AUC),
    }
    return in_words(table, columns)


def optimism(table: pd.DataFrame) -> pd.DataFrame:
    """Return `quality.optimism`, a row an arm: AUCs, and what separates them in percentage points."""
    wide = table.pivot(index="arm", columns="quantity", values="auc_mean").loc[list(dict.fromkeys(table["arm"]))]
    columns: Columns = {
        "arm": ("arm", str),
        "validation_best": ("validation AUC, kept epoch", AUC),
        "validation_last": ("validation AUC, last epoch", AUC),
        "test_best": ("test AUC, kept epoch", AUC),
        "test_last": ("test AUC, last epoch", AUC),
        "gap": ("validation less test, kept epoch (pp)", pp),
        "gain": ("kept less last epoch, test (pp)", pp),
        "optimism": ("optimism (pp)", pp),
    }
    return in_words(wide.reset_index(), columns)


def quality(table: pd.DataFrame, negative: str) -> pd.DataFrame:
    """Return means over the runs of `further_evidence.quality`, a row a unit and arm; the negative class by name."""
    means = table.groupby(["unit", "arm"], sort=False).mean(numeric_only=True).reset_index()
    columns: Columns = {
        "unit": ("level", str),
        "arm": ("arm", str),
        "auc": ("AUC", AUC),
        "average_precision": (f"average precision, {negative}", AUC),
        "brier": ("Brier score", AUC),
        "calibration_error": ("calibration error", AUC),
        "sensitivity": ("sensitivity", AUC),
        "specificity": ("specificity", AUC),
    }
    return in_words(means.sort_values("unit", ascending=False, kind="stable"), columns)
