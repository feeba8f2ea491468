"""The arms of the notebooks: names tell them apart, the settings name all competitors, and leave some arms out."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from brats_al_utils.beyond.arms import NOTEBOOKS, controls, equal_updates, iterative, one_shot, with_references
from brats_al_utils.beyond.competitors.competitors import COMPETITORS
from brats_al_utils.study.profile import PROFILES, profile_of


@pytest.mark.parametrize("profile", PROFILES)
@given(labelled=st.floats(0.05, 0.7))
@example(labelled=0.29)
@example(labelled=2 / 7)
def test_arms_that_are_compared_have_names_of_their_own(profile: str, labelled: float) -> None:
    """With two slices a patient, half of the slices are one a patient, and 50.0 % are annotated with 2/7 labelled."""
    chosen = profile_of(profile, {"labelled_share": labelled})
    for arms in NOTEBOOKS.values():
        of_random = {arm for arm in arms(chosen) if arm.name.startswith("random at")}
        assert len({arm.name for arm in of_random}) == len(of_random)
    for group in (controls, one_shot, iterative):
        compared = {arm for pair in with_references(chosen, group(chosen)) for arm in pair}
        assert len({arm.name for arm in compared}) == len(compared)


def test_every_competitor_is_a_setting() -> None:
    assert set(PROFILES["paper"].competitors) == set(COMPETITORS)
    assert list(NOTEBOOKS) == sorted(NOTEBOOKS)


def test_equal_updates_lengthen_the_method_and_its_reference_alone() -> None:
    pairs = equal_updates(PROFILES["paper"])
    assert [(one.name, one.length, other.name, other.length) for one, other in pairs] == [
        ("proposed, equal updates", "updates", "random at 51%, equal updates", "updates"),
        ("proposed, equal updates", "updates", "baseline", ""),
    ]
    assert not equal_updates(profile_of("paper", {"equal_updates": False})), "off"
    assert not equal_updates(PROFILES["lgg"]), "every arm is trained so"


def test_the_balanced_set_can_be_left_out_of_the_curves() -> None:
    one_set = NOTEBOOKS["05_random_vs_uncertainty"](profile_of("lgg", {"balanced": False}))
    assert {arm.dataset for arm in one_set} == {"imbalanced"}
    assert 2 * len(one_set) == len(NOTEBOOKS["05_random_vs_uncertainty"](PROFILES["lgg"]))
