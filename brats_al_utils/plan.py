"""What a profile will cost: runs, image passes, and hours on this machine from a short calibration."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from brats_al_utils import notebooks
from brats_al_utils.cohort import PARTS, split_patients
from brats_al_utils.network import build
from brats_al_utils.phantom import grade_of
from brats_al_utils.profile import Profile
from brats_al_utils.training import Images, choose_device, finetune, predict

BRATS_2019 = {"HGG": 259, "LGG": 76}
CALIBRATION_STEPS = 4


@dataclass(frozen=True)
class Cost:
    """What the runs of some notebooks cost.

    Attributes
    ----------
    asked, distinct : int
        Runs asked for, and those that are not the same as another.
    training_images, evaluation_images : int
        Image passes of the distinct runs, forward and backward, and forward alone.
    """

    asked: int
    distinct: int
    training_images: int
    evaluation_images: int


def slices_by_part(profile: Profile) -> dict[str, int]:
    """Return the slices of each part: of the synthetic cohort, or of BraTS 2019 where the profile has none."""
    grades = [grade_of(number) for number in range(profile.patients)] or [
        grade for grade, count in BRATS_2019.items() for _ in range(count)
    ]
    cases = pd.DataFrame({"patient_id": [f"{number:04}" for number in range(len(grades))], "grade": grades})
    rule = profile.slice_rule()
    split = split_patients(cases, profile.split_seed)
    slices = split["grade"].map(rule.slices_of)
    return {part: int(slices[split["part"] == part].sum()) for part in PARTS}


def cost(profile: Profile, paths: Sequence[Path]) -> Cost:
    """Return what the runs of some notebooks cost, as far as it can be known before any of them."""
    slices = slices_by_part(profile)
    asked = [
        (arm, number) for path in paths for arm in notebooks.arms(path, profile) for number in range(profile.n_runs)
    ]
    distinct = {(arm.start, arm.epochs, number): arm for arm, number in asked}
    training = sum(arm.epochs * slices["training"] for arm in distinct.values())
    evaluation = sum((arm.epochs + 1) * slices["validation"] + slices["test"] for arm in distinct.values())
    return Cost(len(asked), len(distinct), training, evaluation)


def calibrate(profile: Profile, device: str = "auto") -> tuple[float, float]:
    """Return the images a second of training and of evaluation, from a few steps on random images."""
    where = choose_device(device)
    rng = np.random.default_rng(0)
    count = CALIBRATION_STEPS * profile.batch_size
    pixels = rng.integers(0, 256, (count, 3, profile.image_size, profile.image_size), dtype=np.uint8)
    images = Images.load(pixels, np.arange(count) % 2, ((0.0,) * 3, (1.0,) * 3), where)
    network = build("scratch", 0).to(where)
    ids = np.arange(count)
    settings = profile.training_settings(epochs=1)
    finetune(network, images, ids, ids, settings, 0)  # the first steps also allocate memory: not timed
    started = time.perf_counter()
    predict(network, images, ids)
    if where.type == "cuda":
        torch.cuda.synchronize()
    evaluation = time.perf_counter() - started
    started = time.perf_counter()
    finetune(network, images, ids, ids, settings, 0)
    training = time.perf_counter() - started - evaluation
    return count / training, count / evaluation
