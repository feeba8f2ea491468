"""A table that writes itself: what folders and names of files say, and what is left out."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.template import write_template


def put(root: Path, *names: str, colours: bool = False) -> Path:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
        if path.suffix in (".png", ".jpg", ".tif"):
            Image.fromarray(pixels if colours else pixels[:, :, 0]).save(path)
        else:
            path.write_bytes(b"")
    return root


def table(root: Path, **options: Any) -> tuple[list[dict[str, str]], str]:
    path, said = write_template(root, **options)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)), "\n".join(said)


def test_an_image_is_a_person_of_its_own_name_and_of_its_path_where_names_are_the_same(tmp_path: Path) -> None:
    """A dot is a part of a name, a comma is quoted."""
    put(tmp_path, "v1.0/1.2.840.1.png", "v1.0/1.2.840.2.png", "v1.0/scan.nii.gz", "a, b.PNG", "scan.png")
    rows, _ = table(tmp_path)
    assert {row["patient_id"] for row in rows} == {"1.2.840.1", "1.2.840.2", "a, b", "scan", "v1.0/scan"}


def test_what_systems_leave_is_no_image(tmp_path: Path) -> None:
    left = ("._p1.png", "Icon\r", "__MACOSX/p1.png", "@eaDir/p1.png/THUMB.png", ".ipynb_checkpoints/p1.png")
    rows, said = table(put(tmp_path, "p1.png", *left))
    assert [row["image"] for row in rows] == ["p1.png"]
    assert "1 images of 1 people" in said and "left out" not in said


def test_folders_are_classes_and_the_split(tmp_path: Path) -> None:
    """As Nickparvar's set: without a folder of validation, its patients come from those for training."""
    places = [(part, kind) for part in ("Training", "Testing") for kind in ("glioma", "no")]
    rows, said = table(put(tmp_path, *(f"{part}/{kind}/{part[:2]}_{n}.jpg" for part, kind in places for n in "12")))
    assert {(row["image"].split("/")[0], row["split"]) for row in rows} == {("Training", ""), ("Testing", "test")}
    assert all(row["label"] == row["image"].split("/")[1] for row in rows)
    assert "labels from folders: glioma 4, no 4" in said and "test 4" in said
    assert len({row["patient_id"] for row in rows}) == 8


IMAGE_AND_MASK = [
    ("images/p{}.png", "masks/p{}.png"),
    ("images/p{}.jpg", "masks/p{}_mask.png"),
    ("p{}.png", "p{}_mask.png"),
    ("p{}.nii.gz", "p{}_seg.nii.gz"),
    ("yes/p{}.png", "yes/masks/p{}.png"),
    ("p{}/scan{}.nii", "p{}/scan{}-Segmentation.nii"),
    ("images/p{}.png", "labels/p{}.png"),
    ("images/p{}.png", "GT/p{}.png"),
    ("p{}.png", "p{}_roi.png"),
    ("p{}.nii.gz", "labels/final/p{}.nii.gz"),  # MONAI Label
    ("p{}/anat/p{}_T1w.nii.gz", "derivatives/me/p{}/anat/p{}_T1w_mask.nii.gz"),  # BIDS
    ("p{}/anat/p{}_T1w.nii.gz", "derivatives/labels/p{}/anat/p{}_T1w_seg-manual.nii.gz"),
    ("p{}/anat/p{}_T1w.nii.gz", "derivatives/labels/p{}/anat/p{}_T1w_lesion-manual.nii.gz"),
    ("p{}/image.nii.gz", "p{}/label.nii.gz"),
    ("p{}/MRBrain.nii.gz", "p{}/Segmentation-label.nii.gz"),  # 3D Slicer
    ("p{}/scan.png", "p{}/mask.png"),
    ("p{}.nii.gz", "p{}-labels.nii.gz"),
    ("images/p{}.png", "lung masks/p{}.png"),
]


