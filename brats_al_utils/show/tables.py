"""Tables for readers: columns in words, numbers with units, at most eight columns.

The CSV files keep the machine names.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.findings.comparison import MARGIN
from brats_al_utils.findings.paper import OURS, PRINTED, ends_of, footnotes, name_of, printed_aucs, unit_of, written
from brats_al_utils.findings.sentences import p_said, pp

COUNT, SHARE, AUC = "{:.0f}".format, "{:.0%}".format, "{:.3f}".format
ACROSS_RUNS, ACROSS_PATIENTS, ACROSS_BOTH = (
    f"95 % CI, across {what}" for what in ("runs", "patients", "runs and patients")
)

Columns = Mapping[str, tuple[str, Callable[[Any], str]]]
"""The words for a column and the format of its values, by its machine name."""


def in_words(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Return some columns as text under their words, empty for NaN; the first one becomes the index."""
    texts = {
        words: ["" if pd.isna(value) else form(value) for value in table[name]]
        for name, (words, form) in columns.items()
    }
    return pd.DataFrame(texts).set_index(next(iter(texts)))


def ends(table: pd.DataFrame, low: str, high: str, form: Callable[[Any], str]) -> list[str]:
    """Return each row's interval as text; "none" for NaN."""
    pairs = zip(table[low], table[high], strict=True)
    return ["none" if np.isnan(first) else f"{form(first)} to {form(last)}" for first, last in pairs]


def percent(mean: float, low: float, high: float) -> str:
    """Return an AUC and its interval in the paper's format, ``79.91% (78.95, 80.87)``; a single run has no interval."""
    first, last = np.clip([100 * low, 100 * high], 0, 100)
    return f"{100 * mean:.2f}%" if np.isnan(low) else f"{100 * mean:.2f}% ({first:.2f}, {last:.2f})"


def patients_and_slices(counts: pd.DataFrame, people: str) -> pd.DataFrame:
    """Return the numbers of patients and slices, one row for each part and the whole cohort.

    Parameters
    ----------
    counts : pd.DataFrame
        part, class_name, site, slices, and patients if each has a single class.
    people : {"patients", "persons"}
    """
    counted = counts.rename(columns={"patients": people})
    table = counted.pivot_table(
        index="part",
        columns="class_name",
        values=[name for name in (people, "slices") if name in counted],
        aggfunc="sum",
        margins=True,
        margins_name="all",
    )
    return table.loc[[*PARTS, "all"]].rename_axis(columns=["", "class"])


def site_table(counts: pd.DataFrame, classes: tuple[str, str], people: str) -> pd.DataFrame:
    """Return `sites.site_table` in words.

    Parameters
    ----------
    classes : tuple of str
        Negative, positive.
    people : {"patients", "persons"}
    """
    columns: dict[str, tuple[str, Callable[[Any], str]]] = {"site": ("site", str)}
    for name, of_class in zip(("positive", "negative"), classes[::-1], strict=True):
        columns |= {
            f"{name}_patients": (f"{of_class}, {people}", COUNT),
            f"{name}_slices": (f"{of_class}, slices", COUNT),
        }
    return in_words(counts, columns)


def layers(table: pd.DataFrame) -> pd.DataFrame:
    """Return Table 1: kernel, stride, padding and output of each layer, with the printed value if it differs."""
    texts = table.astype(object).where(table.notna(), "").astype(str)
    for name in [name for name in texts if f"{name}_printed" in texts]:
        printed = texts.pop(f"{name}_printed")
        texts[name] += (" (printed: " + printed + ")").where(printed.ne(texts[name]) & printed.ne(""), "")
    return texts.set_index("layer")


