"""What Hao et al. 2021 print: numbers, claims, Table 1 and Table 5, and what follows from them by arithmetic."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd

BUDGET = 0.3  # share of the training slices: the committee's, and the proposed method's (2.2.4, 3.3)
SLICES = {"imbalanced": {"HGG": 20, "LGG": 20}, "balanced": {"HGG": 10, "LGG": 30}}  # a patient (2.2.1, 3.4)
PATIENTS, TRAINING_PATIENTS = {"HGG": 259, "LGG": 76}, {"HGG": 157, "LGG": 46}  # the 203 keep the ratio (2.2.1)
TABLE1 = {  # the width of the printed output, and the printed arithmetic: input width, kernel, stride, padding
    "table1.conv2": (27, (27, 5, 2, 2)),
    "table1.maxpool2": (14, (27, 3, 2, 0)),
}
SAME_RUNS = {"table3.baseline.val": "table2.pretrained.val", "table3.baseline.test": "table2.pretrained.test"}
"""Two AUCs of Table 3 are Table 2's: the same runs under another name."""


@dataclass(frozen=True)
class Claim:
    """A number or claim of the paper, as ``claims.csv`` has it; text, empty where it does not apply.

    Attributes
    ----------
    id, section, name : str
        The section of the paper, and what the claim is called.
    unit : str
        The unit of our number beside it: see `claims.OURS`.
    rule : str
        One of `verdicts.RULES`.
    dataset, part, arm, other : str
        The runs that it is about; a gain is that of ``arm`` over ``other``.
    printed, low, high : str
        As printed, an AUC with its limits as shares; gains in pp.
    recomputed : str
        What the paper's other numbers give, where that is said and not computed.
    """

    id: str
    section: str
    name: str
    unit: str
    rule: str
    dataset: str
    part: str
    arm: str
    other: str
    printed: str
    low: str
    high: str
    recomputed: str

    @property
    def number(self) -> float:
        """The printed number; NaN where none is."""
        try:
            return float(self.printed)
        except ValueError:
            return float("nan")


@cache
def claims() -> dict[str, Claim]:
    """Return the paper's numbers and claims by id, in the order of the scorecard."""
    with files("brats_al_utils.findings").joinpath("claims.csv").open(encoding="utf-8") as file:
        return {row["id"]: Claim(**row) for row in csv.DictReader(file)}


def printed_aucs(table: str = "") -> pd.DataFrame:
    """Return the slice-level AUCs that the paper prints, as shares: arm, dataset, part, auc_mean, runs_low, runs_high.

    Parameters
    ----------
    table : str
        Those of one of its tables, such as ``table3``; empty for all.
    """
    rows = [
        (each.arm, each.dataset, each.part, each.number, *(float(end or "nan") for end in (each.low, each.high)))
        for each in claims().values()
        if each.rule == "number" and each.id.startswith(table)
    ]
    return pd.DataFrame(rows, columns=["arm", "dataset", "part", "auc_mean", "runs_low", "runs_high"])


def is_its_task(classes: Iterable[str]) -> bool:
    """Return whether classes are the paper's: an AUC of others is no AUC beside its own."""
    return set(classes) == set(PATIENTS)


def published_table1() -> pd.DataFrame:
    """Return Table 1 as printed: layer, kernel, stride, padding, output."""
    with files("brats_al_utils.findings").joinpath("published_table1.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype={"kernel": "Int64", "stride": "Int64", "padding": "Int64"})


def published_budgets() -> pd.DataFrame:
    """Return Table 5 as printed: dataset, share, printed (number of examples)."""
    rows = [
        (dataset, tenth / 10, int(count))
        for dataset in ("imbalanced", "balanced")
        for tenth, count in enumerate(claims()[f"table5.{dataset}"].printed.split(), 1)
    ]
    return pd.DataFrame(rows, columns=["dataset", "share", "printed"])


def output_width(width: int, kernel: int, stride: int, padding: int) -> int:
    """Return how wide the output of a convolution or a pooling is: floor((n + 2p - k) / s) + 1."""
    return (width + 2 * padding - kernel) // stride + 1


def slice_counts(dataset: str) -> tuple[int, int]:
    """Return how many slices BraTS 2019 gives of a data set, in all and for training (2.2.1, 3.4)."""
    of_patient = SLICES[dataset]
    return (
        sum(of_patient[grade] * count for grade, count in PATIENTS.items()),
        sum(of_patient[grade] * count for grade, count in TRAINING_PATIENTS.items()),
    )
