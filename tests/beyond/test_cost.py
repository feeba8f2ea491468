"""What the plan counts of a cohort of one's own, and where it cannot know."""

from pathlib import Path

import pandas as pd
import pytest
from conftest import brats_al
from made_up import IMAGES, write_cohort

from brats_al_utils import InputError
from brats_al_utils.beyond import cost as cost_of
from brats_al_utils.beyond import driver
from brats_al_utils.beyond.cost import cost, counted_study, slices_by_part
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.study.arms import DATASETS, transfer
from brats_al_utils.study.profile import profile_of
from brats_al_utils.study.stages import plan


def test_a_cohort_of_one_s_own_is_counted(tmp_path: Path) -> None:
    """The plan has the slices that are cut then, and reads no image for it."""
    root = write_cohort(tmp_path / "mine", masked=False, both=True)
    profile = profile_of("open", {"classes": "", "folds": 1, "image_size": 64})
    study = counted_study(profile, read_cohort(root))
    expected = {}
    for name in DATASETS:
        cut = prepare(read_cohort(root), profile.slice_rule(name == DATASETS[1]), tmp_path / name)
        expected[name] = {part: len(cut.ids(part)) for part in PARTS}
    assert slices_by_part(study) == expected
    assert slices_by_part(study)["imbalanced"] != slices_by_part(study)["balanced"]
    assert not study.synthetic
    total = cost(plan(study, transfer(profile)))
    training = slices_by_part(study)["imbalanced"]["training"]
    assert (total.distinct, total.training_images) == (10, 5 * training * (profile.epochs + profile.scratch_epochs))
    for path in root.glob("images/*.png"):
        path.write_bytes(path.name.encode())
    assert slices_by_part(counted_study(profile, read_cohort(root))) == slices_by_part(study)


def test_what_run_refuses_of_a_table_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A patient in two parts is named, and folds are refused where the table gives the split."""
    monkeypatch.setattr(cost_of, "calibrate", lambda profile, device: (1.0, 1.0))
    data = write_cohort(tmp_path / "mine", masked=False)
    table = pd.read_csv(data / "cohort.csv")
    table["split"] = [PARTS[row // IMAGES // 2 % 3] for row in table.index]  # persons are of either class in turn
    table.loc[3, "split"] = PARTS[1]  # the other images of this person are for training
    table.to_csv(data / "cohort.csv", index=False)
    words = ["plan", "--profile", "open", "--data", str(data), "--set", "classes=malignant,benign"]
    told = brats_al(*words, "--set", "folds=1")
    assert "problem: " in told and "s0 in the parts training and validation" in told
    assert "gives the split: set folds=1" in brats_al(*words, expect=1)


def test_a_profile_of_an_unknown_cohort_asks_for_data() -> None:
    with pytest.raises(InputError, match=r"profile open .* not known: name the cohort's folder \(--data DIR\)"):
        counted_study(profile_of("open"))
    assert "name the cohort's folder" in brats_al("plan", "--profile", "open", expect=1)


PROCESSORS = [(True, "float32", True), (True, "bfloat16", False), (False, "float32", False)]


@pytest.mark.parametrize(("able", "arithmetic", "named"), PROCESSORS)
def test_bfloat16_is_named_where_the_processor_has_it_and_the_study_does_not(
    able: bool, arithmetic: str, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of the evaluation and the training at 100 or 150 images a second: 1.5 times as fast in all."""
    rates = {"float32": (100.0, 300.0), "bfloat16": (150.0, 450.0)}
    monkeypatch.setattr(cost_of, "calibrate", lambda profile, device: rates[profile.arithmetic])
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": able})
    study = counted_study(profile_of("smoke", {"arithmetic": arithmetic}))
    facts = cost_of.forecast(study, {"01": plan(study, transfer(study.profile))}, "cpu")
    assert facts["hours"] / facts["hours_in_bfloat16"] == pytest.approx(1.5 if named else 1, rel=0.05)
    assert ("arithmetic=bfloat16" in "\n".join(cost_of.said(facts))) == named


def test_weights_of_other_networks_are_looked_for_before_any_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(start: str, network: str) -> None:
        if network != "alexnet":
            raise InputError(f"no weights of {network} ({start})")

    profile = profile_of("smoke", {"other_networks": "resnet18", "start": "imagenet"})
    monkeypatch.setattr(driver, "open_study", lambda: counted_study(profile))
    monkeypatch.setattr(driver, "initial_state", found)
    with pytest.raises(InputError, match=r"no weights of resnet18 \(imagenet\)"):
        driver.drive({}, ["12"])
