"""The answer to the paper's question, whether active learning saves annotations, from a study's tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils.findings.comparison import MARGIN
from brats_al_utils.findings.outcomes import AS_GOOD, BETTER, NOT_YET, WORSE, outcome
from brats_al_utils.findings.paper import OURS, PRINTED, claims, ends_of, is_its_task, printed_aucs, unit_of, written
from brats_al_utils.findings.sentences import gain, pp
from brats_al_utils.findings.shortcut import CHANCE
from brats_al_utils.findings.verdicts import EQUIVALENCE
from brats_al_utils.study.profile import BUDGET

QUESTION = "Does the paper's active learning save annotations here?"
DESIGN_QUESTION = "Could a study of the paper's size tell?"
"""The question of a study that compares no strategies, but draws test sets from its patients (notebook 08)."""

YES, NO, CANNOT_TELL, NOT_COMPUTED = "Yes.", "No.", "Cannot tell.", "Not computed yet."
NOT_DECIDED = "Not decided yet."
"""The answer with fewer runs than planned."""

RULE = (
    "Yes if the 95 % confidence interval across runs and patients of the proposed method's slice-level test AUC less "
    "that of random sampling of as many annotated slices lies wholly above 0. No if it lies wholly below 0, or wholly "
    f"within {100 * MARGIN:g} pp of 0. Cannot tell otherwise, nor where the interval of the proposed method's own AUC "
    "does not lie wholly above 0.5, or most runs of either have not learned: networks that do not tell the classes "
    "apart cannot show what annotations are worth. Where random sampling was only given fewer annotated slices than "
    "the proposed method: no if the interval lies wholly below 0 or within "
    f"{100 * MARGIN:g} pp of 0, else cannot tell. Not decided yet with fewer runs than were planned."
)
DESIGN_RULE = (
    f"No if, with {{runs}} runs, a gain of {EQUIVALENCE:g} pp is told with a power of 80 % by no number of test "
    "patients or only by more than the paper has ({patients}). Yes otherwise. Cannot tell if {many} are too few, too."
)

SAVING = "saving.range"
"""Id of the claim on the share of annotations saved."""

FOUND_IN = {"outcomes": "13", "intervals": "07", "label_efficiency": "07", "scorecard": "06"}
"""The tables of a complete answer, and the notebooks that write them."""

TABLES = (
    *FOUND_IN,
    "attacks",
    "areas",
    "budget_gains",
    "table3_arms",
    "table2_gains",
    "table3_gains",
    "teaches_worst",
    "design",
    "cohort",
)
"""All tables from which an answer, or a part of it, is read."""

PAPER_PATIENTS, PAPER_RUNS, MANY_RUNS = 66, 10, 100
"""The paper's numbers of test patients and runs, and a large number of runs: those of notebook 08."""


@dataclass(frozen=True)
class Answer:
    """The answer of a study to its question.

    Attributes
    ----------
    said : str
        Yes, no, cannot tell, or not computed yet.
    lines : list of str
        Sentences with the size and the uncertainty of effects.
    question, rule : str
        The question, and the rule by which the answer is yes or no.
    """

    said: str
    lines: list[str] = field(default_factory=list)
    question: str = QUESTION
    rule: str = RULE


def answer(tables: Mapping[str, pd.DataFrame]) -> Answer:
    """Return the answer, as far as a study's tables allow.

    Parameters
    ----------
    tables : mapping of str to pd.DataFrame
        The available ``TABLES``, by the names of their CSV files (docs/tables.md).

    Raises
    ------
    KeyError
        If columns or rows of a table are missing.
    """
    lines, said = [], NOT_COMPUTED
    if "outcomes" in tables:
        primary = tables["outcomes"].iloc[0]
        said, lines = answered(primary), against_random(primary)
        if "intervals" in tables:
            arms = tables["intervals"].query("unit == 'slice'")
            if blind := tells_nothing(arms.rename(columns={"both_low": "low", "both_high": "high"})):
                said, lines = CANNOT_TELL, [blind, *lines]
        if primary["outcome"] == NOT_YET:
            said = NOT_DECIDED
            lines.insert(0, f"{primary['n_runs']} of the {primary['planned']} planned runs are there. So far:")
    elif "budget_gains" in tables:
        said, lines = with_fewer(at_the_budget(tables["budget_gains"]))
        if "table3_arms" in tables and (blind := tells_nothing(tables["table3_arms"])):
            said = CANNOT_TELL
            lines.insert(0, blind)
    elif "design" in tables and "scorecard" not in tables:
        return of_the_design(tables["design"])
    if {"label_efficiency", "areas"} <= set(tables):
        lines.append(annotation_worth(tables["label_efficiency"], tables["areas"], BUDGET)[0])
    if "scorecard" in tables:
        lines += claimed(tables["scorecard"])
    absent = sorted({notebook for name, notebook in FOUND_IN.items() if name not in tables})
    if absent:
        lines.append(f"More would be told by {'notebooks' if len(absent) > 1 else 'notebook'} {', '.join(absent)}.")
    return Answer(said, lines)


