"""The scorecard: a row for each number and claim of the paper, with our number and a verdict by its rule."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from brats_al_utils.findings.comparison import compare, intervals, lacking, patient_pairs
from brats_al_utils.findings.departures import Departures
from brats_al_utils.findings.paper import (
    ARITHMETIC,
    SLICES,
    Claim,
    claims,
    output_width,
    printed_aucs,
    published_table1,
    slice_counts,
)
from brats_al_utils.findings.statistics import mean_interval
from brats_al_utils.findings.verdicts import (
    CANNOT_TELL,
    EQUIVALENCE,
    HERE,
    RULES,
    UNLEARNED,
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
from brats_al_utils.study.profile import BUDGET

VARIANTS = ["network", "with_labelled", "iterative"]
"""Fields of an arm that distinguish it from the paper's arms if they are set."""

COLUMNS = ["id", "section", "printed", "recomputed", "ours"]
COLUMNS += [f"{across}_{end}" for across in ("runs", "patients", "both") for end in ("low", "high")]
COLUMNS += ["could_tell", "verdict", "rule", "why"]

ARMS = {  # strategy, share, whether from random initialisation, whether frozen; any other name: a strategy at 30 %
    "pretrained": ("all", 1.0, False, False),
    "baseline": ("all", 1.0, False, False),
    "scratch": ("all", 1.0, True, False),
    "frozen": ("all", 1.0, False, True),
    "proposed": ("middle", BUDGET, False, False),
    "proposed60": ("middle", 0.6, False, False),
}
NO_RUNS = "no such runs"


