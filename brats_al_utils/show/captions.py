"""What stands below each figure and table of the report: what it shows, how it is read, and what was found in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brats_al_utils.findings.answer import annotation_worth
from brats_al_utils.findings.outcomes import different
from brats_al_utils.findings.paper import BUDGET
from brats_al_utils.findings.sentences import apart, gain, teaches_worst

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Words:
    """What is said of a figure or a table.

    Attributes
    ----------
    title : str
    drawn : str
        What it shows; read out in place of a figure.
    read : str
        How it is read.
    """

    title: str
    drawn: str
    read: str = ""


HOLLOW = "Nothing is judged by arms that have not learned (hollow)."
PAIRED = (
    "An interval of differences that excludes 0 shows one. Open diamonds are the paper's numbers, drawn beside its own "
    f"task (HGG or LGG) alone. {HOLLOW}"
)
FOREST = (
    f"Right of 0 is better than the reference. Bars are 95 % confidence intervals across runs and patients. {HOLLOW}"
)
DIFFERENCES = (
    f"A difference is shown where its interval excludes 0; the placebo is the proposed sampler again. {HOLLOW}"
)
WORDS = {
    "figure1": Words(
        "Figure 1: the workflow",
        "Nine boxes, from the patients to the test AUC of the proposed method, with this study's counts in each.",
        "The orange box is the paper's own step: the most and the least uncertain decile are dropped.",
    ),
    "figure2": Words(
        "Figure 2: uncertainty of the training slices",
        "The committee's uncertainty of each training slice with its class, in the order of the slices and sorted.",
        "A steep start of the sorted curve means that few slices carry most of the uncertainty.",
    ),
    "figure3": Words(
        "Figure 3: training on each range of uncertainty",
        "Slice-level AUC after training on each of eight ranges of the uncertainty ranking, and what the ends lose.",
        "Shaded are the ends that the paper speaks of; on the left is the most uncertain 30 %. " + PAIRED,
    ),
    "figure4": Words(
        "Figure 4: who is in the most and the least uncertain decile",
        "Where the ends of the ranking lie, and which class, tumour size and place in the tumour their slices have.",
        "A mark of an end that lies apart from the one between says what makes a slice uncertain or certain.",
    ),
    "figure5": Words(
        "Figure 5: proposed method and baseline, imbalanced set",
        "AUC of the proposed method and of the baseline on validation and test, and their paired difference.",
        PAIRED,
    ),
    "figure6": Words(
        "Figure 6: proposed method and baseline, balanced set",
        "The same as Figure 5 on the set with as many slices of either class.",
        PAIRED,
    ),
    "figure7": Words(
        "Figure 7: test AUC at each budget, imbalanced set",
        "Slice-level test AUC against the number of slices trained on, and below it the paired differences.",
        f"The committee's slices are annotated too: see AUC for what has to be annotated. {DIFFERENCES}",
    ),
    "figure8": Words(
        "Figure 8: test AUC at each budget, balanced set",
        "The same as Figure 7 on the set with as many slices of either class.",
        DIFFERENCES,
    ),
    "table2": Words(
        "Table 2: pretrained and random initialisation",
        "AUC of the network pretrained on ImageNet and of the one from random initialisation, and their difference.",
        PAIRED,
    ),
    "table2_training": Words(
        "Training curves of Table 2",
        "Training loss and validation AUC of every run, epoch by epoch, with the epoch that was kept marked.",
        "A curve that still rises at its end has not been trained to the end.",
    ),
    "cohort": Words(
        "The cohort and its split",
        "How many people of each class are in training, validation and test, and, of several sites, in each.",
        "A site with people of one class alone can tell the class without a tumour.",
    ),
    "sites": Words(
        "Sites",
        "How many people and slices of each class come from each site.",
        "A site with people of one class alone can tell the class without a tumour.",
    ),
    "slices": Words(
        "What the network sees",
        "For three people of each class, the slice with the largest tumour in each channel, the tumour outlined.",
    ),
    "batch": Words(
        "One batch as the network sees it",
        "The first batch of the first training: the three channels of each slice as red, green and blue.",
    ),
    "five_slices": Words(
        "Five slices, from the most to the least uncertain",
        "Training slices of the first run with the uncertainty of each; the channels as red, green and blue.",
    ),
    "extremes": Words(
        "The most and the least uncertain slices",
        "Of the first run's training slices, the eight most uncertain above the eight least uncertain.",
    ),
    "hidden_tumours": Words(
        "What the shortcut audit shows",
        "The same slices whole, with the tumour hidden, and with all but the tumour hidden.",
    ),
    "intensities": Words(
        "Intensities",
        "How often each intensity occurs in the foreground, by channel and class, after scaling.",
        "Curves of two classes that lie apart without a tumour would be a shortcut.",
    ),
    "intervals": Words(
        "Intervals across runs, patients and both",
        "Test AUC of each arm with three 95 % confidence intervals: across runs, across patients and across both.",
        f"Only the interval across both, in bold, says what other patients would give. {HOLLOW}",
    ),
    "annotated_slices": Words(
        "AUC for what has to be annotated",
        "Slice-level test AUC against the share of training slices annotated, the committee's included.",
        "The arrow leads from what the proposed method has annotated to what random sampling needs for the same AUC.",
    ),
    "controls": Words("Controls", "Differences of test AUC of the proposed method from its controls.", FOREST),
    "competitors": Words(
        "Competing strategies, one-shot", "Differences of test AUC of query strategies from random sampling.", FOREST
    ),
    "iterative": Words(
        "Iterative querying", "Differences of test AUC of strategies that query in rounds from random sampling.", FOREST
    ),
    "transfer": Words("Transfer", "Differences of test AUC of other initialisations from the baseline.", FOREST),
    "selection_for_others": Words(
        "A selection made with one network, for others",
        "Differences of test AUC of other networks trained on the slices chosen and on random ones.",
        FOREST,
    ),
    "could_the_paper_tell": Words(
        "Could the paper tell?",
        "Gains that test sets of the paper's size would print, a row a comparison.",
        f"The solid line is the gain of all test patients, the dashed one the paper's. {HOLLOW}",
    ),
    "patients_needed": Words(
        "Patients needed",
        "How many test patients tell a gain of 3 pp, and which gain test sets of each size tell, with a power of 80 %.",
        "The dashed line is the paper's test set: what lies to its right it cannot tell.",
    ),
    "along_the_ranking": Words(
        "From the most to the least uncertain slice",
        "Slices along the ranking with the terms that their uncertainty is the sum of.",
        "Entropies say how unsure each network is, divergences how much the networks contradict each other.",
    ),
    "uncertainty": Words(
        "Uncertainty and probability",
        "Each training slice by the committee's probability of the positive class and its uncertainty.",
        "Points of one colour at the top are a class that the committee is unsure of.",
    ),
    "choices": Words(
        "Which arm chooses from which decile",
        "The share of each decile of the ranking that each arm trains on, mean across runs.",
        "A level line is a choice without regard to uncertainty.",
    ),
    "table1": Words(
        "Table 1: the network",
        "Kernel, stride, padding and output of each layer, and what is printed where it differs.",
    ),
    "table3": Words(
        "Table 3: proposed method and baseline", "AUC with its 95 % confidence interval across runs, paper and ours."
    ),
    "table3_arms": Words(
        "Proposed method and baseline, in every way that is known",
        "Test AUC slice-level, patient-level, within a site and with the tumour hidden, and what each was trained on.",
    ),
    "table4": Words("Table 4: the same on the balanced set", "AUC with its 95 % confidence interval, paper and ours."),
    "table5": Words(
        "Table 5: examples at each budget", "Slices of each budget as printed and here, and who draws them."
    ),
    "outcomes": Words(
        "Planned contrasts",
        "Differences of slice-level test AUC that were chosen before any was computed, and what each has decided.",
    ),
    "tests": Words(
        "Paired tests", "Differences of test AUC from the proposed method's references, with intervals and tests."
    ),
    "label_efficiency": Words(
        "Annotated slices that random sampling needs for the same AUC",
        "For each strategy and budget, the share of slices annotated, and what random sampling needs to match it.",
    ),
    "teaches_worst": Words(
        "Do the most uncertain slices teach worst?",
        "Slice-level test AUC after training on the most uncertain range less the mean of the other ranges.",
        "An interval across both that lies below 0 says yes.",
    ),
    "within_site": Words(
        "Within a site",
        "Slice-level test AUC of each arm over all pairs of slices, and over those of one site.",
        "Within a site, the site cannot tell the class.",
    ),
    "areas": Words("Areas under the budget curves", "Mean AUC over the budgets, and how the ranks hold without a run."),
    "design": Words(
        "What test sets of the paper's size would print", "Gains of all test patients and of drawn test sets."
    ),
}
"""What is said of each figure and table, by the names of their files."""


def words_of(name: str) -> Words:
    """Return what is said of a figure or a table; of one that is not known, its name."""
    title = name.replace("_", " ")
    return WORDS.get(name, Words(title[:1].upper() + title[1:], f"What this study shows of {title}."))


def of_pair(name: str) -> Callable[[Tables], str]:
    """Return what says how two arms differ slice-level on the test set."""

    def said(tables: Tables) -> str:
        row = tables[name].query("part == 'test' and unit == 'slice'").iloc[0]
        return f"Slice-level on the test set, {row['arm']} less {row['other']}: {gain(row, 'both')}."

    return said


def of_budgets(tables: Tables, dataset: str) -> str:
    """Say what the proposed method gains at the paper's budget, and at how many budgets it differs."""
    rows = tables["budget_gains"].query("unit == 'slice' and other == 'random' and dataset == @dataset")
    (row,) = [row for _, row in rows.iterrows() if np.isclose(row["share"], BUDGET)]
    return (
        f"At {BUDGET:.0%} the proposed method is {gain(row, 'both')} from random sampling; at {apart(rows)} of "
        f"{len(rows)} budgets the interval excludes 0."
    )


