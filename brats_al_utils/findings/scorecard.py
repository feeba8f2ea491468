"""The scorecard: one row for each number and claim of the paper, with ours beside it and a verdict by its rule."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from brats_al_utils.findings.claims import name_of
from brats_al_utils.findings.comparison import compare, intervals, lacking, patient_pairs
from brats_al_utils.findings.departures import Departures
from brats_al_utils.findings.paper import (
    BUDGET,
    SAME_RUNS,
    SLICES,
    TABLE1,
    output_width,
    published_claims,
    published_results,
    slice_counts,
)
from brats_al_utils.findings.statistics import mean_interval
from brats_al_utils.findings.verdicts import (
    ARITHMETIC_RULE,
    AVERAGE_RULE,
    BIGGEST_RULE,
    CANNOT_TELL,
    COUNT_RULE,
    CURVE_RULE,
    EQUIVALENCE,
    GAIN_RULE,
    HERE,
    NUMBER_RULE,
    RANGE_RULE,
    SIGN_RULE,
    SIMILAR_RULE,
    SPREAD_RULE,
    UNTESTED_RULE,
    Estimate,
    arithmetic_verdict,
    biggest_verdict,
    curve_verdict,
    gain_verdict,
    number_verdict,
    range_verdict,
    sign_verdict,
    similar_verdict,
    spread_ratio,
    spread_verdict,
)
from brats_al_utils.networks.network import STARTS
from brats_al_utils.queries.sampling import WINDOWS

VARIANTS = ["network", "with_labelled", "iterative"]
"""Fields of an arm that make it another than the paper's, where they are set."""

RUN_COLUMNS = [
    "arm",
    "seed",
    "key",
    "dataset",
    "start",
    "strategy",
    "share",
    "examples",
    "freeze",
    "learned",
    *VARIANTS,
]
SCORE_COLUMNS = ["key", "part", "patient_id", "label", "score"]
COST_COLUMNS = ["arm", "dataset", "seed", "chosen", "annotated", "share"]
COLUMNS = ["id", "section", "printed", "recomputed", "ours"]
COLUMNS += [f"{across}_{end}" for across in ("ci", "patients", "both") for end in ("low", "high")]
COLUMNS += ["could_tell", "verdict", "rule", "why"]

ARMS = {  # strategy, share, whether from random initialisation, whether frozen; any other name: a strategy at 30 %
    "pretrained": ("all", 1.0, False, False),
    "baseline": ("all", 1.0, False, False),
    "scratch": ("all", 1.0, True, False),
    "frozen": ("all", 1.0, False, True),
    "proposed": ("middle", BUDGET, False, False),
    "proposed60": ("middle", 0.6, False, False),
}
GAINS = {  # the first arm over the second; Figure 3 by validation AUC, the one that section 3.2 names
    "abstract.gain": ("imbalanced", "test", "proposed", "baseline"),
    "table2.val_gain": ("imbalanced", "validation", "pretrained", "scratch"),
    "table2.test_gain": ("imbalanced", "test", "pretrained", "scratch"),
    "table3.val_gain": ("imbalanced", "validation", "proposed", "baseline"),
    "figure3.low_tail": ("imbalanced", "validation", "window 10%-40%", "window 0%-30%"),
    "figure3.low_tail.test": ("imbalanced", "test", "window 10%-40%", "window 0%-30%"),
    "figure3.high_tail": ("imbalanced", "validation", "window 60%-90%", "window 70%-100%"),
    "figure3.high_tail.test": ("imbalanced", "test", "window 60%-90%", "window 70%-100%"),
    "table4.test_gain": ("balanced", "test", "proposed", "baseline"),
    "table4.val_gain": ("balanced", "validation", "proposed", "baseline"),
    "optimum.balanced": ("balanced", "test", "proposed", "proposed60"),
    "transfer.finetuning": ("imbalanced", "test", "pretrained", "frozen"),
}
SIMILAR = ("table3.val_gain", "optimum.balanced")
"""Claims that two AUCs hardly differ."""

RIVALS = ("random", "baseline")
NO_RUNS = "no such runs"


