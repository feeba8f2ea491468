"""What `brats-al cohort` promises: it calls usable what `prepare` accepts, and lists all that `prepare` refuses."""

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from conftest import AFFINE, SHAPE, brats_al, write_case, write_volume

from brats_al_utils import InputError
from brats_al_utils.cohorts.inspection import check_cohort
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule

RULE = SliceRule(per_patient=2, image_size=64)
FIRST = "HGG/Brats18_SITE0_0_1/Brats18_SITE0_0_1"


def put(name: str, voxels: np.ndarray[Any, Any]) -> Callable[[Path], object]:
    """Return what replaces a volume of the first patient."""
    return lambda root: write_volume(root / f"{FIRST}_{name}.nii.gz", voxels)


def filled(value: float, kind: Any = np.int16, place: Any = np.s_[5:20, 5:20, 5:20]) -> np.ndarray[Any, Any]:
    """Return a volume that is 0 but for a part."""
    voxels = np.zeros(SHAPE, kind)
    voxels[place] = value
    return voxels


def remove_sequence(root: Path) -> None:
    (root / f"{FIRST}_t2.nii.gz").unlink()


def truncated(root: Path) -> None:
    path = root / f"{FIRST}_t1.nii.gz"
    path.write_bytes(path.read_bytes()[:-200])


def not_square(root: Path) -> None:
    for path in (root / FIRST).parent.iterdir():
        image: Any = nib.load(path)
        write_volume(path, np.asarray(image.dataobj)[:, :30])


def one_of_three_unreadable(root: Path) -> None:
    (root / "LGG/Brats18_SITE1_5_1/Brats18_SITE1_5_1_t1.nii.gz").write_bytes(b"")


NOISE = np.random.default_rng(0).normal(100, 10, SHAPE).astype(np.float32)
NO_NUMBER = np.where(filled(1, place=np.s_[3, 4, 5]), np.nan, np.where(filled(1, place=np.s_[0, 0, 0]), np.inf, NOISE))
BETWEEN = filled(1, np.float32, np.s_[10:12]) + filled(0.4, np.float32, np.s_[12])
MAPPING = "Grade,BraTS_2018_subject_ID\nLGG,Brats18_SITE0_0_1\n"


BAD: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "remove sequence": (remove_sequence, ["_t2.nii.gz (or .nii) is missing; the folder holds", "copy or rename"]),
    "truncated": (truncated, ["Brats18_SITE0_0_1_t1.nii.gz: cannot be read as NIfTI", "copy or download"]),
    "not a number": (put("t1", NO_NUMBER), ["_t1.nii.gz: 2 voxels are NaN or infinite", "skip the patient"]),
    "other shape": (put("t2", np.ones((32, 32, 23), np.int16)), ["_t2.nii.gz: shape (32, 32, 23), expected"]),
    "not square": (not_square, ["axial slices of (32, 30) voxels, expected as many rows as columns: pad"]),
    "black sequence": (put("t1ce", filled(0)), ["_t1ce.nii.gz: no contrast (all voxels are 0), expected a brain"]),
    "flat sequence": (put("t1ce", filled(9)), ["_t1ce.nii.gz: no contrast (all voxels are 0 or 9), expected a brain"]),
    "empty segmentation": (put("seg", filled(0)), ["_seg.nii.gz: the segmentation is empty", "skip the patient"]),
    "interpolated labels": (put("seg", BETWEEN), ["seg.nii.gz: labels [0.4", "nearest neighbours"]),
    "labels without number": (put("seg", NOISE), ["seg.nii.gz: labels [", "found, expected 0, 1, 2 and 4"]),
    "strange labels": (put("seg", filled(7)), ["_seg.nii.gz: labels [7] found, expected 0, 1, 2 and 4"]),
    "two time points": (lambda root: write_case(root / "LGG/Brats18_SITE0_0_2", 9), ["_2: the same patient, expected"]),
    "two grades": (
        lambda root: (root / "name_mapping.csv").write_text(MAPPING, encoding="utf-8"),
        ["Brats18_SITE0_0_1: HGG by its folder but LGG in name_mapping.csv, expected one grade: correct"],
    ),
    "one of three unreadable": (one_of_three_unreadable, ["5_1_t1.nii.gz: cannot be read", "2 usable LGG patients"]),
    "grade missing": (lambda root: shutil.rmtree(root / "LGG"), ["0 usable LGG patients, expected at least 3"]),
}


def refusal(root: Path, out: Path, rule: SliceRule = RULE) -> str:
    """Return what `prepare` says of a cohort, empty if it accepts it."""
    try:
        prepare(read_cohort(root), rule, out)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("damage", "words"), BAD.values(), ids=BAD)
def test_what_prepare_refuses_is_listed(
    tiny_cohort: Path, tmp_path: Path, damage: Callable[[Path], object], words: list[str]
) -> None:
    """Each of the other kind's problems as well: all lines of the refusal are among those of the list."""
    damage(tiny_cohort)
    messages = check_cohort(read_cohort(tiny_cohort)).messages
    listed = "\n".join(messages)
    assert all(each in listed for each in words), listed
    assert max(map(len, messages)) < 1000
    refused = refusal(tiny_cohort, tmp_path / "set")
    assert refused
    assert set(refused.splitlines()) <= set(listed.splitlines())
    assert not (tmp_path / "set").exists()


def test_what_is_called_usable_is_accepted(tiny_cohort: Path, tmp_path: Path) -> None:
    """Also what is at the edge of being refused."""
    voxels = np.zeros(SHAPE, np.int16)
    voxels[14, 14, 3] = 1
    write_volume(tiny_cohort / f"{FIRST}_seg.nii.gz", voxels)
    voxels[20, 20, 20] = 2
    write_volume(tiny_cohort / f"{FIRST}_t1ce.nii.gz", voxels)
    assert not check_cohort(read_cohort(tiny_cohort)).problems
    assert refusal(tiny_cohort, tmp_path / "set") == ""


