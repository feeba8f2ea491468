"""Findings in words: each function turns tidy tables into the Markdown at the end of a section or a notebook."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils.cohorts.split import PARTS, one_class_each
from brats_al_utils.findings.comparison import FEWEST_RUNS
from brats_al_utils.findings.paper import claims, footnotes, printed_aucs
from brats_al_utils.findings.shortcut import CHANCE
from brats_al_utils.findings.statistics import CONFIDENCE
from brats_al_utils.findings.verdicts import HERE, HERE_RULE
from brats_al_utils.queries.sampling import WINDOWS
from brats_al_utils.study.profile import BUDGET

TAILS = tuple(
    (each.arm.removeprefix("window "), each.other.removeprefix("window "), each.id)
    for each in claims().values()
    if each.rule == "gain" and each.arm.startswith("window ")
)
"""The ranges that section 3.2 compares: the better one, the worse one, and the id of the claim."""


def listed(cohort_name: str, lines: Iterable[str], about: str = "") -> str:
    """Return sentences as a list in Markdown, under the name of their cohort."""
    return "\n".join([f"On the {cohort_name}{about}:", "", *(f"- {line}" for line in lines)])


def pp(share: float) -> str:
    """Return a difference of AUCs in percentage points, with its sign, cut at 100."""
    return f"{np.clip(100 * share, -100, 100):+.1f}"


def gain(row: pd.Series) -> str:
    """Return a difference of AUCs with its interval across runs and patients in words, or why it has none.

    Parameters
    ----------
    row : pd.Series
        A row of `comparison.compare`: auc_difference, n_runs, both_low, both_high; learned, if it is known.
    """
    value, low, high = row["auc_difference"], row["both_low"], row["both_high"]
    if not row.get("learned", True):
        return f"not judged, as most runs of one of the two have not learned ({points(value)})"
    if np.isnan(low):
        few = "fewer than three runs" if row["n_runs"] < FEWEST_RUNS else "too few patients or no variance"
        return f"{points(value)} (no interval: {few} to estimate it from)"
    about = "95 % CI across runs and patients"
    if low > 0 or high < 0:
        nearer, further = sorted((abs(low), abs(high)))
        return f"{points(value)} ({about}: {100 * nearer:.1f} to {100 * min(further, 1):.1f})"
    return f"no difference shown: {points(value)} ({about}: {side(low)} to {side(high)})"


def points(share: float) -> str:
    """Return a difference of AUCs in percentage points, in words."""
    size, way = side(share).split()
    return f"{size} points {way if float(size) else 'apart'}"


def p_said(p: float) -> str:
    """Return a p-value with three digits, or "< 0.001"."""
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"


def side(share: float) -> str:
    """Return one end of an interval of a difference in words."""
    return f"{min(100 * abs(share), 100):.1f} {'worse' if share < 0 else 'better'}"


def cohort(table: pd.DataFrame, manifest: Mapping[str, Any], people: str) -> str:
    """Say how a slice set was split, and how many patients are missing; it names no patient.

    Parameters
    ----------
    table : pd.DataFrame
        Columns part, class_name, patient_id; one row a slice.
    manifest : mapping
        classes, fewer_slices, left_out, absent, fingerprint: see `slices.SliceSet`.
    people : {"patients", "persons"}
    """
    negative, positive = manifest["classes"]
    of_class = table.groupby(["part", "class_name"])["patient_id"]
    counts, what = of_class.nunique(), people
    if both := not one_class_each(table):
        counts, what = of_class.size(), "slices"
    split = ", ".join(f"{part} {counts[part, positive]}/{counts[part, negative]}" for part in PARTS)
    fewer, skipped, absent = (len(manifest[name]) for name in ("fewer_slices", "left_out", "absent"))
    who, mapped = people.capitalize(), ""
    if people == "patients":
        mapped = f"; {people} of the release's mapping that are missing from the folder: {absent}"
    lines = [
        f"{positive}/{negative} {what}: {split}; no {people.removesuffix('s')} is in two parts.",
        f"{len(table):,} slices. {who} with fewer eligible slices contribute all of them and are listed in the "
        f"manifest: {fewer}.",
        f"{who} skipped for a problem in their files: {skipped}{mapped}.",
    ]
    if both:
        per_part = table.groupby("part")["patient_id"].nunique()
        lines.append(
            f"{who}: {', '.join(f'{part} {per_part[part]}' for part in PARTS)}. They have slices of both classes: AUCs "
            "are slice-level, and none counts a person as a whole."
        )
    lines.append(f"Fingerprint of the slice set: `{manifest['fingerprint']}`.")
    return "\n".join(f"- {line}" for line in lines)


def sites(audit: Mapping[str, float], classes: tuple[str, str], people: str, by: str = "site") -> str:
    """Say whether the site alone tells the class, and how many patients can be compared within a site.

    Parameters
    ----------
    audit : mapping
        From `sites.audit`.
    classes : tuple of str
        Negative, positive.
    people : {"patients", "persons"}
    by : str
        The word for a site.
    """
    if audit["sites"] < 2:
        return f"The {by} cannot tell the class: the cohort names one."
    told = (
        f"The {by} alone tells the class: AUC {audit['auc']:.3f}, cross-validated {audit['auc_validated']:.3f}"
        if audit["p"] < 1 - CONFIDENCE
        else f"The {by} alone is not shown to tell the class (cross-validated AUC {audit['auc_validated']:.3f})"
    )
    partners = " and ".join(
        f"{audit[f'with_partner_{name}']:.0f} of {audit[name]:.0f} {of_class}"
        for name, of_class in zip(("positives", "negatives"), classes[::-1], strict=True)
    )
    return f"{told}. {partners} {people} share a {by} with the other class: these alone can be compared within one."


def paired_gains(gains: pd.DataFrame, table: str) -> list[str]:
    """Return a sentence on an arm's gain over another for each evaluation set and unit, with the paper's gain if any.

    Parameters
    ----------
    gains : pd.DataFrame
        From `evidence.on_both_sets`.
    table : str
        The paper's table with both arms, such as ``table3``.
    """
    printed = printed_aucs(table).pivot(index="part", columns="arm", values="auc_mean")
    lines = []
    for _, row in gains.iterrows():
        paper = 100 * (printed.loc[row["part"], row["arm"]] - printed.loc[row["part"], row["other"]])
        beside = f"; the paper's table gives {paper:+.2f} pp" if row["unit"] == "slice" else ""
        lines.append(f"{row['part']}, {row['unit']}-level: {gain(row)}{beside}.")
    return lines


def transfer(cohort_name: str, gains: pd.DataFrame, initialisation: str, more: Iterable[str]) -> str:
    """Say the gain of the pretrained network (section 3.1).

    Parameters
    ----------
    gains : pd.DataFrame
        From `evidence.on_both_sets` of pretrained and scratch.
    initialisation : str
        The initialisation of the pretrained network, in words.
    more : iterable of str
        Further lines, from `without_the_tumour`.
    """
    about = f", AUC of the pretrained network ({initialisation}) less that of random initialisation, paired by run"
    return listed(cohort_name, [*paired_gains(gains, "table2"), *more], about)


def ranges(cohort_name: str, gains: pd.DataFrame, deciles: pd.DataFrame, more: Iterable[str] = ()) -> str:
    """Say whether the ends of the ranking teach worse than their neighbours (section 3.2), and what they hold.

    Parameters
    ----------
    gains : pd.DataFrame
        From `evidence.on_both_sets` of ``TAILS``.
    deciles : pd.DataFrame
        The numbers of Figure 4: decile and, if the truth is known, ``atypical patients`` (share).
    more : iterable of str
        Further lines, from `class_share`.
    """
    lines = []
    for better, worse, claim in TAILS:
        for _, row in gains[(gains["arm"] == better) & (gains["unit"] == "slice")].iterrows():
            paper = claims()[claim]
            beside = f"; the paper says {paper.number:+.2f} pp" if row["part"] == paper.part else ""
            lines.append(f"{better} less {worse}, {row['part']}, slice-level: {gain(row)}{beside}.")
    if "atypical patients" in deciles:
        share = deciles.set_index("decile")["atypical patients"]
        lines.append(
            f"Slices of patients atypical for their class: {share['most uncertain']:.0%} of the most uncertain decile, "
            f"{share['least uncertain']:.0%} of the least uncertain decile, {share['between']:.0%} of the rest."
        )
    return listed(cohort_name, [*lines, *more])


def teaches_worst(row: "pd.Series[float]") -> str:
    """Say whether the most uncertain slices teach worst, from `evidence.against_the_others`."""
    worse = row["learned"] and row["both_high"] < 0
    return (
        f"Do the most uncertain slices teach worst? {'Yes' if worse else 'Not shown'}: against the mean of the other "
        f"ranges of the ranking, test, slice-level: {gain(row)}."
    )


def class_share(tests: pd.DataFrame) -> list[str]:
    """Say whether the most uncertain range fails because of its class share, by Holm's p (3.2: because of outliers).

    Parameters
    ----------
    tests : pd.DataFrame
        From `evidence.contrasts`, in this order: the range less random sampling, the range of each class less random
        sampling, and the range of each class less the range.
    """
    rows = tests[tests["unit"] == "slice"]
    said = [f"{row['arm']} less {row['other']}, test, slice-level: {gain(row)}." for _, row in rows.iterrows()]
    shown = np.sign(rows["auc_difference"]).where((rows["p_both_holm"] < 1 - CONFIDENCE) & rows["learned"], 0)
    fails, left, explained = shown.astype(int)
    if fails >= 0:
        return [*said, "The most uncertain range is not shown to be worse than random sampling: nothing to explain."]
    share = "explains at least part of it" if explained > 0 else "is not shown to explain it"
    rest = {
        -1: "it is still worse than random sampling",
        0: "it is not shown to differ from random sampling",
        1: "it is better than random sampling",
    }
    return [
        *said,
        f"Adjusted for these three tests (Holm), the most uncertain range is worse than random sampling. Its class "
        f"share {share}; drawn to the class share of all training slices, {rest[left]}.",
    ]


def of_all_ranges(table: pd.DataFrame) -> str:
    """Say between which test AUCs the ranges lie, and that of random sampling.

    Parameters
    ----------
    table : pd.DataFrame
        From `evidence.arm_table`: the ranges and random.
    """
    aucs = dict(zip(table["arm"], table["auc_mean"], strict=True))
    ranges = sorted((name.removeprefix("window ") for name in WINDOWS), key=aucs.__getitem__)
    ends = " to ".join(f"{aucs[name]:.3f} ({name})" for name in (ranges[0], ranges[-1]))
    above = sum(aucs[name] > aucs["random"] for name in ranges)
    return (
        f"Mean test AUC of the ranges, slice-level: {ends}; of as many slices drawn at random: {aucs['random']:.3f}. "
        f"{above} of {len(ranges)} ranges lie above random sampling."
    )


def without_the_tumour(table: pd.DataFrame) -> list[str]:
    """Say what AUC is left with the tumour hidden and within a site, of arms that have learned, as far as it is known.

    Parameters
    ----------
    table : pd.DataFrame
        Rows of `evidence.arm_table`.
    """
    lines = []
    for _, row in table[table["learned"]].iterrows():
        said = [
            f"{row[f'{name}_mean']:.3f} ({limits(row[f'{name}_low'], row[f'{name}_high'])}) {words}"
            for name, words in (("hidden", "with the tumour hidden"), ("within", "within a site"))
            if not np.isnan(row[f"{name}_mean"])
        ]
        if said:
            if row["hidden_low"] > CHANCE:
                said.append("so that something else, or the size of what is hidden, tells the class")
            lines.append(f"{row['arm']}, test, slice-level: AUC {row['auc_mean']:.3f}, {', '.join(said)}.")
    return lines


def limits(low: float, high: float, form: Callable[[float], str] = "{:.3f}".format) -> str:
    """Return the limits of an interval in words, or that there is none."""
    return "no interval" if np.isnan(low) else f"{form(low)} to {form(high)}"


def annotation(cost: pd.DataFrame, people: str) -> str:
    """Say the annotation cost of the proposed method, from `evidence.annotation_cost`: means across runs.

    Parameters
    ----------
    people : {"patients", "persons"}
    """
    share, patients = cost["share"].mean(), cost["patient_share"].mean()
    both = (cost["annotated"] + cost["validation"]).mean()
    return (
        f"Annotated slices: {share:.0%} of the training slices ({1 - share:.0%} saved; the paper says 40 to 70 %), of "
        f"{patients:.0%} of the training {people}; {both:.0f} slices with those of the validation set."
    )


def proposed(
    cohort_name: str,
    gains: pd.DataFrame,
    cost: pd.DataFrame,
    initialisation: str,
    table: str,
    people: str,
    more: Iterable[str],
) -> str:
    """Say the gain of the proposed method over the baseline (sections 3.3 and 3.4), and its annotation cost.

    Parameters
    ----------
    gains : pd.DataFrame
        From `evidence.on_both_sets` of proposed and baseline.
    cost : pd.DataFrame
        From `evidence.annotation_cost`.
    initialisation : str
        The initialisation of both, in words.
    table : {"table3", "table4"}
    people : {"patients", "persons"}
    more : iterable of str
        Further lines, from `without_the_tumour`.
    """
    about = f", AUC of the proposed method less that of the baseline ({initialisation}), paired by run"
    return listed(cohort_name, [*paired_gains(gains, table), annotation(cost, people), *more], about)


def budgets(cohort_name: str, summary: pd.DataFrame, gains: pd.DataFrame) -> str:
    """Say at how many budgets the proposed method is better (section 3.5), and its gain at the paper's budget.

    Parameters
    ----------
    summary : pd.DataFrame
        From `statistics.summarise` by dataset and share: arms proposed, random, placebo and baseline.
    gains : pd.DataFrame
        From `evidence.budget_gains`.
    """
    gains = gains[(gains["unit"] == "slice") & (gains["other"] == "random")]
    test = summary[(summary["part"] == "test") & (summary["unit"] == "slice")]
    lines = []
    for dataset, rows in test.groupby("dataset", sort=False):
        means = rows[rows["arm"] != "baseline"].pivot(index="share", columns="arm", values="auc_mean")
        whole = rows.loc[rows["arm"] == "baseline", "auc_mean"].iloc[0]
        drawn = means.dropna(subset="proposed")
        better = [(drawn["proposed"] > other).sum() for other in (drawn["random"], drawn["placebo"], whole)]
        lines.append(
            f"{dataset} set, {len(drawn)} budgets: the proposed method's mean test AUC is above random at {better[0]}, "
            f"above its own placebo at {better[1]} and above the baseline at {better[2]} of them (the paper: above "
            "random and baseline at all 8)."
        )
        of_set = gains[gains["dataset"] == dataset]
        lines += [
            f"{dataset} set, {row['share']:.0%} of the slices: the proposed method less random sampling: "
            f"{gain(row)}; at {apart(of_set)} of {len(of_set)} budgets that interval excludes 0."
            for _, row in of_set[of_set["share"] == BUDGET].iterrows()
        ]
    return listed(cohort_name, lines)


def rules(card: pd.DataFrame) -> str:
    """List the rules and notes of a scorecard by their marks, each once."""
    found = footnotes(card["rule"].tolist(), card["why"].tolist())
    lines = [f"- **{mark}** {text}" for mark, text in [*found.rules.items(), *found.notes.items()]]
    return "\n".join([*([f"{HERE_RULE}\n"] if card["verdict"].isin(HERE.values()).any() else []), *lines])


def scorecard(cohort_name: str, card: pd.DataFrame, cost: pd.DataFrame, people: str) -> str:
    """Say how many rows of the scorecard have each verdict, the annotation cost, and which gains could be detected.

    Parameters
    ----------
    card : pd.DataFrame
        The scorecard: verdict, could_tell (empty, or begins with yes or no).
    cost : pd.DataFrame
        From `evidence.annotation_cost` of the proposed method on the imbalanced set.
    people : {"patients", "persons"}
    """
    told = card["could_tell"].replace("", None).dropna()
    lines = [
        *(f"{verdict}: {count}." for verdict, count in card["verdict"].value_counts().items()),
        f"With a budget of {cost['chosen'].mean():.0f} slices, {cost['annotated'].mean():.0f} are annotated. "
        + annotation(cost, people),
        "Gains of the printed size that this study would find with a probability of 80 %: "
        f"{told.str.startswith('yes').sum()} of {len(told)}.",
    ]
    return listed(cohort_name, lines, f", {len(card)} numbers and claims")


def apart(rows: pd.DataFrame) -> int:
    """Return the number of differences (of arms that have learned) whose interval across both excludes 0."""
    return int((((rows["both_low"] > 0) | (rows["both_high"] < 0)) & rows.get("learned", True)).sum())
