"""Notebooks that show patients, executed without a browser: of real ones for all anybody can tell, and of a bundle."""

import json
from base64 import b64decode
from pathlib import Path

import nbformat
import pytest
from made_up import distribute, write_cohort

from brats_al_utils.beyond.arms import NOTEBOOKS, explored
from brats_al_utils.beyond.bundles.published import export, unpack_study
from brats_al_utils.runs import engine
from brats_al_utils.show import notebooks
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.places import Places
from brats_al_utils.study.stages import train


@pytest.mark.parametrize("published", [False, True], ids=["folder", "bundle"])
def test_nothing_of_a_patient_is_in_the_executed_notebook(published: bool, tmp_path: Path) -> None:
    data, out = write_cohort(tmp_path / "clinic", masked=True, person="nobody-"), tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "distribute", distribute)
        study = open_study("smoke", data, out, device="cpu")
        train(study, explored(study.profile))
    if published:
        bundle, out = tmp_path / "lung.bundle", tmp_path / "again"
        export(study, bundle, ["09_explore"], with_ids=True)
        data = out / "outputs"
        unpack_study(bundle, data)
    parameters = {"profile": "smoke", "data": str(data), "out": str(out), "device": "cpu"}
    executed = notebooks.execute(notebooks.find(NOTEBOOKS, ["09"])[0], parameters, Places.of("smoke", out))
    saved = nbformat.read(executed, as_version=4)
    outputs = [output.data for cell in saved.cells for output in cell.get("outputs", []) if "data" in output]
    images = [b64decode(data.pop("image/png")) for data in outputs if "image/png" in data]
    assert sorted(images) == sorted(path.read_bytes() for path in out.glob("*.png"))
    assert {path.stem for path in out.glob("*.png")} == {"along_the_ranking", "uncertainty", "choices"}
    states = saved.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    assert sum(each["model_name"] == "AnyModel" for each in states) == 3
    assert not any("buffers" in each for each in states)
    rest = json.dumps(saved)
    for kept in ("iVBOR", "image/jpeg", "image/svg", "nobody-"):
        assert kept not in rest
    said = "images of patients are not part" if published else "this cohort has none"
    assert said in rest
    assert "choose " in rest and "of the same slices" in rest
    assert not list((out / "outputs").rglob("images"))