def test_the_smallest_tumour_is_the_setting_s(tiny_cohort: Path, tmp_path: Path) -> None:
    """The tumour of the tiny cohort has 8 x 8 mm in a slice."""
    rule = SliceRule(per_patient=2, image_size=64, min_tumour_mm2=65)
    cohort = check_cohort(read_cohort(tiny_cohort), 65)
    assert len(cohort.problems) == 7 + 2
    assert "largest tumour in a slice has 64 mm2, expected 65 or more: lower min_tumour_mm2" in cohort.messages[0]
    assert set(refusal(tiny_cohort, tmp_path / "set", rule).splitlines()) <= set(cohort.messages)
    assert not check_cohort(read_cohort(tiny_cohort), 64).problems
    told = brats_al("cohort", str(tiny_cohort), "--set", "min_tumour_mm2=65", expect=1)
    assert told.count("problem: ") == 1 + 2


def test_every_problem_in_one_go(tiny_cohort: Path) -> None:
    """Of two patients, and what follows from it."""
    remove_sequence(tiny_cohort)
    path = tiny_cohort / "LGG" / "Brats18_SITE0_4_1" / "Brats18_SITE0_4_1_flair.nii.gz"
    path.write_bytes(path.read_bytes()[:-200])
    told = brats_al("cohort", str(tiny_cohort), expect=1)
    assert told.count("problem: ") == 3
    assert "5 usable patients" in told and "problem: 2 usable LGG patients" in told


def test_prepare_names_every_unreadable_patient(tiny_cohort: Path, tmp_path: Path) -> None:
    truncated(tiny_cohort)
    one_of_three_unreadable(tiny_cohort)
    refused = refusal(tiny_cohort, tmp_path / "set")
    assert "Brats18_SITE0_0_1_t1.nii.gz: cannot be read" in refused
    assert "Brats18_SITE1_5_1_t1.nii.gz: cannot be read" in refused


@pytest.mark.parametrize("name", ["t1", "t1ce", "t2", "flair", "seg"])
def test_a_shifted_file_is_the_one_that_is_named(tiny_cohort: Path, name: str) -> None:
    path = tiny_cohort / f"{FIRST}_{name}.nii.gz"
    image: Any = nib.load(path)
    moved = AFFINE.copy()
    moved[:3, 3] += [3, 0, 4]
    write_volume(path, np.asarray(image.dataobj), moved)
    (problem,) = check_cohort(read_cohort(tiny_cohort)).messages
    others = " and ".join(other for other in ("t1", "t1ce", "t2", "flair", "seg") if other != name)
    mend = "export it on the grid of the images" if name == "seg" else "register them again"
    assert problem.startswith(f"{path}: its voxels lie up to 5 mm away from those of {others};")
    assert problem.endswith(mend)


def test_a_file_that_is_stored_the_other_way_round_has_the_same_grid(tiny_cohort: Path, tmp_path: Path) -> None:
    """Its header says so; its voxels are turned, and its axes swapped."""
    path = tiny_cohort / f"{FIRST}_t1.nii.gz"
    before = prepare(read_cohort(tiny_cohort), RULE, tmp_path / "before").fingerprint
    image: Any = nib.load(path)
    turned = image.as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
    write_volume(path, np.asarray(turned.dataobj), turned.affine)
    assert not check_cohort(read_cohort(tiny_cohort)).problems
    assert prepare(read_cohort(tiny_cohort), RULE, tmp_path / "after").fingerprint == before


def test_volumes_of_a_fourth_dimension_are_read_if_it_is_one(tiny_cohort: Path, tmp_path: Path) -> None:
    before = prepare(read_cohort(tiny_cohort), RULE, tmp_path / "before").fingerprint
    for path in (tiny_cohort / FIRST).parent.iterdir():
        image: Any = nib.load(path)
        write_volume(path, np.asarray(image.dataobj)[..., None])
        assert nib.load(path).shape == (*SHAPE, 1)  # type: ignore[attr-defined]
    assert not check_cohort(read_cohort(tiny_cohort)).problems
    assert prepare(read_cohort(tiny_cohort), RULE, tmp_path / "after").fingerprint == before
    put("t1", np.ones((*SHAPE, 2), np.int16))(tiny_cohort)
    (problem,) = check_cohort(read_cohort(tiny_cohort)).messages
    assert "expected a three-dimensional volume" in problem and "found shape (32, 32, 24, 2)" in problem


def test_nibabel_says_nothing_between_our_lines(tiny_cohort: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It logs that it mends a negative size of the voxels."""
    path = tiny_cohort / f"{FIRST}_t1.nii.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[80:84] = np.array(-1, "<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(content)))
    command = [sys.executable, "-m", "brats_al_utils", "cohort", str(tiny_cohort)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0
    assert done.stderr == ""
    nib.Nifti1Header(bytes(content[:348]))
    assert "pixdim[1,2,3] should be positive" in caplog.text  # or this test would show nothing


def test_the_facts_as_json(tiny_cohort: Path) -> None:
    other = "moved from Brats18_SITE0_8_1"
    (tiny_cohort / "LGG" / other).mkdir()
    facts = json.loads(brats_al("cohort", str(tiny_cohort), "--json"))
    assert facts["problems"] == {}
    assert facts["notes"] == [f"{tiny_cohort}/LGG/{other}: skipped, not a patient's folder (no NIfTI file in it)"]
    assert len(facts["cases"]) == 7
    assert facts["release"] == "2018"
