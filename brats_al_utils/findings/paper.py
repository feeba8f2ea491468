"""What Hao et al. 2021 print, and the verdict of our runs on each number and claim, by rules written beforehand."""

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from importlib.resources import files

import numpy as np
import pandas as pd

from brats_al_utils.findings.comparison import compare, intervals, patient_pairs
from brats_al_utils.findings.statistics import mean_interval
from brats_al_utils.networks.network import STARTS

REPRODUCED, NOT_REPRODUCED, CANNOT_TELL = "reproduced", "not reproduced", "cannot tell"
NOT_APPLICABLE = "not applicable on a synthetic cohort"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, CANNOT_TELL, NOT_APPLICABLE)
COLUMNS = ["id", "section", "printed", "recomputed", "ours", "ci_low", "ci_high", "verdict", "rule"]
EVIDENCE = ["patients_low", "patients_high", "paired_p", "could_tell"]
RUN_COLUMNS = ["seed", "cohort", "unit", "auc", "key", "dataset", "start", "strategy", "share", "examples"]
COST_COLUMNS = ["arm", "dataset", "seed", "chosen", "paid", "share"]

BUDGET = 0.3  # share of the training slices: the committee's, and the proposed method's (2.2.4, 3.3)
ROUNDING = 0.01  # points: how far a gain may lie from the difference of two AUCs, all three printed to 0.01
SLICES = {"imbalanced": {"HGG": 20, "LGG": 20}, "balanced": {"HGG": 10, "LGG": 30}}  # a patient (2.2.1, 3.4)
PATIENTS, TRAINING_PATIENTS = {"HGG": 259, "LGG": 76}, {"HGG": 157, "LGG": 46}  # the 203 keep the ratio (2.2.1)
TABLE1 = {  # the printed output, its width, and the printed arithmetic: input width, kernel, stride, padding
    "table1.conv2": ("192x27x27 by stride 2", 27, (27, 5, 2, 2)),
    "table1.maxpool2": ("192x14x14 by stride 2", 14, (27, 3, 2, 0)),
}
ARMS = {  # strategy, share and whether from scratch; any other name is a strategy at 30 %
    "pretrained": ("all", 1.0, False),
    "baseline": ("all", 1.0, False),
    "scratch": ("all", 1.0, True),
    "proposed": ("middle", BUDGET, False),
    "proposed60": ("middle", 0.6, False),
}
GAINS = {  # the first arm over the second; Figure 3 by validation AUC, the one that section 3.2 names
    "abstract.gain": ("imbalanced", "test", "proposed", "baseline"),
    "table2.val_gain": ("imbalanced", "validation", "pretrained", "scratch"),
    "table2.test_gain": ("imbalanced", "test", "pretrained", "scratch"),
    "figure3.low_tail": ("imbalanced", "validation", "window 10%-40%", "window 0%-30%"),
    "figure3.high_tail": ("imbalanced", "validation", "window 60%-90%", "window 70%-100%"),
    "table4.test_gain": ("balanced", "test", "proposed", "baseline"),
    "table4.val_gain": ("balanced", "validation", "proposed", "baseline"),
}
RIVALS = ("random", "baseline")

