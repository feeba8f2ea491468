"""Volumes in 3-D: which files they are, what stands in place of the viewer, and that its state holds no voxel."""

import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_volume
from IPython.display import Markdown
from made_up import write_cohort

from brats_al_utils.beyond.explorer.viewer import Courier, packed, viewer, volumes_of
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.study import Study


@pytest.fixture
def study(tiny_cohort: Path, tmp_path: Path) -> Study:
    """Open a study of seven patients with volumes."""
    return open_study("smoke", tiny_cohort, tmp_path / "out", device="cpu")


def test_the_volumes_of_each_patient(study: Study, tmp_path: Path) -> None:
    found = volumes_of(study.cohort)
    assert list(found) == study.cohort.cases["patient_id"].tolist()
    for name, files in found.items():
        assert list(files) == ["t1", "t1ce", "t2", "flair", "seg"]
        assert all(path.exists() and path.parent.name == name for path in files.values())
    assert volumes_of(read_cohort(write_cohort(tmp_path / "lung", masked=True))) == {}


def test_volumes_go_compressed(tmp_path: Path) -> None:
    voxels = np.arange(27, dtype=np.int16).reshape(3, 3, 3)
    for name in ("a.nii", "b.nii.gz"):
        write_volume(tmp_path / name, voxels)
    content = (tmp_path / "b.nii.gz").read_bytes()
    assert packed(tmp_path / "b.nii.gz") == content
    assert gzip.decompress(packed(tmp_path / "a.nii")) == (tmp_path / "a.nii").read_bytes()


def test_what_is_said_where_there_is_no_viewer(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = open_study("smoke", write_cohort(tmp_path / "lung", masked=False), tmp_path / "other", device="cpu")
    monkeypatch.setitem(sys.modules, "ipyniivue", None)
    bundled = replace(study, opened={"imbalanced": replace(study.slices, pixels=study.slices.pixels[:0])})
    said = ("not part of a published study", "this cohort has none", "install it with `make viewer`")
    for of, words in zip((bundled, pictures, study), said, strict=True):
        shown = viewer(of)
        assert isinstance(shown, Markdown)
        assert words in shown.data


def test_the_viewer_s_state_holds_addresses_and_no_voxel(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipyniivue", reason="the extra viewer is not installed")
    couriers: list[Any] = []
    monkeypatch.setattr(Courier, "send", lambda courier, _, buffers: couriers.append((courier, buffers)))
    box = viewer(study)
    assert not isinstance(box, Markdown)
    assert len(box.children) == 1 and not couriers, "nothing is read before a browser asks"
    panel = box.children[0]
    panel.answer(panel, {"event": "ready"}, [])
    panel.answer(panel, {"event": "asked", "name": "sequence", "value": 1}, [])
    name, files = next(iter(volumes_of(study.cohort).items()))
    assert [content for _, content in couriers] == [[packed(files[of]), packed(files["seg"])] for of in ("t1", "t1ce")]
    couriers[0][0]._handle_custom_msg({"urls": ["blob:http://here/1", "blob:http://here/2"]}, [])
    _, shown = box.children
    assert [each.url for each in shown.volumes] == ["blob:http://here/1", "blob:http://here/2"]
    for volume in shown.volumes:
        state = volume.get_state()
        assert state["path"] == {"name": None, "data": None}
        assert not state["data"] and "img" not in state
        assert name not in json.dumps(state, default=str)