@pytest.mark.parametrize(("image", "mask"), IMAGE_AND_MASK)
def test_masks_are_no_patients(tmp_path: Path, image: str, mask: str) -> None:
    names = [text.replace("{}", str(n)) for n in (1, 2, 3) for text in (image, mask)]
    rows, said = table(put(tmp_path, *names, "masks/spare.png"))
    assert [(row["image"], row["mask"]) for row in rows] == list(zip(names[::2], names[1::2], strict=True))
    assert "3 images of 3 people, 3 with a mask" in said and "1 (masks/spare.png) left out" in said
    assert [row["patient_id"] for row in rows] == ["p1", "p2", "p3"]


def test_what_monai_label_s_network_has_drawn_is_no_mask(tmp_path: Path) -> None:
    rows, said = table(put(tmp_path, "p1.nii", "p2.nii", "labels/original/p1.nii", "labels/final/p2.nii"))
    assert [row["mask"] for row in rows] == ["", "labels/final/p2.nii"]
    assert "1 (labels/original/p1.nii) left out" in said


def test_a_folder_a_person_or_what_an_expression_finds(tmp_path: Path) -> None:
    names = [f"TCGA_{p}/TCGA_{p}_{n}.png" for p in "ABC" for n in "123"]
    rows, said = table(put(tmp_path / "folders", *names))
    assert [row["patient_id"] for row in rows] == [name.split("/")[0] for name in names]
    assert "9 images of 3 people" in said
    names = [f"all/x{p}_{n}.png" for p in "123" for n in "12"]
    rows, said = table(put(tmp_path / "flat", *names), person=r"(x\d)_")
    assert [row["patient_id"] for row in rows] == ["x1", "x1", "x2", "x2", "x3", "x3"]
    (tmp_path / "flat/cohort.csv").unlink()
    for wrong, words in (("(", "not a regular expression"), ("x[12]_", "not found in all/x3_1.png and 1 others")):
        with pytest.raises(InputError, match=words):
            table(tmp_path / "flat", person=wrong)


OF_PEOPLE = [
    "sub-{}/anat/sub-{}_T1w.nii.gz",  # BIDS
    "sub-{}/ses-1/anat/sub-{}_ses-1_T1w.nii.gz",
    "PAT{}/20260101/SE1/1.png",
    "PAT{}/T1/1.png",
    "Oslo/P{}/1.png",
    "P{}/x{}.png",
]


@pytest.mark.parametrize("name", OF_PEOPLE)
def test_the_folder_of_people_is_not_that_of_days_or_series(tmp_path: Path, name: str) -> None:
    names = [name.replace("{}", number) for number in ("01", "02", "03")]
    more = [one.replace("ses-1", "ses-2").replace("0101", "0102").replace("T1/", "T2/") for one in names]
    rows, _ = table(put(tmp_path, *sorted({*names, *more, *[n.replace("Oslo/P", "Rome/Q") for n in names]})))
    assert {row["patient_id"][-2:] for row in rows} == {"01", "02", "03"}
    assert all(row["patient_id"] in row["image"].split("/") for row in rows)


def test_nnu_net_s_folders_are_images_their_channels_and_masks(tmp_path: Path) -> None:
    channels = [f"imagesTr/BRATS_{n}_000{c}.nii.gz" for n in "123" for c in range(4)]
    rows, said = table(put(tmp_path, *channels, *(f"labelsTr/BRATS_{n}.nii.gz" for n in "123")))
    assert [row["patient_id"] for row in rows] == ["BRATS_1", "BRATS_2", "BRATS_3"]
    assert [rows[0][column] for column in ("image", "image2", "image3")] == channels[:3]
    assert rows[0]["mask"] == "labelsTr/BRATS_1.nii.gz"
    assert "without labels" in said


def test_a_copy_of_the_whole_in_a_folder_of_its_own_has_the_same_classes(tmp_path: Path) -> None:
    """As Kaggle's set of 253 images is unpacked: yes, no, and both again in brain_tumor_dataset."""
    names = [f"{kind}/{kind[0]}{n}.png" for kind in ("yes", "no") for n in "12"]
    rows, _ = table(put(tmp_path, *names, *(f"brain_tumor_dataset/{name}" for name in names)))
    assert sorted(row["label"] for row in rows) == ["no"] * 4 + ["yes"] * 4


