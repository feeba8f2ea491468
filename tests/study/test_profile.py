"""Settings refuse what they do not know, before anything starts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.beyond.bundles.published import current
from brats_al_utils.study.profile import PROFILES, profile_of

READ: list[tuple[str, object, list[object]]] = [
    ("epochs", 6, [6, "6", " 6 "]),
    ("learning_rate", 0.0001, ["1e-4"]),
    ("learning_rate", 1.0, [1]),
    ("freeze", True, ["true"]),
    ("channels", ("flair", "t1", "t2"), ["flair,t1,t2", ["flair", "t1", "t2"], "['flair', 't1', 't2']"]),
    ("budgets", (0.3, 0.2), ["0.3,0.2", [0.3, 0.2], (0.3, "2e-1"), "(0.3, 0.2)", "0.3,0.2,"]),
    ("other_networks", (), [""]),
    ("classes", ("tumour (grade II)", "none"), ["tumour (grade II), none"]),
    ("classes", ("(a)", "(b)"), ["(a), (b)"]),
    ("classes", ("a, b", "yes"), ["'a, b', yes"]),
    ("classes", ("\u00d6dem", "no"), ["O\u0308dem, no"]),
    ("classes", (), ["()"]),
    ("start", "imagenet-trunk-shuffled", ["imagenet-trunk-shuffled"]),
]


@pytest.mark.parametrize(("name", "value", "given_as"), READ)
def test_settings_are_read_in_their_type(name: str, value: object, given_as: list[object]) -> None:
    for each in given_as:
        found = getattr(profile_of("paper", {name: each}), name)
        assert (found, type(found)) == (value, type(value)), each


REFUSED = [
    ({"epoch": 6}, "no setting is called 'epoch': did you mean epochs"),
    ({"name": "x"}, "no setting is called 'name'"),
    ({"epochs": 6.5}, "epochs is 6.5, expected a valid integer"),
    ({"epochs": True}, "epochs is True, expected a number"),
    ({"epochs": 0}, "epochs is 0, expected greater than or equal to 1"),
    ({"learning_rate": "-0.1"}, "learning_rate is '-0.1', expected greater than 0"),
    ({"learning_rate": "nan"}, "learning_rate is 'nan', expected a finite number"),
    ({"learning_rate": False}, "learning_rate is False, expected a number"),
    ({"channels": "t1,t2"}, "channels is .*, expected three of"),
    ({"channels": "t1,t1,t2"}, "channels is .*, expected three of t1, t1ce, t2, flair"),
    ({"image_size": 32}, "image_size is 32, expected greater than or equal to 64"),
    ({"per_patient": 1}, "per_patient is 1, expected greater than or equal to 2"),
    ({"channels": 3}, "channels is 3, expected a valid tuple"),
    ({"classes": "a,[b"}, "classes is 'a,.b', expected a valid tuple"),
    ({"classes": "a"}, "classes is .*, expected none, or the positive and the negative class"),
    ({"classes": "a,a"}, "classes is .*, expected different"),
    ({"committee_rates": "0.001,0.001"}, "committee_rates is .*, expected different numbers, at least 2"),
    ({"momentum": 1.0}, "momentum is 1.0, expected less than 1"),
    ({"start": "vgg"}, "start is 'vgg', expected one of imagenet, imagenet-trunk, scratch"),
    ({"network": "vgg"}, "network is 'vgg', expected one of alexnet, googlenet, vgg16, resnet18"),
    # Smoke starts from a trunk, which it lacks.
    ({"network": "resnet18"}, "start is 'imagenet-trunk', expected one of imagenet, scratch, .* for resnet18"),
    ({"spacing": 3}, "spacing is 3, expected less than or equal to 2"),
    ({"budgets": "0.1,0.2"}, "budgets is .*, expected 0.3 among them"),
    ({"budgets": "0.3,1.0"}, "budgets is '1.0', expected less than 1"),
    ({"budgets": "0.3"}, "budgets is .*, expected different numbers, at least 2"),
    ({"competitors": ""}, "competitors is .*, expected different ones of entropy, coreset, .*, at least 1"),
    ({"competitors": "entropy,bald"}, "competitors is .*, expected different ones of entropy, coreset"),
    ({"other_networks": "lenet"}, "other_networks is .*, expected different ones of alexnet, "),
    ({"test_patients": 3}, "test_patients is 3, expected 0, or with patients and without folds an even number"),
    ({"test_patients": 4, "patients": 0}, "test_patients is 4, expected 0, or with patients"),
    ({"test_patients": 4, "folds": 4, "n_runs": 4}, "test_patients is 4, expected .* without folds"),
    ({"iteration_share": 0.2}, "iteration_share is 0.2, expected 0.3 divided by"),
    ({"seed": -1}, "seed is -1, expected greater than or equal to 0"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSED)
def test_settings_that_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        profile_of("smoke", settings)


@pytest.mark.parametrize("text", ['{"image_size": 64}', "{'image_size': 64}", "image_size: 64", "{image_size: 64}"])
def test_settings_as_text(text: str) -> None:
    """As ``papermill -p settings TEXT`` passes them on."""
    assert profile_of("paper", text) == profile_of("paper", {"image_size": 64})
    assert {profile_of("paper", nothing) for nothing in ("", "{}", " ")} == {PROFILES["paper"]}


@pytest.mark.parametrize("text", ["image_size=64", "64", "[seed, 64]", "{image_size: 64", "!!python/name:os.system"])
def test_text_that_holds_no_settings_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r'settings is .*, expected names with values, as in \{"epochs": 6\}'):
        profile_of("paper", text)


def test_what_is_changed_survives_json() -> None:
    assert PROFILES["demo"].changes == {}
    changed = profile_of("demo", {"budgets": (0.3, 0.2), "epochs": 7, "n_runs": 3})
    assert changed.changes == {"budgets": [0.3, 0.2], "epochs": 7}  # demo has three runs
    assert profile_of("demo", json.loads(json.dumps(changed.changes))) == changed


def test_settings_of_earlier_versions_are_left_out_where_they_change_nothing() -> None:
    """Bundles hold them."""
    former = {"hold": [], "doses": [0.0, 0.05, 0.1], "intensity": "mode"}
    assert profile_of("open", current(former)) == PROFILES["open"]
    with pytest.raises(InputError, match="no setting is called 'hold'"):
        profile_of("open", current(former | {"hold": ["weights"]}))


def test_a_share_that_selects_nothing_is_refused() -> None:
    profile = profile_of("smoke", {"labelled_share": 0.01})
    assert PROFILES["paper"].labelled_slices(4060) == 1218
    assert profile.labelled_slices(60) == 1
    with pytest.raises(InputError, match="labelled_share=0.01 selects 0 of 28 .*, expected at least 0.036"):
        profile.labelled_slices(28)


@given(st.text(), st.none() | st.text() | st.floats() | st.lists(st.integers()) | st.dictionaries(st.text(), st.none()))
def test_whatever_is_given_ends_in_a_profile_or_one_error(name: str, value: object) -> None:
    for setting in (name, "epochs", "learning_rate", "channels", "freeze"):
        try:
            profile_of("smoke", {setting: value})
        except InputError as error:
            assert setting in str(error) or repr(setting) in str(error)


@pytest.mark.parametrize(("folds", "n_runs"), [(5, 3), (5, 6), (3, 10)])
def test_runs_are_a_multiple_of_the_folds(folds: int, n_runs: int) -> None:
    """Otherwise some patients would be tested more often than others, or never."""
    with pytest.raises(InputError, match=rf"n_runs is {n_runs}, expected a multiple of folds \({folds}\)"):
        profile_of("paper", {"folds": folds, "n_runs": n_runs})
    assert profile_of("paper", {"folds": folds, "n_runs": 2 * folds}).folds == folds