def beside_the_paper(summary: pd.DataFrame, printed_in: str) -> pd.DataFrame:
    """Return a table of the paper with our numbers: one row for each evaluation set and unit, one column for each arm.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise`.
    printed_in : {"table2", "table3", "table4"}
    """
    printed = printed_aucs(printed_in).assign(source="paper, slice-level")
    both = pd.concat([printed, summary.assign(source=summary["unit"].map("ours, {}-level".format))])
    numbers = both[["auc_mean", "runs_low", "runs_high"]].itertuples(index=False)
    both = both.assign(text=[percent(*row) for row in numbers]).rename(columns={"part": "set"})
    table = both.pivot_table(index=["set", "source"], columns="arm", values="text", aggfunc="first", sort=False)
    return table.rename_axis(columns=f"AUC ({ACROSS_RUNS})")


def arms(table: pd.DataFrame, positive: str, people: str) -> pd.DataFrame:
    """Return each arm's test AUCs (slice-level and others) and its training set.

    Parameters
    ----------
    table : pd.DataFrame
        From `evidence.arm_table`, of one data set.
    positive : str
        The positive class.
    people : {"patients", "persons"}
    """
    several = table.groupby("arm")["share"].transform("nunique") > 1
    names = table["arm"].where(~several, table["arm"] + ", " + table["share"].map(SHARE))
    names = names.where(table["learned"], names + " (has not learned)")
    aucs = {
        f"{name}mean": (words, str)
        for name, words in (
            ("auc_", "test AUC (95 % CI)"),
            ("patient_", "patient-level"),
            ("within_", "within a site"),
            ("hidden_", "tumour hidden"),
        )
        if table[f"{name}mean"].notna().any()
    }
    text = table.assign(name=names).rename(columns={"low": "auc_low", "high": "auc_high"})
    for name in aucs:
        limits = ends(text, name.replace("mean", "low"), name.replace("mean", "high"), AUC)
        text[name] = text[name].map(AUC).where(text[name].notna()) + " (" + pd.Series(limits, text.index) + ")"
    columns: Columns = {
        "name": ("arm", str),
        **aucs,
        "examples": ("slices", COUNT),
        "positive_share": (f"of them {positive}", SHARE),
        "patients": (people, COUNT),
    }
    return in_words(text, columns)