def answered(row: "pd.Series[Any]") -> str:
    """Return the answer by the contrast with random sampling of as many annotated slices: `RULE`."""
    if not row["learned"]:
        return CANNOT_TELL
    return {BETTER: YES, WORSE: NO, AS_GOOD: NO}.get(row["outcome"], CANNOT_TELL)


def at_the_budget(gains: pd.DataFrame, other: str = "random") -> "pd.Series[float]":
    """Return the slice-level row of `evidence.budget_gains` at the paper's budget."""
    rows = gains[(gains["unit"] == "slice") & (gains["dataset"] == "imbalanced") & (gains["other"] == other)]
    return rows[np.isclose(rows["share"], BUDGET)].iloc[0]


def with_fewer(row: "pd.Series[float]") -> tuple[str, list[str]]:
    """Answer by random sampling of as many slices as were chosen, for which fewer are annotated: `RULE`."""
    no = row["learned"] and outcome(row["both_low"], row["both_high"]) in (WORSE, AS_GOOD)
    return NO if no else CANNOT_TELL, [
        f"Slice-level test AUC of the proposed method less that of random sampling of {BUDGET:.0%} of the training "
        f"slices: {gain(row)}. The proposed method also needs the slices that its committee learns from, "
        "random sampling does not."
    ]


def of_the_design(table: pd.DataFrame) -> Answer:
    """Answer from the table of notebook 08 whether a study of the paper's size could tell."""
    row, drawn = table.iloc[0], "of test sets of the paper's size drawn from them"
    lines = [
        f"Test AUC of {each['arm']} less {each['other']} on all {each['positives'] + each['negatives']:,} test "
        f"patients: {pp(each['gain'])} pp; 95 % {drawn} would print {pp(each['drawn_low'])} to "
        f"{pp(each['drawn_high'])} pp."
        for _, each in table.iterrows()
    ]
    lines.append(
        f"Without any gain, the choice of test patients alone prints the paper's gain or more, to either side, with a "
        f"probability of {row['p']:.2f}."
    )
    many = f"with {MANY_RUNS} it takes {row['needed_many']:,.0f} test patients"
    few = f"with {PAPER_RUNS} runs it takes {row['needed']:,.0f} test patients"
    if pd.isna(row["needed"]):
        few = f"{PAPER_RUNS} runs are too few for any number of test patients"
    told = "cannot be said here" if pd.isna(row["needed_many"]) else f"{few}, {many}"
    lines.append(f"To tell {EQUIVALENCE:g} pp with a power of 80 %: {told}.")
    said = CANNOT_TELL if pd.isna(row["needed_many"]) else YES if row["needed"] <= PAPER_PATIENTS else NO
    rule = DESIGN_RULE.format(runs=PAPER_RUNS, patients=PAPER_PATIENTS, many=MANY_RUNS)
    return Answer(said, lines, DESIGN_QUESTION, rule)