CASES = f"cannot tell otherwise, nor from a single run or another start than the paper's; {NOT_APPLICABLE}."
NUMBER_RULE = (
    "Reproduced if our 95 % interval over runs holds the printed mean; not reproduced if it does not overlap the "
    f"printed interval (where none is printed: the cohort's widest, laid about the printed mean); {CASES}"
)
GAIN_RULE = (
    "Reproduced if our 95 % interval of the difference (points, paired by seed) lies wholly on the paper's side of 0, "
    "whatever its size; not reproduced if it does not and excludes the paper's gain (by its tables; Figure 3: by its "
    f"text, and by validation AUC, the one that section 3.2 names); {CASES}"
)
CURVE_RULE = (
    "Ours is the share of the budgets drawn at which the proposed method's mean test AUC is higher; reproduced if that "
    "is all; not reproduced if it is half or fewer, or if at any budget the 95 % interval of the difference (paired by "
    f"seed) lies wholly below 0, which alone counts while either data set has fewer than two budgets; {CASES}"
)
RANGE_RULE = (
    "Reproduced if the share of the training slices that we left unlabelled (%, mean over runs) lies in the printed "
    "range, else not reproduced; on any cohort, as it counts labels."
)
AVERAGE_RULE = (
    "Reproduced if our 95 % interval over runs of the share of the training slices left unlabelled (%) holds the "
    "printed average, else not reproduced, but cannot tell from a single run; on any cohort, as it counts labels."
)
ARITHMETIC_RULE = f"Reproduced if the paper's other numbers give it to {ROUNDING}, else not reproduced; on any cohort."
COUNT_RULE = (
    "Reproduced if the counts are 10 % to 80 % of BraTS 2019's training slices, else not reproduced; on any cohort "
    "(ours is the share of the eight printed counts on which the proposed method was trained)."
)
NO_RUNS = "No such runs; with them: "


@dataclass(frozen=True)
class Estimate:
    """Mean over our runs and its 95 % interval; NaN where there are no runs, or no second one."""

    mean: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")

    @classmethod
    def of(cls, values: pd.Series) -> "Estimate":
        """Return the estimate from one value a run."""
        return cls(*mean_interval(values.to_numpy(float))) if len(values) else cls()


def published_results() -> pd.DataFrame:
    """Return the AUCs that the paper prints: id, section, dataset, arm, cohort, auc, ci_low, ci_high (as shares)."""
    with files("brats_al_utils.findings").joinpath("published_results.csv").open() as file:
        return pd.read_csv(file)


def published_claims() -> pd.DataFrame:
    """Return what the paper claims besides, as text: id, section, claim, printed, recomputed_from_the_tables."""
    with files("brats_al_utils.findings").joinpath("published_claims.csv").open() as file:
        return pd.read_csv(file, dtype=str)


def published_table1() -> pd.DataFrame:
    """Return Table 1 as printed: layer, kernel, stride, padding, output."""
    with files("brats_al_utils.findings").joinpath("published_table1.csv").open() as file:
        return pd.read_csv(file, dtype={"kernel": "Int64", "stride": "Int64", "padding": "Int64"})


def published_budgets() -> pd.DataFrame:
    """Return Table 5 as printed: dataset, share, printed (number of examples)."""
    claims = published_claims().set_index("id")["printed"]
    rows = [
        (dataset, tenth / 10, int(count))
        for dataset in ("imbalanced", "balanced")
        for tenth, count in enumerate(claims[f"table5.{dataset}"].split(), 1)
    ]
    return pd.DataFrame(rows, columns=["dataset", "share", "printed"])


def number_verdict(ours: Estimate, printed: float, low: float, high: float) -> str:
    """Return the verdict on a printed mean with its interval: `NUMBER_RULE`; without one, `AVERAGE_RULE`."""
    if ours.low <= printed <= ours.high:
        return REPRODUCED
    return NOT_REPRODUCED if ours.high < low or ours.low > high else CANNOT_TELL


def range_verdict(ours: Estimate, low: float, high: float) -> str:
    """Return the verdict on a printed range: `RANGE_RULE`."""
    return CANNOT_TELL if np.isnan(ours.mean) else REPRODUCED if low <= ours.mean <= high else NOT_REPRODUCED


def gain_verdict(ours: Estimate, paper: float) -> str:
    """Return the verdict on a gain of one arm over another, or a loss: `GAIN_RULE`."""
    if (ours.low > 0 and paper > 0) or (ours.high < 0 and paper < 0):
        return REPRODUCED
    return NOT_REPRODUCED if ours.high < paper or ours.low > paper else CANNOT_TELL


