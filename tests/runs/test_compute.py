"""A run is computed as it says: its start, its seeds, what is frozen, and the normalisation of its own start."""

import sys
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from brats_al_utils import InputError
from brats_al_utils.cohorts.cohort import threads
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.networks.audit import hide
from brats_al_utils.networks.network import normalisation
from brats_al_utils.networks.training import Images, Settings, finetune, predict
from brats_al_utils.runs import computing
from brats_al_utils.runs.computing import compute_run
from brats_al_utils.runs.run import PREDICTED, Run

SETTINGS = Settings(epochs=2, batch_size=4, learning_rate=0.01, momentum=0.8, weight_decay=0.0)
TRAINING, VALIDATION, TEST = tuple(range(8)), (8, 9, 10, 11), (12, 13, 14, 15)
RUN = Run("f" * 64, TRAINING, VALIDATION, TEST, (), "imagenet-trunk", False, SETTINGS, weights_seed=1, order_seed=2)


@pytest.fixture
def slices() -> SliceSet:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 3, 8, 8), dtype=np.uint8)
    patients = [f"p{number}" for number in range(16)]
    table = pd.DataFrame({"patient_id": patients, "label": np.arange(16) % 2, "tumour_mm2": 4.0})
    segmentation = np.zeros((16, 8, 8), np.uint8)
    segmentation[:, 3:5, 3:5] = 2
    return SliceSet(Path(), {"fingerprint": RUN.data, "mirrored": True}, table, pixels, segmentation)


def small(start: str, seed: int, freeze: bool = False, network: str = "alexnet") -> nn.Module:
    """Build a network of one convolution in place of AlexNet: its weights follow from the seed, and can be frozen."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        built = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2))
    built[0].requires_grad_(not freeze)
    return built


@pytest.fixture(autouse=True)
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "build", small)


def by_hand(run: Run, slices: SliceSet) -> tuple[np.ndarray[Any, Any], nn.Module]:
    """Return the losses of a run's training, and the trained network."""
    network = small(run.start, run.weights_seed, run.freeze)
    images = Images.load(slices.pixels, slices.table["label"].to_numpy(), normalisation(run.start), torch.device("cpu"))
    history = finetune(network, images, run.ids("training"), run.ids("validation"), run.settings, run.order_seed)
    return history.train_loss, network


CHANGES: list[dict[str, Any]] = [{}, {"weights_seed": 7}, {"order_seed": 7}, {"freeze": True}, {"start": "scratch"}]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_run_is_computed_as_it_says(change: dict[str, Any], slices: SliceSet) -> None:
    """To the bit as by hand, and otherwise than the run without the change."""
    run = replace(RUN, **change)
    found = compute_run(run, slices, torch.device("cpu")).arrays["train_loss"]
    np.testing.assert_array_equal(found, by_hand(run, slices)[0])
    if change:
        assert (found != by_hand(RUN, slices)[0]).all()


@pytest.mark.parametrize(("weights_seed", "last"), [(1, True), (0, False)])
def test_stored_probabilities_are_those_of_the_kept_weights(weights_seed: int, last: bool, slices: SliceSet) -> None:
    """Whether the last epoch is kept, of which some are known, or one before."""
    settings = replace(RUN.settings, epochs=3, learning_rate=0.3)
    run = replace(RUN, weights_seed=weights_seed, settings=settings, pool=tuple(range(6)))
    result = compute_run(run, slices, torch.device("cpu"))
    assert (result.best_epoch == run.settings.epochs) == last
    images = Images.load(slices.pixels, slices.table["label"].to_numpy(), normalisation(run.start), torch.device("cpu"))
    with threads(run.settings.threads):
        network = by_hand(run, slices)[1]
        for part in PREDICTED:
            expected = predict(network, images, run.ids(part))
            np.testing.assert_array_equal(result.arrays[f"probability/{part}"], expected)
    same = result.arrays["probability/test"] == result.arrays["probability/test_last"]
    assert same.all() if last else not same.all()


def test_a_run_of_another_set_is_refused(slices: SliceSet) -> None:
    with pytest.raises(InputError, match=f"fingerprint {RUN.data}, expected {'a' * 64}: open the run's set"):
        compute_run(replace(RUN, data="a" * 64), slices, torch.device("cpu"))


def test_a_result_says_with_which_versions_it_was_made(slices: SliceSet) -> None:
    said = compute_run(RUN, slices, torch.device("cpu")).facts
    for name in ("numpy", "torch", "torchvision"):
        assert said[name].split("+")[0] == distribution(name).version.split("+")[0]
    assert said["threads"] == str(RUN.settings.threads)
    assert said["python"] == sys.version.split()[0]


def test_the_audit_s_images_are_those_of_the_run_s_own_slices(slices: SliceSet) -> None:
    for ids in (np.array([12, 13]), np.array([14, 15])):
        np.testing.assert_array_equal(computing.hidden(slices, ids).tumour_alone, hide(slices, ids).tumour_alone)