def kept_epochs(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the kept epochs of each arm's runs, from `evidence.evaluate`."""
    kept = runs.drop_duplicates(["arm", "seed"]).groupby("arm", sort=False)["best_epoch"].agg(["mean", "min", "max"])
    columns = {"mean": "epoch kept (mean)", "min": "earliest", "max": "latest"}
    return in_words(
        kept.reset_index(),
        {"arm": ("arm", str), **{name: (words, "{:.3g}".format) for name, words in columns.items()}},
    )


def deciles(table: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of Figure 4 in percent."""
    facts: Columns = {str(name): (str(name), "{:.1%}".format) for name in table.columns if name != "decile"}
    return in_words(table, {"decile": ("part of the ranking", str), **facts})


def annotation(cost: pd.DataFrame, by: str, people: str) -> pd.DataFrame:
    """Return annotation costs, from `evidence.annotation_cost` or means of it.

    Parameters
    ----------
    by : {"seed", "arm", "dataset"}
        The column that identifies the rows.
    people : {"patients", "persons"}
    """
    columns: Columns = {
        by: ({"seed": "run (seed)", "dataset": "set"}.get(by, by), str),
        "labelled": ("labelled subset", COUNT),
        "chosen": ("chosen", COUNT),
        "annotated": ("annotated slices", COUNT),
        "share": ("of the training slices", SHARE),
        "patients": (f"of {people}", COUNT),
        "patient_share": (f"of the training {people}", SHARE),
        "validation": ("validation slices", COUNT),
    }
    return in_words(cost, {name: column for name, column in columns.items() if name in cost})


def budgets(table: pd.DataFrame) -> pd.DataFrame:
    """Return Table 5, one row a budget: its number of slices in each set, printed and ours, and the arms that have it.

    Parameters
    ----------
    table : pd.DataFrame
        arm, dataset, share, examples, can_be_drawn, printed.
    """
    sets = {}
    for dataset, rows in table.groupby("dataset", sort=False):
        budgets = rows.groupby(rows["share"].map(SHARE), sort=False)
        drawn = rows[rows["can_be_drawn"]].groupby(rows["share"].map(SHARE))["arm"].agg(", ".join)
        counts = pd.DataFrame({"printed": budgets["printed"].first(), "ours": budgets["examples"].first()})
        sets[dataset] = counts.assign(**{"can be drawn by": drawn.reindex(counts.index).fillna("none")})
    return pd.concat(sets, axis=1).rename_axis("budget").rename_axis(columns=["set", "slices"])


def scorecard(card: pd.DataFrame) -> pd.DataFrame:
    """Return a scorecard for readers: claims by name, AUCs and savings in percent, gains in percentage points.

    The marks are those of `sentences.rules`.
    """
    ids, units = card["id"], card["id"].map(unit_of)
    found = footnotes(card["rule"].tolist(), card["why"].tolist())
    return pd.DataFrame(
        {
            "claim": ids.map(name_of),
            **{
                name: [written(value, unit, PRINTED) for value, unit in zip(card[name], units, strict=True)]
                for name in ("printed", "recomputed")
            },
            "ours": [written(value, unit, OURS) for value, unit in zip(card["ours"], units, strict=True)],
            ACROSS_BOTH: [ends_of(*row) for row in zip(ids, card["both_low"], card["both_high"], strict=True)],
            "could be told?": card["could_tell"],
            "verdict": card["verdict"],
            "rule, notes": [" ".join([rule, *notes]) for rule, notes in found.marks],
        }
    ).set_index("claim")


def contrasts(tests: pd.DataFrame) -> pd.DataFrame:
    """Return paired tests of arms: one column for each contrast, and the same rows for each unit.

    Parameters
    ----------
    tests : pd.DataFrame
        From `comparison.compare` with a column unit.
    """
    intervals = {
        f"{across}_ends": ends(tests, f"{across}_low", f"{across}_high", pp) for across in ("runs", "patients", "both")
    }
    compared = tests["arm"] + " less " + tests["other"] if tests["arm"].nunique() > 1 else tests["other"]
    table = tests.assign(
        level=tests["unit"] + "-level",
        against=compared,
        noninferior=np.where(tests["noninferior"] & tests.get("learned", True), "yes", "not shown"),
        detectable=100 * tests["detectable"],
        run_sd=100 * tests["run_sd"],
        **intervals,
    )
    columns: Columns = {
        "against": ("contrast", str),
        "auc_difference": ("difference (pp)", pp),
        "runs_ends": (ACROSS_RUNS, str),
        "patients_ends": (ACROSS_PATIENTS, str),
        "both_ends": (ACROSS_BOTH, str),
        "p_patients_holm": ("p across patients (Holm)", p_said),
        "p_both_holm": ("p across runs and patients (Holm)", p_said),
        "noninferior": (f"not inferior by {100 * MARGIN:.0f} pp", str),
        "detectable": ("detectable (pp)", "{:.1f}".format),
        "run_sd": ("SD of the runs' own (pp)", "{:.1f}".format),
    }
    return pd.concat({level: in_words(rows, columns).T for level, rows in table.groupby("level", sort=False)})


def budget_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Return the slice-level gain of the proposed method at each budget, from `evidence.budget_gains` of a data set."""
    rows = table[table["unit"] == "slice"]
    columns: Columns = {
        "share": ("budget", SHARE),
        "auc_difference": ("difference (pp)", pp),
        "both": (ACROSS_BOTH, str),
        "p_both_holm": ("p (Holm)", p_said),
        "detectable": ("detectable (pp)", "{:.1f}".format),
    }
    text = rows.assign(both=ends(rows, "both_low", "both_high", pp), detectable=100 * rows["detectable"])
    each = {f"less {other}": in_words(one, columns) for other, one in text.groupby("other", sort=False)}
    return pd.concat(each, axis=1)