def of_ranges(tables: Tables) -> str:
    """Say how the most uncertain range does."""
    return teaches_worst(tables["teaches_worst"].iloc[0])


def of_family(name: str) -> Callable[[Tables], str]:
    """Return what counts the arms that differ from their reference."""
    return lambda tables: f"{different(tables[name])}."


def of_efficiency(tables: Tables) -> str:
    """Say what the annotations of the proposed method buy."""
    return annotation_worth(tables["label_efficiency"], tables["areas"], BUDGET)[0]


FOUND: dict[str, tuple[tuple[str, ...], Callable[[Tables], str]]] = {
    "figure3": (("teaches_worst",), of_ranges),
    "figure5": (("table3_gains",), of_pair("table3_gains")),
    "figure6": (("table4_gains",), of_pair("table4_gains")),
    "figure7": (("budget_gains",), lambda tables: of_budgets(tables, "imbalanced")),
    "figure8": (("budget_gains",), lambda tables: of_budgets(tables, "balanced")),
    "table2": (("table2_gains",), of_pair("table2_gains")),
    "annotated_slices": (("label_efficiency", "areas"), of_efficiency),
    **{
        name: ((name,), of_family(name))
        for name in ("controls", "competitors", "iterative", "transfer", "selection_for_others")
    },
}
"""What a figure shows here: the tables that it takes, and the sentence."""

READ = tuple(dict.fromkeys(table for needed, _ in FOUND.values() for table in needed))
"""Every table that a sentence is taken from."""


def found_in(name: str, tables: Tables) -> str:
    """Return what a figure shows in this study; nothing where its tables are missing."""
    needed, said = FOUND.get(name, ((), lambda _: ""))
    return said(tables) if set(needed) <= set(tables) else ""


ARMS = {
    "proposed": "the committee's choice of 30 %",
    "random": "30 % at random",
    "random at 51%": "as many annotated at random (51 %)",
    "placebo": "another random draw from where it chooses",
    "baseline": "everything",
    "0%-30%": "the most uncertain 30 %",
    "mean of 7 others": "the mean of the other ranges",
    "proposed, iterative": "the committee's choice in several queries",
}
"""Arms as a radiologist reads them."""
