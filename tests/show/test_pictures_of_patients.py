"""Notebooks that show patients, executed without a browser: of real ones for all anybody can tell, and of a bundle."""

import json
from pathlib import Path

import nbformat
import pytest
from lab import check_saved
from made_up import explored_study, write_cohort

from brats_al_utils.beyond.arms import NOTEBOOKS
from brats_al_utils.beyond.bundles.published import export, unpack_study
from brats_al_utils.show import notebooks
from brats_al_utils.study.places import Places


@pytest.mark.parametrize("published", [False, True], ids=["folder", "bundle"])
def test_nothing_of_a_patient_is_in_the_executed_notebook(published: bool, tmp_path: Path) -> None:
    data, out = write_cohort(tmp_path / "clinic", masked=True, person="nobody-"), tmp_path / "out"
    study = explored_study(data, out)
    if published:
        bundle, out = tmp_path / "lung.bundle", tmp_path / "again"
        export(study, bundle, ["09_explore"], with_ids=True)
        data = out / "outputs"
        unpack_study(bundle, data)
    parameters = {"profile": "smoke", "data": str(data), "out": str(out), "device": "cpu"}
    executed = notebooks.execute(notebooks.find(NOTEBOOKS, ["09"])[0], parameters, Places.of("smoke", out))
    saved = nbformat.read(executed, as_version=4)
    check_saved(saved, out, 3)
    assert {path.stem for path in out.glob("*.png")} == {"along_the_ranking", "uncertainty", "choices"}
    rest = json.dumps(saved)
    said = "images of patients are not part" if published else "this cohort has none"
    assert said in rest
    assert "choose " in rest and "of the same slices" in rest
    assert not list((out / "outputs").rglob("images"))
