"""A study whose test set is a cohort of its own."""

import pytest

from brats_al_utils import InputError
from brats_al_utils.beyond.arms import iterative, one_shot, others
from brats_al_utils.beyond.cost import counted_study, slices_by_part
from brats_al_utils.study.arms import curves
from brats_al_utils.study.profile import PROFILES, profile_of


def test_the_design_study_has_the_paper_s_patients_and_a_population_to_test() -> None:
    study = counted_study(PROFILES["design"])
    table = study.slices.table.drop_duplicates("patient_id")
    counts = {"training": [157, 46], "validation": [51, 15], "test": [500, 500]}  # HGG, LGG
    assert table.groupby("part")["class_name"].apply(lambda of: [*of.value_counts().sort_index()]).to_dict() == counts
    assert slices_by_part(study)["imbalanced"] == {"training": 5 * 203, "validation": 5 * 66, "test": 2000}
    assert slices_by_part(study)["balanced"]["test"] == 2000


def test_competitors_that_have_too_few_slices_to_choose_from_are_refused() -> None:
    with pytest.raises(InputError, match=r"labelled_share is 0.8, expected 0.7 at most"):
        one_shot(profile_of("smoke", {"labelled_share": 0.8}))


def test_curves_and_competitors_are_those_that_are_named() -> None:
    profile = profile_of("smoke", {"budgets": "0.3,0.5", "competitors": "coreset,badge"})
    assert {arm.share for arm in curves(profile)} == {0.3, 0.5}
    assert [arm.name for arm in one_shot(profile)] == ["coreset", "badge"]
    rivals = ["proposed", "random", "coreset", "badge"]
    assert [arm.name for arm in iterative(profile)] == [f"{rival}, iterative" for rival in rivals]


@pytest.mark.parametrize(("named", "trained"), [("", []), ("vgg16,alexnet", ["vgg16"])])
def test_other_networks_are_those_that_are_named_but_the_study_s_own(named: str, trained: list[str]) -> None:
    pairs = others(profile_of("smoke", {"other_networks": named}))
    found = [(arm.network, arm.strategy.name) for pair in pairs for arm in pair]
    assert found == [(network, name) for network in trained for name in ("middle", "random")]
