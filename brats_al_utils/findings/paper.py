"""What Hao et al. 2021 print: numbers, claims, Table 1 and Table 5, and what follows from them by arithmetic."""

from importlib.resources import files

import pandas as pd

BUDGET = 0.3  # share of the training slices: the committee's, and the proposed method's (2.2.4, 3.3)
SLICES = {"imbalanced": {"HGG": 20, "LGG": 20}, "balanced": {"HGG": 10, "LGG": 30}}  # a patient (2.2.1, 3.4)
PATIENTS, TRAINING_PATIENTS = {"HGG": 259, "LGG": 76}, {"HGG": 157, "LGG": 46}  # the 203 keep the ratio (2.2.1)
TABLE1 = {  # the printed output, its width, and the printed arithmetic: input width, kernel, stride, padding
    "table1.conv2": ("192x27x27 by stride 2", 27, (27, 5, 2, 2)),
    "table1.maxpool2": ("192x14x14 by stride 2", 14, (27, 3, 2, 0)),
}
SAME_RUNS = {"table3.baseline.val": "table2.pretrained.val", "table3.baseline.test": "table2.pretrained.test"}
"""Two AUCs of Table 3 are Table 2's: the same runs under another name."""


def published_results() -> pd.DataFrame:
    """Return the AUCs that the paper prints: id, section, dataset, arm, part, auc, ci_low, ci_high (as shares)."""
    with files("brats_al_utils.findings").joinpath("published_results.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def published_claims() -> pd.DataFrame:
    """Return what the paper claims besides, as text: id, section, claim, printed, recomputed_from_the_tables."""
    with files("brats_al_utils.findings").joinpath("published_claims.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str)


def published_table1() -> pd.DataFrame:
    """Return Table 1 as printed: layer, kernel, stride, padding, output."""
    with files("brats_al_utils.findings").joinpath("published_table1.csv").open(encoding="utf-8") as file:
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
