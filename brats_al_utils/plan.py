"""What a profile will cost: runs, image passes, and hours on this machine from a short calibration."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brats_al_utils import notebooks
from brats_al_utils.cohort import PARTS, Cohort, split_patients
from brats_al_utils.network import build
from brats_al_utils.phantom import grade_of
from brats_al_utils.places import Places
from brats_al_utils.pool import Pool
from brats_al_utils.profile import Profile
from brats_al_utils.runs import Run
from brats_al_utils.slices import SliceSet
from brats_al_utils.study import DATASETS, Arm, Study
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


class PlannedStudy(Study):
    """A study that can name its runs, and count them, before there are pixels or results."""

    def pool(self, dataset: str, number: int) -> Pool:
        """Return the training slices, ranked by their ids where there is no committee yet.

        How many are chosen does not depend on which.
        """
        if all(self.store.path(run).exists() for run in self.committee(dataset, number)):
            return super().pool(dataset, number)
        ids = self.sets[dataset].ids("training")
        return Pool(ids, np.zeros(len(ids)))

    def runs(self, arms: Sequence[Arm]) -> list[Run]:
        """Return every run that some arms ask for."""
        return [*(run for _, run in self.committees(arms)), *self.wanted(arms).values()]


def planned(profile: Profile) -> PlannedStudy:
    """Return the study of a profile's synthetic cohort, or of BraTS 2019's counts where the profile has none."""
    grades = [grade_of(number) for number in range(profile.patients)] or [
        grade for grade, count in BRATS_2019.items() for _ in range(count)
    ]
    cases = pd.DataFrame({"patient_id": [f"{number:04}" for number in range(len(grades))], "grade": grades})
    split = split_patients(cases, profile.split_seed)
    sets = {}
    for dataset in DATASETS:
        rule = profile.slice_rule(balanced=dataset == "balanced")
        table = split.loc[split.index.repeat(split["grade"].map(rule.slices_of))].reset_index(drop=True)
        sets[dataset] = SliceSet(Path(), {"fingerprint": dataset}, table, np.empty(0), np.empty(0))
    cohort = Cohort(Path(), cases, (), {})
    return PlannedStudy(profile, Places.of(profile.name), cohort, sets)


def slices_by_part(study: Study) -> dict[str, dict[str, int]]:
    """Return the slices of each set and part."""
    return {name: {part: len(slices.ids(part)) for part in PARTS} for name, slices in study.sets.items()}


def cost(study: PlannedStudy, paths: Sequence[Path]) -> Cost:
    """Return what the runs of some notebooks cost."""
    asked = []
    for path in paths:
        asked += study.runs(notebooks.arms(path, study.profile))
    distinct = {run.key: run for run in asked}.values()
    return Cost(
        asked=len(asked),
        distinct=len(distinct),
        training_images=sum(run.images for run in distinct),
        evaluation_images=sum(
            (run.settings.epochs + 1) * len(run.validation) + len(run.test) + len(run.pool) for run in distinct
        ),
    )


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
    predict(network, images, ids)  # returns the numbers, so a GPU has finished
    evaluation = time.perf_counter() - started
    started = time.perf_counter()
    finetune(network, images, ids, ids, settings, 0)
    training = time.perf_counter() - started - evaluation
    return count / training, count / evaluation
