"""What decides a run is what its study says: each source's seed, each member's rate, the start and what is frozen."""

from typing import Any

import numpy as np
import pytest

from brats_al_utils.beyond.arms import others
from brats_al_utils.beyond.cost import counted_study
from brats_al_utils.networks.training import Settings
from brats_al_utils.runs.run import Run
from brats_al_utils.study.profile import profile_of
from brats_al_utils.study.stages import run_of
from brats_al_utils.study.study import Study

SETTINGS = Settings(1, 16, 0.001, 0.8, 0.0)


def study(**settings: Any) -> Study:
    return counted_study(profile_of("smoke", settings))


def runs(of: Study, start: str = "imagenet-trunk", **more: Any) -> list[Run]:
    """Return the run of each number on the same slices."""
    return [run_of(of, "imbalanced", number, np.arange(4), start, SETTINGS, **more) for number in range(3)]


@pytest.mark.parametrize("of_the_profile", [False, True])
@pytest.mark.parametrize("of_the_arm", [False, True])
def test_what_is_frozen(of_the_profile: bool, of_the_arm: bool) -> None:
    """What is random is never frozen."""
    of = study(freeze=of_the_profile)
    assert {run.freeze for run in runs(of, freeze=of_the_arm)} == {of_the_profile or of_the_arm}
    assert {run.freeze for run in runs(of, "scratch", freeze=of_the_arm)} == {False}
    assert {run.start for run in runs(of)} == {"imagenet-trunk"}


def test_another_network_starts_as_the_profile_does_where_it_can() -> None:
    """VGG-16 chooses and AlexNet trains from its own trunk; the others have none."""
    profile = profile_of("smoke", {"network": "vgg16", "other_networks": "alexnet,googlenet,resnet18"})
    starts = {arm.network: arm.start for pair in others(profile) for arm in pair}
    assert starts == {"alexnet": "imagenet-trunk", "googlenet": "scratch", "resnet18": "scratch"}
    assert {arm.start for pair in others(profile_of("smoke", {"start": "imagenet"})) for arm in pair} == {"imagenet"}