def curve_verdict(curves: Sequence[Sequence[Estimate]]) -> str:
    """Return the verdict on "at every sample size", from each data set's gains by budget: `CURVE_RULE`."""
    gains = [gain for curve in curves for gain in curve]
    if any(gain.high < 0 for gain in gains):
        return NOT_REPRODUCED
    if min(map(len, curves)) < 2 or any(np.isnan(gain.low) for gain in gains):
        return CANNOT_TELL
    higher = np.mean([gain.mean > 0 for gain in gains])
    return REPRODUCED if higher == 1 else NOT_REPRODUCED if higher <= 0.5 else CANNOT_TELL


def arithmetic_verdict(printed: Sequence[float], recomputed: Sequence[float]) -> str:
    """Return whether the paper's numbers follow from its others: `ARITHMETIC_RULE`, `COUNT_RULE`."""
    agree = np.allclose(printed, recomputed, rtol=0, atol=ROUNDING + 1e-9)
    return REPRODUCED if agree else NOT_REPRODUCED


def output_width(width: int, kernel: int, stride: int, padding: int) -> int:
    """Return how wide the output of a convolution or a pooling is: floor((n + 2p - k) / s) + 1."""
    return (width + 2 * padding - kernel) // stride + 1


def select(runs: pd.DataFrame, dataset: str, cohort: str, arm: str, share: float = BUDGET) -> pd.DataFrame:
    """Return an arm's runs, each once a seed: by what they did, since one run goes by the names of several arms."""
    strategy, share, scratch = ARMS.get(arm, (arm, share, False))
    here = (runs["dataset"] == dataset) & (runs["cohort"] == cohort) & (runs["strategy"] == strategy)
    here &= ((runs["start"] == "scratch") == scratch) & np.isclose(runs["share"], share)
    return runs[here].drop_duplicates(["key", "seed"])


def gain_of(one: pd.DataFrame, other: pd.DataFrame) -> Estimate:
    """Return by how many points the AUC of one selection exceeds another's, paired by seed."""
    return Estimate.of(100 * (one.groupby("seed")["auc"].mean() - other.groupby("seed")["auc"].mean()).dropna())


def gains_by_budget(runs: pd.DataFrame, dataset: str, rival: str) -> list[Estimate]:
    """Return the proposed method's gains in test AUC over an arm, at each budget that both have (section 3.5)."""
    shares = sorted(runs.loc[runs["strategy"] == "middle", "share"].round(6).unique())
    pairs = [[select(runs, dataset, "test", arm, share) for arm in ("middle", rival)] for share in shares]
    return [gain for pair in pairs if not np.isnan((gain := gain_of(*pair)).mean)]


def saved_labels(cost: pd.DataFrame) -> Estimate:
    """Return the share of the training slices (%) that the proposed method at 30 % leaves unlabelled (2.2.4)."""
    rows = cost[(cost["arm"] == "proposed") & (cost["dataset"] == "imbalanced")]
    away = (rows["chosen"] * rows["share"] / rows["paid"] - BUDGET).abs()  # paid / share: the training slices
    rows = rows[(away < 0.05) & np.isclose(away, away.min(), atol=1e-4)]
    return Estimate.of(100 * (1 - rows.groupby("seed")["share"].mean()))