def test_colours_are_asked_for_once(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png", colours=True)
    with pytest.raises(InputError, match="2 of 2 pictures looked at are in colour.*--colour channels.*--colour grey"):
        table(tmp_path)
    with pytest.raises(InputError, match="--colour rgb: expected channels or grey"):
        table(tmp_path, colours="rgb")
    rows, _ = table(tmp_path, colours="channels")
    assert [row["colours"] for row in rows] == ["channels"] * 2


def test_brats_2021_is_a_row_a_patient(tmp_path: Path) -> None:
    put(tmp_path, *(f"BraTS2021_0000{n}/BraTS2021_0000{n}_{s}.nii.gz" for n in "12" for s in ("t1", "t2", "seg")))
    (tmp_path / "BraTS2021_00003").mkdir()
    rows, said = table(tmp_path)
    assert "1 (BraTS2021_00003) left out: folders without a file" in said
    assert rows == [{"patient_id": f"BraTS2021_0000{n}", "label": ""} for n in "12"]


def test_classes_begin_the_names_of_their_images(tmp_path: Path) -> None:
    """As in BUSI, some of whose images have several masks."""
    quex = [f"{kind}/{place}/{kind.lower()}_{n}.png" for kind in ("COVID-19", "Normal") for n in "12" for place in "ab"]
    assert {row["label"] for row in table(put(tmp_path / "quex", *quex))[0]} == {"COVID-19", "Normal"}
    tmp_path /= "busi"
    names = [f"{kind}/{kind} ({n}){end}.png" for kind in ("benign", "malignant") for n in "12" for end in ("", "_mask")]
    rows, said = table(put(tmp_path, *names, "benign/benign (1)_mask_1.png"))
    assert [(row["label"], row["patient_id"], row["mask"]) for row in rows] == [
        (kind, f"{kind} ({n})", f"{kind}/{kind} ({n})_mask.png") for kind in ("benign", "malignant") for n in "12"
    ]
    assert "1 (benign/benign (1)_mask_1.png) left out: further masks of images that have one" in said


@pytest.mark.parametrize("others", ["SegmentationClass/{}.png SegmentationObject/{}.png", "{}_mask.png {}_seg.png"])
def test_a_second_mask_is_no_image(tmp_path: Path, others: str) -> None:
    """Folders as CVAT and VOC have them, and two endings."""
    names = [f"JPEGImages/p{n}.jpg" if "/" in others else f"p{n}.jpg" for n in "123"]
    masks = [mask.format(f"p{n}") for mask in others.split() for n in "123"]
    rows, said = table(put(tmp_path, *names, *masks))
    assert [(row["image"], row["mask"]) for row in rows] == list(zip(names, masks[:3], strict=True))
    assert "3 (" in said and "left out: further masks" in said


def test_of_two_masks_beside_an_image_the_first_by_name_is_taken(tmp_path: Path) -> None:
    """As 3D Slicer leaves them."""
    files = [f"p{n}/{name}.nii.gz" for n in range(8) for name in ("MR", "Segmentation", "Segmentation-label")]
    rows, said = table(put(tmp_path, *files))
    assert {row["mask"][3:] for row in rows} == {"Segmentation-label.nii.gz"}
    assert "8 (p0/Segmentation.nii.gz, " in said


def test_what_readers_have_drawn_beside_an_image_is_its_mask(tmp_path: Path) -> None:
    """As in prostate158; a name with tumor alone is an image."""
    names = ("t2", "t2_anatomy_reader1", "t2_tumor_reader1", "adc_tumor")
    rows, said = table(put(tmp_path, *(f"{n}/{name}.nii.gz" for n in "123" for name in names)))
    found = [(row["image"][2:], row["mask"][2:]) for row in rows[:2]]
    assert found == [("adc_tumor.nii.gz", ""), ("t2.nii.gz", "t2_tumor_reader1.nii.gz")]
    assert len(rows) == 6 and "3 (1/t2_anatomy_reader1.nii.gz, " in said


def test_folds_are_neither_people_nor_classes(tmp_path: Path) -> None:
    """As in C-NMC."""
    names = [f"fold_{fold}/{kind}/UID_{n}{fold}_{kind}.png" for fold in "012" for kind in ("all", "hem") for n in "12"]
    rows, said = table(put(tmp_path, *names))
    assert "labels from folders: all 6, hem 6" in said and len({row["patient_id"] for row in rows}) == 12
    (tmp_path / "cohort.csv").unlink()
    rows, _ = table(tmp_path, person=r"([^/_-]+)[^/]*$")  # as is proposed
    assert {row["patient_id"] for row in rows} == {"UID"}


def test_what_a_study_and_an_annotation_keep_in_the_folder_is_not_looked_into(tmp_path: Path) -> None:
    study = [f"mine/{name}" for name in (".studies/table", "figure.png", "outputs/images/slices.png")]
    kept = [f"annotation/{name}" for name in ("state.json", "images.csv", "sets/images-0/pixels.npy", "masks/p1.png")]
    rows, said = table(put(tmp_path, "p1.png", "p2.png", *study, *kept, "other/state.json", "other/p3.png"))
    assert [row["image"] for row in rows] == ["p1.png", "p2.png", "other/p3.png"] and ".npy" not in said


def test_names_with_other_spaces_are_kept(tmp_path: Path) -> None:
    rows, _ = table(put(tmp_path, "at 1.02\u202fAM.png", "Nov\u00e1k\u00a01.png"))
    names = {"Nov\u00e1k 1": "Nov\u00e1k\u00a01.png", "at 1.02 AM": "at 1.02\u202fAM.png"}
    assert {row["patient_id"]: row["image"] for row in rows} == names


def test_further_files_of_a_series_are_named(tmp_path: Path) -> None:
    _, said = table(put(tmp_path, *(f"P{n}/T1{further}.nii.gz" for n in "123" for further in ("", "_e2", "_ph", "a"))))
    assert "12 images of 3 people" in said
    assert "6 (P1/T1_e2.nii.gz, P1/T1_ph.nii.gz, P2/T1_e2.nii.gz, ...) have dcm2niix's names" in said


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    others = ("b.mha", "c.tar.gz", "d.png.part", "e.h5", "f.nii.gzip", "g.jfif")
    pointers = ("h.png.dvc", ".i.png.icloud", "j.nii", "j.nii.gz")
    root = put(tmp_path / "here", "a.png", "s/IM1.dcm", "s/IM2.dcm", *others, *pointers)
    put(tmp_path / "scratch", "c.png")
    (root / "linked").symlink_to(tmp_path / "scratch")
    for name in ("of\\windows.png", "x\n.png", "y.png ", "z.nii.gz."):
        (root / name).write_bytes(b"")
    rows, said = table(root)
    assert [row["image"] for row in rows] == ["a.png", "j.nii.gz"]
    for words in (
        "dvc pull",
        "1 .icloud",
        "1 (j.nii) left out: volumes that are there compressed too",
        *("1 (linked) left out", "--follow-links", r"x\n.png", f"2 DICOM files (2 in {root / 's'})"),
        *(f"1 {ending}" for ending in (".mha", ".tar.gz", ".part", ".h5", ".nii.gzip", ".jfif")),
        "windows.png) left out: names with backslashes: unpack",
        "2 (y.png , z.nii.gz.) left out: names that end in a space or a dot",
    ):
        assert words in said
    assert f"dcm2niix -z y -o {root} {root / 's'}" in said
    (root / "cohort.csv").unlink()
    (tmp_path / "scratch/round").symlink_to(tmp_path / "scratch")
    _, lines = write_template(root, follow_links=True)
    assert "3 images of 3 people" in lines[0]


def test_a_folder_that_is_missing_or_empty_of_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="imgaes: no such folder"):
        table(tmp_path / "imgaes")
    assert not (tmp_path / "imgaes").exists()
    rows, said = table(tmp_path)
    assert len(rows) == 2 and "put a row an image" in said
    with pytest.raises(InputError, match="exists"):
        table(tmp_path)
    with pytest.raises(InputError, match="dcm2niix"):
        table(put(tmp_path / "dicom", "1.dcm"))