@dataclass(frozen=True)
class Found:
    """What a study found, as the rows of the scorecard ask for it.

    Attributes
    ----------
    runs, scores, cost : pd.DataFrame
        See `scorecard`.
    departures : Departures
    """

    runs: pd.DataFrame
    scores: pd.DataFrame
    cost: pd.DataFrame
    departures: Departures

    @cached_property
    def predictions(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Scores by run's key and part."""
        return {(str(key), str(part)): rows for (key, part), rows in self.scores.groupby(["key", "part"], sort=False)}

    def select(self, dataset: str, arm: str, share: float = BUDGET) -> pd.DataFrame:
        """Return an arm's runs: by what they did, as one run goes by the names of several arms."""
        strategy, share, scratch, frozen = ARMS.get(arm, (arm, share, False, False))
        here = (self.runs["dataset"] == dataset) & (self.runs["strategy"] == strategy)
        here &= ((self.runs["start"] == "scratch") == scratch) & (self.runs["freeze"] == frozen)
        return self.runs[here & np.isclose(self.runs["share"], share)].drop_duplicates(["key", "seed"])

    def pairs_of(self, part: str, arms: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """Return the predictions of some selections as `comparison.patient_pairs` takes them, of common seeds."""
        shared = set.intersection(*(set(rows["seed"]) for rows in arms.values()))
        frames = [
            self.predictions[key, part].assign(arm=arm, seed=seed)
            for arm, rows in arms.items()
            for seed, key in zip(rows["seed"].tolist(), rows["key"].tolist(), strict=True)
            if seed in shared and (key, part) in self.predictions
        ]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def auc(self, dataset: str, part: str, arm: str) -> Estimate:
        """Return the slice-level AUC of an arm."""
        arms = {arm: self.select(dataset, arm)}
        frame = self.pairs_of(part, arms)
        if frame.empty:
            return Estimate()
        pairs = patient_pairs(frame, "slice")
        found = of_row(intervals(pairs).iloc[0], "auc_mean", 1, lacking(pairs, arm))
        return replace(found, unlearned=not_learned(arms))

    def gain(self, part: str, arms: Mapping[str, pd.DataFrame]) -> Estimate:
        """Return by how many pp the slice-level AUC of the first of two selections exceeds the second's."""
        frame = self.pairs_of(part, arms)
        if frame.empty or frame["arm"].nunique() < 2:
            return Estimate()
        pairs, (one, other) = patient_pairs(frame, "slice"), arms
        row = compare(pairs, [(one, other)]).iloc[0]
        found = of_row(row, "auc_difference", 100, lacking(pairs, one, other))
        return replace(found, unlearned=not_learned(arms))

    def gain_of_arms(self, dataset: str, part: str, one: str, other: str) -> Estimate:
        """Return by how many pp the AUC of one arm exceeds another's."""
        return self.gain(part, {name: self.select(dataset, name) for name in (one, other)})

    def budgets(self, dataset: str) -> list[float]:
        """Return the shares at which the proposed method was trained."""
        rows = self.runs[(self.runs["dataset"] == dataset) & (self.runs["strategy"] == "middle")]
        return sorted(rows["share"].round(6).unique())

    def curve(self, dataset: str, rival: str) -> list[Estimate]:
        """Return the proposed method's gains in test AUC over an arm, at each budget that both have (section 3.5)."""
        gains = [
            self.gain(
                "test", {"proposed": self.select(dataset, "middle", share), rival: self.select(dataset, rival, share)}
            )
            for share in self.budgets(dataset)
        ]
        return [gain for gain in gains if not np.isnan(gain.mean)]

    def saved(self, dataset: str) -> Estimate:
        """Return the share of the training slices (%) that the proposed method at 30 % leaves unlabelled (2.2.4)."""
        rows = self.cost[(self.cost["arm"] == "proposed") & (self.cost["dataset"] == dataset)]
        away = (rows["chosen"] * rows["share"] / rows["annotated"] - BUDGET).abs()  # annotated / share: training slices
        rows = rows[away < 0.05]
        if rows.empty:
            return Estimate()
        mean, low, high = mean_interval(100 * (1 - rows.groupby("seed")["share"].mean()).to_numpy(), ends=(0, 100))
        reason = "one run, or no variance across runs" if np.isnan(low) else ""
        return Estimate(mean, low, high, runs=(low, high), lacking=reason)


def not_learned(arms: Mapping[str, pd.DataFrame]) -> str:
    """Return of which arms' runs half or more have not learned, or nothing."""
    runs = {name: rows["learned"].tolist() for name, rows in arms.items()}
    return "; ".join(
        f"{learned.count(False)} of {len(learned)} runs of {name} have not learned"
        for name, learned in runs.items()
        if 2 * learned.count(False) >= len(learned)
    )


def of_row(row: "pd.Series[float]", value: str, unit: float, reason: str) -> Estimate:
    """Return a row of `comparison.intervals` or `compare` as an estimate, in a unit."""

    def ends(across: str) -> tuple[float, float]:
        return unit * float(row[f"{across}_low"]), unit * float(row[f"{across}_high"])

    return Estimate(
        unit * float(row[value]),
        *ends("both"),
        float(row.get("p_both", np.nan)),
        unit * float(row.get("detectable", np.nan)),
        ends("runs"),
        ends("patients"),
        reason,
    )


@dataclass(frozen=True)
class Row:
    """A row of the scorecard, but for its section."""

    id: str
    printed: object
    recomputed: object
    ours: Estimate
    verdict: str
    rule: str
    why: str = ""
    could_tell: str = ""


def concluded(found: Found, ours: Estimate, verdict: str, claim: bool, scratch: bool = False) -> tuple[str, str]:
    """Return the verdict that a study can give, and why where it can give none.

    Parameters
    ----------
    verdict : str
        What the rule says of the paper's own protocol, or of a claim on whatever cohort.
    claim : bool
        Whether it can be said of another cohort; a printed number cannot.
    scratch : bool
        Whether no pretrained network is part of it.
    """
    others = "; ".join(found.departures.of(scratch))
    if ours.unlearned:
        none = HERE[CANNOT_TELL] if claim and found.departures.cohort else CANNOT_TELL
        return none, "; ".join(filter(None, [ours.unlearned, others]))
    if np.isnan(ours.mean):
        others = ours.lacking or NO_RUNS
    if found.departures.cohort:
        if claim:
            settings = found.departures.settings_of(scratch)
            return HERE[verdict], others if np.isnan(ours.mean) else "; ".join(filter(None, [ours.lacking, *settings]))
        return CANNOT_TELL, others
    return (CANNOT_TELL, others) if others else (verdict, ours.lacking)


def counted(found: Found, verdict: str) -> str:
    """Return the verdict on a claim that counts labels: no departure from the protocol stands in its way."""
    return HERE[verdict] if found.departures.cohort else verdict


def number_rows(found: Found) -> Iterator[Row]:
    """Yield a row for each printed AUC."""
    for _, row in published_results().iterrows():
        arm = row["id"].split(".")[1]
        ours = found.auc(row["dataset"], row["part"], arm)
        verdict, why = concluded(found, ours, number_verdict(ours, row["auc"]), claim=False, scratch=arm == "scratch")
        if row["id"] in SAME_RUNS:
            why = "; ".join(filter(None, [why, f"the same runs as {name_of(SAME_RUNS[row['id']])}"]))
        yield Row(row["id"], row["auc"], np.nan, ours, verdict, NUMBER_RULE, why)


def gain_rows(found: Found) -> Iterator[Row]:
    """Yield a row for each gain of one arm over another, and for what the paper's tables say of it."""
    auc = {
        (dataset, part, id_.split(".")[1]): 100 * value
        for id_, dataset, part, value in published_results()[["id", "dataset", "part", "auc"]].to_numpy()
    }
    claims = published_claims().set_index("id")
    numbers = pd.to_numeric(claims["printed"], errors="coerce")
    for id_, (dataset, part, one, other) in GAINS.items():
        ours, printed = found.gain_of_arms(dataset, part, one, other), float(numbers[id_])
        first, second = (auc.get((dataset, part, arm), np.nan) for arm in (one, other))
        table = round(first - second, 2)
        paper = printed if np.isnan(table) else table
        rule, verdict = gain_ruling(id_, ours, paper, found.departures)
        verdict, why = concluded(found, ours, verdict, claim=True)
        recomputed = claims.loc[id_, "recomputed_from_the_tables"] if np.isnan(table) else table
        shown = claims.loc[id_, "printed"] if np.isnan(printed) else printed
        told = "" if id_ in SIMILAR else could_tell(ours, paper)
        yield Row(id_, shown, recomputed, ours, verdict, rule, why, told)
        if not np.isnan(printed + table):
            relative = f"{table:.2f} ({100 * table / first:.3f} % relative to the {one} AUC)"
            yield arithmetic(f"{id_}.arithmetic", printed, relative, printed, table)


def gain_ruling(id_: str, ours: Estimate, paper: float, departures: Departures) -> tuple[str, str]:
    """Return the rule that a claim of a gain is judged by, and the verdict; of another cohort the side alone counts."""
    if id_ in SIMILAR:
        return SIMILAR_RULE, similar_verdict(ours)
    if np.isnan(paper):
        return SIGN_RULE, sign_verdict(ours)
    return GAIN_RULE, sign_verdict(ours, paper) if departures.cohort else gain_verdict(ours, paper)


def could_tell(ours: Estimate, paper: float) -> str:
    """Return whether a gain of the paper's size would be found with a probability of 80 %, and from which size on."""
    if np.isnan(paper) or np.isnan(ours.mean):
        return ""
    if np.isnan(ours.detectable):
        return f"no, {ours.lacking or 'not even the largest difference'}"
    return f"{'yes' if ours.detectable <= abs(paper) else 'no'}, from {ours.detectable:.1f} pp on"


def curve_rows(found: Found) -> Iterator[Row]:
    """Yield the rows of section 3.5's curves, and of what section 4 says of the best budget."""
    claims = published_claims().set_index("id")
    best = [
        found.gain(
            "test",
            {
                "proposed": found.select("imbalanced", "middle"),
                f"proposed at {share:.0%}": found.select("imbalanced", "middle", share),
            },
        )
        for share in found.budgets("imbalanced")
        if not np.isclose(share, BUDGET)
    ]
    curves = {
        f"curves.better_than_{rival}": [found.curve(dataset, rival) for dataset in SLICES] for rival in RIVALS
    } | {"optimum.imbalanced": [[gain for gain in best if not np.isnan(gain.mean)]]}
    for id_, gains in curves.items():
        all_gains = [gain for curve in gains for gain in curve]
        higher = float(np.mean([gain.mean > 0 for gain in all_gains])) if all_gains else np.nan
        ours = Estimate(higher, lacking=first_of(all_gains, "lacking"), unlearned=first_of(all_gains, "unlearned"))
        verdict, why = concluded(found, ours, curve_verdict(gains), claim=True)
        printed, recomputed = claims.loc[id_, ["printed", "recomputed_from_the_tables"]]
        yield Row(id_, printed, recomputed, ours, verdict, CURVE_RULE, why)


def first_of(estimates: Iterable[Estimate], what: str) -> str:
    """Return the first text that some estimates have in a field, or nothing."""
    return next(filter(None, (str(getattr(each, what)) for each in estimates)), "")


def jump_rows(found: Found) -> Iterator[Row]:
    """Yield the row of "the biggest jumps" of Figure 3: from each range to the next, by validation AUC (3.2)."""
    low_tail, *between, high_tail = pairwise(WINDOWS)

    def jump(one: str, other: str) -> Estimate:
        return found.gain_of_arms("imbalanced", "validation", one, other)

    falls, inner = [jump(*low_tail[::-1]), jump(*high_tail)], [jump(*ranges) for ranges in between]
    jumps = falls + inner
    ours = Estimate(lacking=first_of(jumps, "lacking"), unlearned=first_of(jumps, "unlearned"))
    if not any(np.isnan(each.mean) for each in jumps):
        smaller = min(fall.mean for fall in falls)
        ours = replace(ours, mean=float(sum(abs(each.mean) > smaller for each in inner)))
    verdict, why = concluded(found, ours, biggest_verdict(falls, inner), claim=True)
    yield Row("figure3.biggest", "yes", "figure only", ours, verdict, BIGGEST_RULE, why)


def spread_rows(found: Found) -> Iterator[Row]:
    """Yield the row of "random sampling is inherently unstable" (section 4)."""
    arms = {arm: found.select("imbalanced", arm) for arm in ("random", "proposed")}
    frame = found.pairs_of("test", arms)
    ours = Estimate()
    if not frame.empty and frame["arm"].nunique() == len(arms):
        pairs = patient_pairs(frame, "slice")
        _, first = np.unique(pairs.keys, axis=1, return_index=True)
        ours = (
            spread_ratio(*(pairs.aucs[pairs.arms.index(arm), first] for arm in arms))
            if pairs.folds == 1
            else Estimate(lacking="each run tests other patients")
        )
        ours = replace(ours, unlearned=not_learned(arms))
    verdict, why = concluded(found, ours, spread_verdict(ours), claim=True)
    yield Row("random.unstable", "yes", "not printed", ours, verdict, SPREAD_RULE, why)


def saving_rows(found: Found) -> Iterator[Row]:
    """Yield the rows of the labels saved (sections 2.2.4, 3.4 and 4)."""
    printed = published_claims().set_index("id")["printed"]["saving.range"]
    least, most, average = map(float, re.findall(r"\d+", printed))
    extremes = f"{100 - 200 * BUDGET:.0f} to {100 - 100 * BUDGET:.0f}: any two samples of {100 * BUDGET:.0f} %"
    shown, expected = f"{least:.0f} to {most:.0f}", 100 * (1 - BUDGET) ** 2
    for id_, dataset in (("saving.range", "imbalanced"), ("saving.balanced", "balanced")):
        ours = found.saved(dataset)
        why = NO_RUNS if np.isnan(ours.mean) else ""
        verdict = counted(found, range_verdict(ours, least, most))
        yield Row(id_, shown, extremes, ours, verdict, RANGE_RULE, why)
    ours = found.saved("imbalanced")
    why = NO_RUNS if np.isnan(ours.mean) else ours.lacking
    text = f"{expected:.0f}: expected of two random samples, which is another quantity than the midpoint"
    verdict = counted(found, number_verdict(ours, average, EQUIVALENCE))
    yield Row("saving.average", average, text, ours, verdict, AVERAGE_RULE, why)
    midpoint = (least + most) / 2
    text = f"{midpoint:.0f}: the midpoint of {shown}"
    yield arithmetic("saving.average.arithmetic", average, text, average, midpoint)


def count_rows(found: Found) -> Iterator[Row]:
    """Yield the rows of Table 5: the printed counts against 10 % to 80 % of the training slices."""
    claims = published_claims().set_index("id")["printed"]
    for dataset in SLICES:
        id_ = f"table5.{dataset}"
        table5, (whole, training) = [int(count) for count in claims[id_].split()], slice_counts(dataset)
        counts = [training * tenths // 10 for tenths in range(1, 9)]
        over = [sum(count > limit for count in table5) for limit in (counts[-1], training)]
        recomputed = (
            f"{' '.join(map(str, counts))} of {training} training slices ({whole} in all); printed counts above the "
            f"middle 80 % ({counts[-1]}): {over[0]}, above the training slices: {over[1]}"
        )
        runs = found.runs
        trained = runs.loc[(runs["dataset"] == dataset) & (runs["strategy"] == "middle"), "examples"]
        ours = Estimate(float(np.isin(table5, trained).mean())) if len(trained) else Estimate()
        yield Row(id_, claims[id_], recomputed, ours, arithmetic_verdict(table5, counts), COUNT_RULE)


def table1_rows(found: Found) -> Iterator[Row]:
    """Yield the rows of Table 1's outputs, by its own arithmetic."""
    for id_, (layer, width, geometry) in TABLE1.items():
        given = output_width(*geometry)
        yield arithmetic(id_, layer, f"192x{given}x{given}", width, given)


def untested_rows(found: Found) -> Iterator[Row]:
    """Yield the row of the initial experiments by which the paper chose its channels (section 2.2.1)."""
    verdict = counted(found, CANNOT_TELL)
    why = "needs the baseline's runs with each of the four choices of three channels"
    yield Row("channels.choice", "yes", "not printed", Estimate(), verdict, UNTESTED_RULE, why)


def arithmetic(id_: str, printed: object, recomputed: object, of: float, given: float) -> Row:
    """Return a row of the paper against itself."""
    return Row(id_, printed, recomputed, Estimate(), arithmetic_verdict([of], [given]), ARITHMETIC_RULE)


KINDS = (
    number_rows,
    gain_rows,
    curve_rows,
    jump_rows,
    spread_rows,
    saving_rows,
    count_rows,
    table1_rows,
    untested_rows,
)


def sections() -> dict[str, str]:
    """Return the paper's section that each row is about, by id."""
    found = published_claims().set_index("id")["section"].to_dict()
    found |= published_results().set_index("id")["section"].map("{:g}".format).to_dict()
    return found | {"saving.average": found["saving.range"], **dict.fromkeys(TABLE1, "2.2.2")}


def scorecard(runs: pd.DataFrame, scores: pd.DataFrame, cost: pd.DataFrame, departures: Departures) -> pd.DataFrame:
    """Return one row for each number and claim of the paper, and for what its own arithmetic says of them.

    Parameters
    ----------
    runs : pd.DataFrame
        arm, seed, key, dataset, start, strategy, share, examples, learned, and of the arm, where any has it, freeze,
        network, with_labelled and iterative; any number of rows a run. Judged are the runs with the full ImageNet
        initialisation where there are any, else with its convolutional layers.
    scores : pd.DataFrame
        key, part, patient_id, label, score, and fold where the runs have test sets of their own; one row for each run
        and slice of an evaluation set.
    cost : pd.DataFrame
        arm, dataset, seed, chosen, annotated, share (annotated, of the training slices).
    departures : Departures

    Returns
    -------
    pd.DataFrame
        id (``.arithmetic``: the paper against itself), section, printed, recomputed (from the paper's other numbers),
        ours; 95 % limits across runs (ci_low, ci_high), across patients and across both (AUCs as shares, gains in
        pp); could_tell (whether a gain of the paper's size would be found with a probability of 80 %); verdict, rule,
        why (what stands in the way of a verdict, or belongs to it). NaN, or nothing, where there is nothing.
    """
    found = found_in(runs, scores, cost, departures)
    return table_of(row for kind in KINDS for row in kind(found))


def found_in(runs: pd.DataFrame, scores: pd.DataFrame, cost: pd.DataFrame, departures: Departures) -> Found:
    """Return what `scorecard` is given with all its columns, and only with runs that it judges."""
    runs = pd.DataFrame(runs, columns=RUN_COLUMNS)
    runs["freeze"], runs["learned"] = runs["freeze"].eq(True), ~runs["learned"].eq(False)
    varied = runs[VARIANTS].notna() & ~runs[VARIANTS].isin(["", False])
    start = next((start for start in STARTS[:2] if (runs["start"] == start).any()), STARTS[0])
    # Where the profile itself starts from random weights, its other arms are no pretrained ones.
    judged = (runs["start"] == start) | ((runs["start"] == "scratch") & (runs["arm"] == "scratch"))
    runs = runs[~varied.any(axis=1) & judged]
    scores = scores if len(scores) else pd.DataFrame(columns=SCORE_COLUMNS)
    cost = pd.DataFrame(cost, columns=COST_COLUMNS)
    return Found(runs, scores, cost, departures)


def table_of(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as the data frame of `scorecard`."""
    section = sections()
    values = [
        (
            *(row.id, section[row.id.removesuffix(".arithmetic")], row.printed, row.recomputed, row.ours.mean),
            *(*row.ours.runs, *row.ours.patients, row.ours.low, row.ours.high),
            *(row.could_tell, row.verdict, row.rule, row.why),
        )
        for row in rows
    ]
    return pd.DataFrame(values, columns=COLUMNS)
