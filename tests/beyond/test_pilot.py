"""The length of training is chosen where a mean validation curve stops rising."""

import pandas as pd
import pytest

from brats_al_utils.beyond.comparison.pilot import lengths, plateau


@pytest.mark.parametrize(
    ("curve", "epoch"),
    [([0.8, 0.9, 0.9015, 0.89], 2), ([0.8, 0.9, 0.903, 0.9], 3), ([0.9, 0.8], 1), ([0.7, 0.8, 0.9], 3)],
)
def test_the_plateau_is_the_first_epoch_that_no_later_one_exceeds_by_much(curve: list[float], epoch: int) -> None:
    assert plateau(pd.Series(curve, range(1, len(curve) + 1))) == epoch


def test_lengths_are_of_means_across_runs() -> None:
    rows = [
        ("random", 0.001, seed, epoch, 0.5, auc)
        for seed, aucs in ((1, (0.8, 0.7)), (2, (0.6, 0.9)))
        for epoch, auc in enumerate(aucs, 1)
    ]
    table = lengths(pd.DataFrame(rows, columns=["arm", "rate", "seed", "epoch", "train_loss", "validation_auc"]))
    assert table.to_dict("records") == [
        {"arm": "random", "rate": 0.001, "epochs": 2, "validation_auc": pytest.approx(0.8), "train_loss": 0.5}
    ]