def differences(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the paired differences on which the answer rests: rows of `evidence.contrasts`, and the paper's gains.

    Columns arm, other, auc_difference, both_low, both_high, learned, paper (NaN without one, and for other classes than
    the paper's). The limits are those across runs and patients, or the range of 95 % of the drawn test sets. Once the
    primary contrast is decided, contrasts with fewer runs than planned are left out.
    """
    rows = []
    if "outcomes" in tables:
        open_ = tables["outcomes"]["outcome"] == NOT_YET
        rows.append(tables["outcomes"][~open_ | open_.iloc[0]])
    elif "budget_gains" in tables:
        rows += [at_the_budget(tables["budget_gains"], other).to_frame().T for other in ("random", "placebo")]
    elif "design" in tables and "scorecard" not in tables:
        of_sets = {"gain": "auc_difference", "drawn_low": "both_low", "drawn_high": "both_high"}
        rows.append(tables["design"].rename(columns=of_sets))
    if "teaches_worst" in tables:
        rows.append(tables["teaches_worst"].head(1))
    for name in ("table3_gains", "table2_gains"):
        if name in tables:
            rows.append(tables[name].query("part == 'test' and unit == 'slice'").head(1))
    columns = ["arm", "other", "auc_difference", "both_low", "both_high", "learned"]
    found = pd.concat([table.reindex(columns=columns) for table in rows] or [pd.DataFrame(columns=columns)])
    found = found.astype(dict.fromkeys(columns[2:5], float)).drop_duplicates(["arm", "other"], ignore_index=True)
    printed = printed_aucs().query("dataset == 'imbalanced' and part == 'test'").set_index("arm")["auc_mean"]
    printed = printed[~printed.index.duplicated()]
    if "cohort" not in tables or not is_its_task(tables["cohort"]["class_name"]):
        printed = printed[:0]
    paper = printed.reindex(found["arm"]).to_numpy() - printed.reindex(found["other"]).to_numpy()
    return found.assign(learned=found["learned"].ne(False), paper=paper)


def tells_nothing(arms: pd.DataFrame) -> str:
    """Say that the networks of the proposed method are not shown to tell the classes apart; empty if they are.

    Parameters
    ----------
    arms : pd.DataFrame
        arm, auc_mean, low, high: slice-level, across runs and patients.
    """
    row = arms[arms["arm"] == "proposed"].iloc[0]
    if row["low"] > CHANCE:
        return ""
    ends = f"{row['low']:.3f} to {row['high']:.3f}" if pd.notna(row["low"]) else "not known"
    return (
        "The networks are not shown to tell the classes apart: slice-level test AUC of the proposed method "
        f"{row['auc_mean']:.3f} (95 % confidence interval across runs and patients: {ends})."
    )


def against_random(row: "pd.Series[float]") -> list[str]:
    """Say the gain of the proposed method over random sampling of as many annotated slices, and the detectable one."""
    _, at, share = str(row["other"]).partition("random at ")  # without it: all of them, or as many as are chosen
    of_all = f" ({share} of the training slices)" if at else ""
    said = [
        f"Against random sampling of as many annotated slices{of_all}, slice-level test AUC of the proposed method: "
        f"{gain(row)}."
    ]
    if pd.notna(least := row["detectable"]):
        said.append(f"With a probability of 80 % this study would find a difference of {100 * least:.1f} pp or more.")
    return said


def claimed(card: pd.DataFrame) -> list[str]:
    """Say which of the paper's gains were found, and the share of annotations saved."""
    rows: dict[str, dict[str, Any]] = card.set_index("id").to_dict("index")  # type: ignore[assignment]
    lines: list[str] = []
    for claim in (each for each in claims().values() if each.headline):
        row = rows[claim.id]
        if pd.notna(row["ours"]):
            ends = ends_of(claim.id, row["both_low"], row["both_high"])
            interval = f" (95 % confidence interval across runs and patients: {ends})" if ends else ""
            lines.append(
                f"Slice-level test AUC {claim.headline}: {written(row['ours'], claim.unit, OURS)}{interval}; the "
                f"paper's tables give {written(row['recomputed'], claim.unit, PRINTED)}: {row['verdict']}."
            )
    saved = rows[SAVING]
    if pd.notna(saved["ours"]):
        lines.append(
            f"Training slices that nobody had to annotate: {written(saved['ours'], unit_of(SAVING), OURS)} "
            f"(the paper: {saved['printed']} %; any two samples of 30 % leave 40 to 70 %)."
        )
    return lines


def shares_between(low: float, high: float) -> str:
    """Return the ends of an interval of shares in words, without unbounded ones (0 and infinity)."""
    first = f"from {low:.0%}" if low > 0 else ""
    last = f"up to {high:.0%}" if np.isfinite(high) else ""
    return " ".join(filter(None, [first, last]))


def annotation_worth(efficiency: pd.DataFrame, areas: pd.DataFrame, budget: float) -> list[str]:
    """Say how many annotations random sampling needs for the same AUC.

    Parameters
    ----------
    efficiency : pd.DataFrame
        From `budgets.label_efficiency`.
    areas : pd.DataFrame
        From `budgets.rank_stability`.
    budget : float
        A share of the training slices.
    """
    row = efficiency[(efficiency["strategy"] == "proposed") & np.isclose(efficiency["budget"], budget)].iloc[0]
    needed = f"{row['censored']} {row['random_annotated']:.0%}".strip()
    ends = shares_between(row["random_low"], row["random_high"])
    first = areas.iloc[0]
    ranks = f"; rank {first['best_rank']:.0f} to {first['worst_rank']:.0f} with any one run removed"
    known = f"; random sampling needs {needed} for the same AUC (95 % confidence interval across runs: {ends})"
    return [
        f"At a budget of {budget:.0%} the proposed method has {row['annotated']:.0%} of the training slices annotated"
        f"{known if ends else ''}.",
        "No share of annotated slices is covered by all curves, so that their areas cannot be compared."
        if pd.isna(first["mean"])
        else f"Largest area under the curve: {first['strategy']} ({first['mean']:.3f}"
        f"{ranks * pd.notna(first['best_rank'])}).",
    ]