def scorecard(runs: pd.DataFrame, cost: pd.DataFrame, synthetic: bool) -> pd.DataFrame:
    """Return one row for each number and claim of the paper, and for what its own arithmetic says of them.

    Parameters
    ----------
    runs : pd.DataFrame
        As `Study.evaluate` gives; judged by slice, and by the full ImageNet start where there is one, else the trunk.
    cost : pd.DataFrame
        As `Study.label_cost` gives.
    synthetic : bool
        Whether the cohort is; if so, no AUC of ours is held against the paper's.

    Returns
    -------
    pd.DataFrame
        id (``.arithmetic``: the paper against itself), section, printed, recomputed (from the paper's other numbers),
        ours, ci_low, ci_high (AUCs as shares, gains in points), verdict, rule; NaN where there is nothing.
    """
    runs = pd.DataFrame(runs, columns=RUN_COLUMNS).astype({"auc": float, "share": float})
    cost = pd.DataFrame(cost, columns=COST_COLUMNS).astype(dict.fromkeys(COST_COLUMNS[3:], float))
    start = next((start for start in STARTS[:2] if (runs["start"] == start).any()), STARTS[0])
    runs = runs[(runs["unit"] == "slice") & runs["start"].isin([start, "scratch"])]
    results, claims = published_results(), published_claims().set_index("id")
    claimed, text = claims["printed"], claims["recomputed_from_the_tables"]
    sections = (
        dict(zip(results["id"], results["section"].map("{:g}".format), strict=True)) | claims["section"].to_dict()
    )
    sections |= {"saving.average": sections["saving.range"], **dict.fromkeys(TABLE1, "2.2.2")}
    rows: list[tuple[object, ...]] = []

    def add(id_: str, printed: object, recomputed: object, rule: str, verdict: str, ours: Estimate) -> None:
        section = sections[id_.removesuffix(".arithmetic")]
        why = NO_RUNS if np.isnan(ours.mean) and verdict in (CANNOT_TELL, NOT_APPLICABLE) else ""
        rows.append((id_, section, printed, recomputed, *astuple(ours), verdict, why + rule))

    def add_arithmetic(id_: str, printed: object, recomputed: object, of: float, given: float) -> None:
        add(id_, printed, recomputed, ARITHMETIC_RULE, arithmetic_verdict([of], [given]), Estimate())

    def tested(verdict: str, same_start: bool = start == STARTS[0]) -> str:
        return NOT_APPLICABLE if synthetic else verdict if same_start else CANNOT_TELL

    widest = ((results["ci_high"] - results["ci_low"]) / 2).groupby(results["cohort"]).transform("max")
    results["ci_low"] = results["ci_low"].fillna(results["auc"] - widest)
    results["ci_high"] = results["ci_high"].fillna(results["auc"] + widest)
    auc = {}
    for id_, dataset, cohort, *numbers in results[["id", "dataset", "cohort", "auc", "ci_low", "ci_high"]].to_numpy():
        arm = id_.split(".")[1]
        auc[dataset, cohort, arm] = numbers[0]
        distinct = select(runs, dataset, cohort, arm).drop_duplicates("key")
        ours = Estimate.of(distinct.groupby("seed")["auc"].mean())
        verdict = number_verdict(ours, *numbers)
        add(id_, numbers[0], np.nan, NUMBER_RULE, tested(verdict, arm == "scratch" or start == STARTS[0]), ours)

    for id_, (dataset, cohort, *pair) in GAINS.items():
        ours, printed = gain_of(*(select(runs, dataset, cohort, arm) for arm in pair)), float(claimed[id_])
        if (dataset, cohort, pair[0]) not in auc:
            add(id_, printed, text[id_], GAIN_RULE, tested(gain_verdict(ours, printed)), ours)
            continue
        first, second = (100 * auc[dataset, cohort, arm] for arm in pair)
        table = round(first - second, 2)
        add(id_, printed, table, GAIN_RULE, tested(gain_verdict(ours, table)), ours)
        if not np.isnan(printed):
            relative = f"{table:.2f} ({100 * table / first:.3f} % relative to the {pair[0]} AUC)"
            add_arithmetic(f"{id_}.arithmetic", printed, relative, printed, table)

    for rival in RIVALS:
        id_ = f"curves.better_than_{rival}"
        curves = [gains_by_budget(runs, dataset, rival) for dataset in SLICES]
        higher = [gain.mean > 0 for curve in curves for gain in curve]
        ours = Estimate(float(np.mean(higher))) if higher else Estimate()
        add(id_, claimed[id_], text[id_], CURVE_RULE, tested(curve_verdict(curves)), ours)

    ours = saved_labels(cost)
    least, most, average = map(float, re.findall(r"\d+", claimed["saving.range"]))
    expected, extremes = round(100 * (1 - BUDGET) ** 2, 2), f"{100 - 200 * BUDGET:.0f} to {100 - 100 * BUDGET:.0f}"
    add("saving.range", f"{least:.0f} to {most:.0f}", extremes, RANGE_RULE, range_verdict(ours, least, most), ours)
    verdict = number_verdict(ours, average, average, average)
    add("saving.average", average, expected, AVERAGE_RULE, verdict, ours)
    add_arithmetic("saving.average.arithmetic", average, expected, average, expected)

    for dataset, slices in SLICES.items():
        table5 = [int(count) for count in claimed[f"table5.{dataset}"].split()]
        whole, training = (sum(slices[grade] * n[grade] for grade in n) for n in (PATIENTS, TRAINING_PATIENTS))
        counts = [training * tenths // 10 for tenths in range(1, 9)]
        over = [sum(count > limit for count in table5) for limit in (counts[-1], training)]
        recomputed = (
            f"{' '.join(map(str, counts))} of {training} training slices ({whole} in all); printed counts above the "
            f"middle 80 % ({counts[-1]}): {over[0]}, above the training slices: {over[1]}"
        )
        trained = runs.loc[(runs["dataset"] == dataset) & (runs["strategy"] == "middle"), "examples"]
        ours = Estimate(float(np.isin(table5, trained).mean())) if len(trained) else Estimate()
        id_, verdict = f"table5.{dataset}", arithmetic_verdict(table5, counts)
        add(id_, claimed[id_], recomputed, COUNT_RULE, verdict, ours)

    for id_, (layer, width, geometry) in TABLE1.items():
        given = output_width(*geometry)
        add_arithmetic(id_, layer, f"192x{given}x{given}", width, given)
    return pd.DataFrame(rows, columns=COLUMNS)


def patient_evidence(scores: pd.DataFrame) -> pd.DataFrame:
    """Return what the patients say of each AUC and gain: how far it would move with others, and what could be told.

    Parameters
    ----------
    scores : pd.DataFrame
        dataset, cohort, arm (as in ``ARMS``, or a strategy at 30 %), seed, patient_id, label, score; a row a slice.

    Returns
    -------
    pd.DataFrame
        id; patients_low, patients_high: 95 % interval over patients (AUCs as shares, gains in points); paired_p: of a
        gain, Obuchowski's test by patients; could_tell: whether a gain of the printed size would be found with a
        probability of 80 %, and from which size on.
    """
    sets = scores.groupby(["dataset", "cohort"], sort=False)
    pairs = {key: patient_pairs(rows, "slice") for key, rows in sets}
    limits = {key: intervals(of_set).set_index("arm") for key, of_set in pairs.items()}
    found = []
    results, claims = published_results().set_index("id"), published_claims().set_index("id")
    for id_, (dataset, cohort) in results[["dataset", "cohort"]].iterrows():
        arm = str(id_).split(".")[1]
        if (dataset, cohort) in pairs and arm in pairs[dataset, cohort].arms:
            row = limits[dataset, cohort].loc[arm]
            found.append((id_, row["patients_low"], row["patients_high"], np.nan, ""))
    for id_, (dataset, cohort, *pair) in GAINS.items():
        if (dataset, cohort) in pairs and set(pair) <= set(pairs[dataset, cohort].arms):
            row = compare(pairs[dataset, cohort], [(pair[0], pair[1])]).iloc[0]
            texts = map(str, claims.loc[id_, ["printed", "recomputed_from_the_tables"]])
            (printed, *_) = [float(text) for text in texts if re.fullmatch(r"-?\d+(\.\d+)?", text)]
            least = 100 * row["detectable"]
            answer = f"{'yes' if least <= abs(printed) else 'no'}, from {least:.1f} points on"
            answer = "no, a grade has a single patient" if np.isnan(least) else answer
            ends = 100 * row["patients_low"], 100 * row["patients_high"]
            found.append((id_, *ends, row["p_patients"], answer))
    return pd.DataFrame(found, columns=["id", *EVIDENCE])


def verdict_counts(card: pd.DataFrame) -> pd.DataFrame:
    """Return how many rows of a scorecard have each verdict: verdict, rows."""
    return (
        card["verdict"].value_counts().reindex(VERDICTS, fill_value=0).rename_axis("verdict").reset_index(name="rows")
    )
