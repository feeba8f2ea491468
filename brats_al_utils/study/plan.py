"""What a profile will cost: runs, image passes, and hours on this machine from a short calibration."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.cohorts.split import PARTS, split_patients
from brats_al_utils.networks.network import build
from brats_al_utils.networks.training import Images, choose_device, finetune, predict
from brats_al_utils.phantoms.phantom import grade_of
from brats_al_utils.queries.pool import drawn
from brats_al_utils.queries.sampling import STRATEGIES
from brats_al_utils.runs.run import Run
from brats_al_utils.show import notebooks
from brats_al_utils.study.arms import ROUND_SHARE, Arm, planted_outliers
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import Profile
from brats_al_utils.study.study import DATASETS, Ids, Study

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
    """A study that can name its runs, and count them, before there are pixels or results.

    Where the networks that choose are not trained yet, a strategy chooses other slices than it will, but as many, and
    others than another strategy: only that decides how many runs are distinct.
    """

    @classmethod
    def of(cls, study: Study) -> "PlannedStudy":
        """Return a study as it can be planned now."""
        return cls(**{each.name: getattr(study, each.name) for each in fields(study) if each.init})

    def uncertainty(self, dataset: str, number: int, labelled: Ids) -> np.ndarray[Any, Any]:
        """Return what the committee makes of each training slice, zeros where it is not trained yet."""
        if self.there(self.committee(dataset, number, labelled)):
            return super().uncertainty(dataset, number, labelled)
        return np.zeros(len(self.sets[dataset].ids("training")))

    def chosen(self, arm: Arm, number: int) -> Ids:
        """Return the ids that an arm chooses, or as many others."""
        labelled = self.labelled(arm.dataset, number)
        if arm.in_rounds or not arm.needs_views or self.there([self.query(arm, number, labelled)]):
            return super().chosen(arm, number)
        return self.instead(arm, number, self.budget(arm))

    def after_rounds(self, arm: Arm, number: int, rounds: int) -> Ids:
        """Return the ids that an arm has labelled after some rounds, or as many others."""
        first = super().after_rounds(arm, number, 1)
        if rounds == 1 or self.there(self.choosers(arm, number, self.after_rounds(arm, number, rounds - 1))):
            return super().after_rounds(arm, number, rounds) if rounds > 1 else first
        count = round(ROUND_SHARE * rounds * len(self.sets[arm.dataset].ids("training"))) - len(first)
        return np.union1d(first, self.instead(arm, number, count, without=first))

    def instead(self, arm: Arm, number: int, count: int, without: Ids | None = None) -> Ids:
        """Return so many slices for an arm, others for each strategy that is a function of its own."""
        ids = np.setdiff1d(self.sets[arm.dataset].ids("training"), [] if without is None else without)
        name = getattr(STRATEGIES[arm.strategy], "__name__", arm.strategy) + " in rounds" * arm.in_rounds
        return np.sort(drawn(ids, count, self.seed(number, "sample draw"), name))

    def there(self, runs: Sequence[Run]) -> bool:
        """Whether the results of some runs are stored."""
        return all(self.store.path(run).exists() for run in runs)

    def runs(self, arms: Sequence[Arm]) -> list[Run]:
        """Return every run that some arms ask for."""
        return [*(run for _, named in self.choosing(arms) for _, run in named), *self.wanted(arms).values()]

    def runs_of(self, paths: Iterable[Path]) -> list[Run]:
        """Return every run that some notebooks ask for."""
        arms = (notebooks.arms(path, self.profile, self.synthetic) for path in paths)
        return [run for of_notebook in arms for run in self.runs(of_notebook)]


def planned(profile: Profile) -> PlannedStudy:
    """Return the study of a profile's synthetic cohort, or of BraTS 2019's counts where the profile has none."""
    grades = [grade_of(number) for number in range(profile.patients)] or [
        grade for grade, count in BRATS_2019.items() for _ in range(count)
    ]
    cases = pd.DataFrame({"patient_id": [f"{number:04}" for number in range(len(grades))], "grade": grades})
    split = split_patients(cases, profile.split_seed)
    synthetic, sets = profile.patients > 0, {}
    for dataset in dict.fromkeys([*DATASETS, *notebooks.datasets(notebooks.find(), profile, synthetic)]):
        rule = profile.slice_rule(balanced=dataset == "balanced")
        table = split.loc[split.index.repeat(split["grade"].map(rule.slices_of))].reset_index(drop=True)
        planted = planted_outliers(dataset)
        # Where nothing is planted, the kind does not matter.
        fingerprint = dataset if planted is None or planted[1] else "typical"
        manifest = {"fingerprint": fingerprint, "synthetic": synthetic}
        sets[dataset] = SliceSet(Path(), manifest, table, np.empty(0), np.empty(0))
    cohort = Cohort(Path(), cases, (), {})
    return PlannedStudy(profile, Places.of(profile.name), cohort, sets)


def slices_by_part(study: Study) -> dict[str, dict[str, int]]:
    """Return the slices of each set and part."""
    return {name: {part: len(study.sets[name].ids(part)) for part in PARTS} for name in DATASETS}


def cost(asked: Sequence[Run]) -> Cost:
    """Return what some runs cost."""
    distinct = {run.key: run for run in asked}.values()
    return Cost(
        asked=len(asked),
        distinct=len(distinct),
        training_images=sum(run.images for run in distinct),
        evaluation_images=sum(run.evaluation_images for run in distinct),
    )


def calibrate(profile: Profile, device: str = "auto") -> tuple[float, float]:
    """Return the images a second of training and of evaluation, from a few steps on random images."""
    where = choose_device(device)
    rng = np.random.default_rng(0)
    count = CALIBRATION_STEPS * profile.batch_size
    pixels = rng.integers(0, 256, (count, 3, profile.image_size, profile.image_size), dtype=np.uint8)
    images = Images.load(pixels, np.arange(count) % 2, ((0.0,) * 3, (1.0,) * 3), where)
    network = build("scratch", 0, network=profile.network).to(where)
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
