"""Every departure from the paper's protocol is named, and what the paper leaves open is none."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.findings.departures import STATED, Departures, departures
from brats_al_utils.findings.paper import PATIENTS
from brats_al_utils.study.profile import PROFILES

PAPER = PROFILES["paper"]


def slices_of(patients: dict[str, int], release: str = "2019", synthetic: bool = False, **facts: Any) -> SliceSet:
    names = [name for name, count in patients.items() for _ in range(count)]
    table = pd.DataFrame({"patient_id": [f"p{number}" for number in range(len(names))], "class_name": names})
    manifest = {"release": release, "name": f"BraTS {release}", "synthetic": synthetic}
    manifest |= {"channels": ["t1", "t1ce", "t2"], **facts}
    return SliceSet(Path(), manifest, table, np.empty(0), np.empty(0))


def of(**settings: Any) -> Departures:
    return departures(PAPER.with_settings(settings), slices_of(PATIENTS))


NAMED = [
    ({"network": "resnet18"}, "network: resnet18, the paper's alexnet"),
    ({"freeze": True}, "frozen convolutional layers: yes, the paper's no"),
    ({"epochs": 1}, "epochs: 1, the paper's 30"),
    ({"length": "updates"}, "length of a training in: updates, the paper's epochs"),
    (
        {"scratch_learning_rate": 0.003},
        "learning rate from random initialisation (0: as any other): 0.003, the paper's 0.0",
    ),
    ({"channels": "t1,t1ce,flair"}, "channels: t1, t1ce, flair, the paper's t1, t1ce, t2"),
    ({"labelled_share": 0.2}, "share labelled at first: 0.2, the paper's 0.3"),
]


@pytest.mark.parametrize(("settings", "text"), NAMED)
def test_a_departure_is_named(settings: dict[str, Any], text: str) -> None:
    assert of(**settings).of() == (text,)


def test_what_the_paper_leaves_open_is_no_departure() -> None:
    assert of(seed=3, split_seed=1, pairs="aift", aggregate="mean", n_runs=3).of() == ()


RATES = {"learning_rate", "committee_rates"}


def test_all_of_the_demos_departures() -> None:
    found = departures(PROFILES["demo"], slices_of({"HGG": 31, "LGG": 9}, "unknown", synthetic=True))
    assert found.cohort == "cohort: synthetic, 31 HGG + 9 LGG patients"
    assert set(found.settings) == {*RATES, "per_patient", "image_size", "start", "epochs", "scratch_epochs"}
    assert set(found.settings) <= set(STATED)
    assert len(found.of()) == 8
    # A network from random initialisation has neither the pretrained one's start nor its epochs, and no committee.
    named = [text.split(":")[0] for text in found.of(scratch=True)]
    assert named == ["cohort", "epochs from random initialisation", "learning rate", "image size", "slices a patient"]


COHORTS = [
    ("2018", PATIENTS, "cohort: BraTS 2018, 259 HGG + 76 LGG patients"),
    ("unknown", {"HGG": 7, "LGG": 3}, "cohort: of an unknown release, 7 HGG + 3 LGG patients"),
    ("2019", {"HGG": 2, "LGG": 1}, "cohort: 2 HGG + 1 LGG patients of BraTS 2019, the paper's 259 HGG + 76 LGG"),
]


@pytest.mark.parametrize(("release", "patients", "text"), COHORTS)
def test_other_patients(release: str, patients: dict[str, int], text: str) -> None:
    assert departures(PAPER, slices_of(patients, release)).of() == (text,)


def test_a_table_of_images_is_named_and_departs_in_nothing_that_it_has_no_use_for() -> None:
    slices = slices_of({"bad": 3, "good": 4}, "unknown", channels=["image"], name="cohort lung")
    found = departures(PAPER.with_settings({"per_patient": 6, "channels": "t1,t1ce,flair", "epochs": 2}), slices)
    assert found.of() == ("cohort: cohort lung (7 persons), 3 bad + 4 good persons", "epochs: 2, the paper's 30")
