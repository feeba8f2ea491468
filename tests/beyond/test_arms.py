"""The arms of the notebooks beyond the paper: names tell them apart, and the settings name all competitors."""

import pytest

from brats_al_utils.beyond.arms import NOTEBOOKS, beyond
from brats_al_utils.beyond.competitors.competitors import COMPETITORS
from brats_al_utils.study.profile import PROFILES, profile_of


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("labelled", [0.29, 0.3])
def test_arms_that_are_compared_have_names_of_their_own(profile: str, labelled: float) -> None:
    """With two slices a patient, half of the slices are one a patient, and 50.3 % are annotated with 29 % labelled."""
    found = beyond(profile_of(profile, {"labelled_share": labelled}))
    for group in (found.controls, found.competitors, found.iterative):
        arms = {arm for pair in found.pairs(group) for arm in pair}
        assert len({arm.name for arm in arms}) == len(arms)


def test_every_competitor_is_a_setting() -> None:
    assert set(PROFILES["paper"].competitors) == set(COMPETITORS)
    assert list(NOTEBOOKS) == sorted(NOTEBOOKS)