@dataclass(frozen=True)
class Found:
    """The results of a study, for the rows of the scorecard.

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
        """Return an arm's runs, by what they do: one run may belong to several arms."""
        strategy, share, scratch, frozen = ARMS.get(arm, (arm, share, False, False))
        here = (self.runs["dataset"] == dataset) & (self.runs["strategy"] == strategy)
        here &= ((self.runs["start"] == "scratch") == scratch) & (self.runs["freeze"] == frozen)
        return self.runs[here & np.isclose(self.runs["share"], share)].drop_duplicates(["key", "seed"])

    def pairs_of(self, part: str, arms: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """Return the predictions of some arms' runs with common seeds, as `comparison.patient_pairs` takes them."""
        shared = set.intersection(*(set(rows["seed"]) for rows in arms.values()))
        frames = [
            self.predictions[key, part].assign(arm=arm, seed=seed)
            for arm, rows in arms.items()
            for seed, key in zip(rows["seed"].tolist(), rows["key"].tolist(), strict=True)
            if seed in shared and (key, part) in self.predictions
        ]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def estimate(self, part: str, arms: Mapping[str, pd.DataFrame]) -> Estimate:
        """Return the slice-level AUC of an arm, or the difference (pp) of the first of two arms to the second."""
        frame = self.pairs_of(part, arms)
        if frame.empty or frame["arm"].nunique() < len(arms):
            return Estimate()
        pairs, names = patient_pairs(frame, "slice"), tuple(arms)
        missing = lacking(pairs, *names), not_learned(arms)
        if len(names) == 1:
            return of_row(intervals(pairs).iloc[0], "auc_mean", 1, *missing)
        return of_row(compare(pairs, [(names[0], names[1])]).iloc[0], "auc_difference", 100, *missing)

    def gain_of_arms(self, dataset: str, part: str, one: str, other: str) -> Estimate:
        """Return the difference (pp) of one arm's AUC to another's."""
        return self.estimate(part, {name: self.select(dataset, name) for name in (one, other)})

    def budgets(self, dataset: str) -> list[float]:
        """Return the budgets of the proposed method."""
        rows = self.runs[(self.runs["dataset"] == dataset) & (self.runs["strategy"] == "middle")]
        return sorted(rows["share"].round(6).unique())

    def curve(self, dataset: str, rival: str) -> list[Estimate]:
        """Return the gains of the proposed method in test AUC over an arm, at each common budget (section 3.5)."""
        gains = [
            self.estimate(
                "test", {"proposed": self.select(dataset, "middle", share), rival: self.select(dataset, rival, share)}
            )
            for share in self.budgets(dataset)
        ]
        return [gain for gain in gains if not np.isnan(gain.mean)]

    def saved(self, dataset: str) -> Estimate:
        """Return the share of the training slices (%) that is not annotated for the proposed method at 30 % (2.2.4)."""
        rows = self.cost[(self.cost["arm"] == "proposed") & (self.cost["dataset"] == dataset)]
        if rows.empty:
            return Estimate()
        mean, low, high = mean_interval(100 * (1 - rows.groupby("seed")["share"].mean()).to_numpy(), ends=(0, 100))
        reason = "one run, or no variance across runs" if np.isnan(low) else ""
        return Estimate(mean, low, high, runs=(low, high), lacking=reason)


def not_learned(arms: Mapping[str, pd.DataFrame]) -> str:
    """Return the arms of which half or more of the runs have not learned, in words; empty if there are none."""
    runs = {name: rows["learned"].tolist() for name, rows in arms.items()}
    return "; ".join(
        f"{learned.count(False)} of {len(learned)} runs of {name} {UNLEARNED}"
        for name, learned in runs.items()
        if 2 * learned.count(False) >= len(learned)
    )


def of_row(row: "pd.Series[float]", value: str, unit: float, lacking: str, unlearned: str = "") -> Estimate:
    """Return a row of `comparison.intervals` or `compare` as an estimate, multiplied by a unit."""

    def ends(across: str) -> tuple[float, float]:
        return unit * float(row[f"{across}_low"]), unit * float(row[f"{across}_high"])

    return Estimate(
        unit * float(row[value]),
        *ends("both"),
        float(row.get("p_both", np.nan)),
        unit * float(row.get("detectable", np.nan)),
        ends("runs"),
        ends("patients"),
        lacking,
        unlearned,
    )


@dataclass(frozen=True)
class Judgement:
    """A row of the scorecard.

    Attributes
    ----------
    claim : Claim
    ours : Estimate
    verdict, why : str
    recomputed : float or str
        From the paper's other numbers; empty if the claim itself says it.
    could_tell : str
        See `could_tell`.
    arithmetic : bool
        Whether the row compares the paper with its own numbers.
    """

    claim: Claim
    ours: Estimate
    verdict: str
    why: str = ""
    recomputed: float | str = ""
    could_tell: str = ""
    arithmetic: bool = False


def concluded(
    found: Found, ours: Estimate, verdict: str, is_claim: bool = True, scratch: bool = False
) -> tuple[str, str]:
    """Return the verdict that a study allows, and the reason if it allows none.

    Parameters
    ----------
    verdict : str
        The verdict by the rule.
    is_claim : bool
        Whether it can be judged on another cohort; a printed number cannot.
    scratch : bool
        Whether it concerns networks from random initialisation only.
    """
    others = "; ".join(found.departures.of(scratch))
    if ours.unlearned:
        none = HERE[CANNOT_TELL] if is_claim and found.departures.cohort else CANNOT_TELL
        return none, "; ".join(filter(None, [ours.unlearned, others]))
    if np.isnan(ours.mean):
        others = ours.lacking or NO_RUNS
    if found.departures.cohort:
        if is_claim:
            settings = found.departures.settings_of(scratch)
            return HERE[verdict], others if np.isnan(ours.mean) else "; ".join(filter(None, [ours.lacking, *settings]))
        return CANNOT_TELL, others
    return (CANNOT_TELL, others) if others else (verdict, ours.lacking)


def on_any_protocol(found: Found, verdict: str) -> str:
    """Return the verdict on a claim that counts labels: departures from the protocol do not matter."""
    return HERE[verdict] if found.departures.cohort else verdict


def judge_number(found: Found, claim: Claim) -> Judgement:
    """Judge a printed AUC."""
    ours = found.estimate(claim.part, {claim.arm: found.select(claim.dataset, claim.arm)})
    scratch = claim.arm == "scratch"
    verdict, why = concluded(found, ours, number_verdict(ours, claim.number), is_claim=False, scratch=scratch)
    if (first := first_of_same_runs(claim)) is not claim:
        why = "; ".join(filter(None, [why, f"the same runs as {first.name}"]))
    return Judgement(claim, ours, verdict, why)


def first_of_same_runs(claim: Claim) -> Claim:
    """Return the first printed AUC of the same runs: Table 3's baseline is Table 2's pretrained network."""

    def runs(of: Claim) -> tuple[object, ...]:
        return of.rule, of.dataset, of.part, ARMS[of.arm]

    return next(each for each in claims().values() if each.rule == claim.rule and runs(each) == runs(claim))


def judge_gain(found: Found, claim: Claim) -> Judgement:
    """Judge a gain of one arm over another, by the paper's tables or else by its text."""
    ours, table = found.gain_of_arms(claim.dataset, claim.part, claim.arm, claim.other), table_gain(claim)
    paper = claim.number if np.isnan(table) else table
    judge: dict[str, Callable[[], str]] = {
        "similar": lambda: similar_verdict(ours),
        "sign": lambda: sign_verdict(ours),
        # On another cohort only the direction counts.
        "gain": lambda: sign_verdict(ours, paper) if found.departures.cohort else gain_verdict(ours, paper),
    }
    verdict, why = concluded(found, ours, judge[claim.rule]())
    told = could_tell(ours, paper) if claim.rule == "gain" else ""
    return Judgement(claim, ours, verdict, why, "" if np.isnan(table) else table, told)


def table_gain(claim: Claim) -> float:
    """Return the difference (pp) of the printed AUCs of a claim's arms; NaN if one is not printed."""
    return round(100 * printed_auc(claim, claim.arm) - 100 * printed_auc(claim, claim.other), 2)


def printed_auc(claim: Claim, arm: str) -> float:
    """Return the printed AUC of an arm on a claim's data set and part; NaN if there is none."""
    rows = printed_aucs().query("arm == @arm and dataset == @claim.dataset and part == @claim.part")
    return float(rows["auc_mean"].iloc[0]) if len(rows) else np.nan


def could_tell(ours: Estimate, paper: float) -> str:
    """Return whether a gain of the paper's size would be found with a probability of 80 %, and the smallest that is."""
    if np.isnan(paper) or np.isnan(ours.mean):
        return ""
    if np.isnan(ours.detectable):
        return f"no, {ours.lacking or 'not even the largest difference'}"
    return f"{'yes' if ours.detectable <= abs(paper) else 'no'}, from {ours.detectable:.1f} pp on"


def judge_curve(found: Found, claim: Claim) -> Judgement:
    """Judge a claim on the proposed method at every budget: against another arm (3.5), or against 30 % (4)."""
    if claim.other:
        curves = [found.curve(dataset, claim.other) for dataset in SLICES]
    else:
        others = {
            f"proposed at {share:.0%}": found.select(claim.dataset, "middle", share)
            for share in found.budgets(claim.dataset)
            if not np.isclose(share, BUDGET)
        }
        own = found.select(claim.dataset, "middle")
        best = [found.estimate("test", {"proposed": own, name: other}) for name, other in others.items()]
        curves = [[gain for gain in best if not np.isnan(gain.mean)]]
    gains = [gain for of_set in curves for gain in of_set]
    higher = float(np.mean([gain.mean > 0 for gain in gains])) if gains else np.nan
    ours = Estimate(higher, lacking=first_of(gains, "lacking"), unlearned=first_of(gains, "unlearned"))
    return Judgement(claim, ours, *concluded(found, ours, curve_verdict(curves)))


def first_of(estimates: Iterable[Estimate], what: str) -> str:
    """Return the first text in a field of some estimates; empty if there is none."""
    return next(filter(None, (str(getattr(each, what)) for each in estimates)), "")


def judge_biggest(found: Found, claim: Claim) -> Judgement:
    """Judge "the biggest jumps" of Figure 3, from one range to the next (3.2)."""
    low_tail, *between, high_tail = pairwise(WINDOWS)

    def jump(one: str, other: str) -> Estimate:
        return found.gain_of_arms(claim.dataset, claim.part, one, other)

    falls, inner = [jump(*low_tail[::-1]), jump(*high_tail)], [jump(*ranges) for ranges in between]
    jumps = falls + inner
    ours = Estimate(lacking=first_of(jumps, "lacking"), unlearned=first_of(jumps, "unlearned"))
    if not any(np.isnan(each.mean) for each in jumps):
        smaller = min(fall.mean for fall in falls)
        ours = replace(ours, mean=float(sum(abs(each.mean) > smaller for each in inner)))
    return Judgement(claim, ours, *concluded(found, ours, biggest_verdict(falls, inner)))


def judge_spread(found: Found, claim: Claim) -> Judgement:
    """Judge "random sampling is inherently unstable" (section 4)."""
    arms = {arm: found.select(claim.dataset, arm) for arm in (claim.arm, claim.other)}
    frame = found.pairs_of(claim.part, arms)
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
    return Judgement(claim, ours, *concluded(found, ours, spread_verdict(ours)))


def judge_saving(found: Found, claim: Claim) -> Judgement:
    """Judge the range or the average of the labels saved (sections 2.2.4, 3.4 and 4)."""
    ours = found.saved(claim.dataset)
    why = NO_RUNS if np.isnan(ours.mean) else ours.lacking
    if claim.rule == "range":
        verdict, why = range_verdict(ours, *ends_of_range(claim)), NO_RUNS if np.isnan(ours.mean) else ""
        least, most = 100 * (1 - 2 * BUDGET), 100 * (1 - BUDGET)
        given = f"{least:.0f} to {most:.0f}: any two samples of {100 * BUDGET:.0f} %"
    else:
        verdict, expected = number_verdict(ours, claim.number, EQUIVALENCE), 100 * (1 - BUDGET) ** 2
        given = f"{expected:.0f}: expected of two random samples, which is another quantity than the midpoint"
    return Judgement(claim, ours, on_any_protocol(found, verdict), why, given)


def ends_of_range(claim: Claim) -> tuple[float, float]:
    """Return the ends of a printed range, such as "40 to 70"."""
    low, high = map(float, claim.printed.split(" to "))
    return low, high


def judge_count(found: Found, claim: Claim) -> Judgement:
    """Judge the counts of Table 5, which must be 10 % to 80 % of the training slices."""
    table5, (whole, training) = [int(each) for each in claim.printed.split()], slice_counts(claim.dataset)
    counts = [training * tenths // 10 for tenths in range(1, 9)]
    over = [sum(each > limit for each in table5) for limit in (counts[-1], training)]
    recomputed = (
        f"{' '.join(map(str, counts))} of {training} training slices ({whole} in all); printed counts above the "
        f"middle 80 % ({counts[-1]}): {over[0]}, above the training slices: {over[1]}"
    )
    runs = found.runs
    trained = runs.loc[(runs["dataset"] == claim.dataset) & (runs["strategy"] == "middle"), "examples"]
    ours = Estimate(float(np.isin(table5, trained).mean())) if len(trained) else Estimate()
    return Judgement(claim, ours, arithmetic_verdict(table5, counts), recomputed=recomputed)


def judge_table1(found: Found, claim: Claim) -> Judgement:
    """Judge an output of Table 1 by its own arithmetic: the input of a layer is the output of the one before."""
    table = published_table1()
    (place,) = table.index[table["layer"] == claim.name.split()[-1]]
    before, width = (int(output.split("x")[-1]) for output in table.loc[place - 1 : place, "output"])
    given = output_width(before, *table.loc[place, ["kernel", "stride", "padding"]])
    return Judgement(claim, Estimate(), arithmetic_verdict([width], [given]), recomputed=f"192x{given}x{given}")


def judge_untested(found: Found, claim: Claim) -> Judgement:
    """Leave open the experiments by which the paper chose its channels (section 2.2.1)."""
    why = "needs the baseline's runs with each of the four choices of three channels"
    return Judgement(claim, Estimate(), on_any_protocol(found, CANNOT_TELL), why)


JUDGES: dict[str, Callable[[Found, Claim], Judgement]] = {
    "number": judge_number,
    **dict.fromkeys(("gain", "sign", "similar"), judge_gain),
    "curve": judge_curve,
    "biggest": judge_biggest,
    "spread": judge_spread,
    **dict.fromkeys(("range", "average"), judge_saving),
    "count": judge_count,
    "arithmetic": judge_table1,
    "untested": judge_untested,
}
"""The function that judges a claim, by the name of its rule."""


def judged(found: Found, claim: Claim) -> list[Judgement]:
    """Return the row of a claim, and one for the paper's arithmetic if it prints the same quantity twice."""
    rows = [JUDGES[claim.rule](found, claim)]
    if claim.rule == "gain" and not np.isnan(claim.number + (table := table_gain(claim))):
        relative = table / (100 * printed_auc(claim, claim.arm))
        rows.append(arithmetic(claim, f"{table:.2f} ({100 * relative:.3f} % relative to the {claim.arm} AUC)", table))
    if claim.rule == "average":
        (whole,) = (each for each in claims().values() if each.rule == "range" and each.dataset == claim.dataset)
        midpoint = sum(ends_of_range(whole)) / 2
        rows.append(arithmetic(claim, f"{midpoint:.0f}: the midpoint of {whole.printed}", midpoint))
    return rows


def arithmetic(claim: Claim, recomputed: str, given: float) -> Judgement:
    """Return the row that compares a claim with the paper's other numbers."""
    verdict = arithmetic_verdict([claim.number], [given])
    return Judgement(claim, Estimate(), verdict, recomputed=recomputed, arithmetic=True)


def scorecard(runs: pd.DataFrame, scores: pd.DataFrame, cost: pd.DataFrame, departures: Departures) -> pd.DataFrame:
    """Return one row for each number and claim of the paper, and for its own arithmetic.

    Parameters
    ----------
    runs : pd.DataFrame
        From `evidence.evaluate`. Runs with the full ImageNet initialisation are judged if there are any, else those
        with its convolutional layers.
    scores : pd.DataFrame
        From `evidence.scores_by_key`.
    cost : pd.DataFrame
        From `evidence.annotation_cost` of the proposed method at 30 %.
    departures : Departures

    Returns
    -------
    pd.DataFrame
        id (with ``.arithmetic``: the paper compared with itself), section, printed, recomputed (from the paper's other
        numbers), ours; 95 % limits across runs (runs_low, runs_high), across patients and across both (AUCs as shares,
        gains in pp); could_tell (whether a gain of the paper's size would be found with a probability of 80 %);
        verdict, rule, why (the reason for no verdict, or a remark). Missing values are NaN or empty.
    """
    found = found_of(runs, scores, cost, departures)
    return table_of(row for claim in claims().values() for row in judged(found, claim))


def found_of(runs: pd.DataFrame, scores: pd.DataFrame, cost: pd.DataFrame, departures: Departures) -> Found:
    """Return the parameters of `scorecard`, with the runs that are judged."""
    varied = runs[VARIANTS].astype(bool).any(axis=1)
    start = next((start for start in STARTS[:2] if (runs["start"] == start).any()), STARTS[0])
    # If the profile itself starts from random weights, none of its arms is pretrained.
    judged = (runs["start"] == start) | ((runs["start"] == "scratch") & (runs["arm"] == "scratch"))
    return Found(runs[~varied & judged], scores, cost, departures)


def table_of(rows: Iterable[Judgement]) -> pd.DataFrame:
    """Return rows as the data frame of `scorecard`."""
    values = [
        (
            row.claim.id + (ARITHMETIC if row.arithmetic else ""),
            *(row.claim.section, row.claim.shown, row.recomputed or row.claim.recomputed, row.ours.mean),
            *(*row.ours.runs, *row.ours.patients, row.ours.low, row.ours.high),
            *(row.could_tell, row.verdict, RULES["arithmetic" if row.arithmetic else row.claim.rule], row.why),
        )
        for row in rows
    ]
    return pd.DataFrame(values, columns=COLUMNS)
