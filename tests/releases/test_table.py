"""A table of images of one's own: how it is read and cut, and everything that is wrong with one, in one go."""

import csv
import os
import re
import shlex
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from conftest import brats_al, folder_named, write_volume
from PIL import Image

from brats_al_utils import InputError
from brats_al_utils.beyond.releases import image_cuts, images
from brats_al_utils.beyond.releases.table import EXCEL, MAX_ROWS, TABLE, people_notes
from brats_al_utils.cohorts.checks import marks_of
from brats_al_utils.cohorts.cohort import LISTED
from brats_al_utils.cohorts.inspection import check_cohort
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule, SliceSet
from brats_al_utils.progress import untracked
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import PROFILES
from brats_al_utils.study.study import open_set

RULE = SliceRule(per_patient=3, image_size=64)
SIZE = 48


def pixels(seed: int, size: tuple[int, int] = (SIZE, SIZE)) -> np.ndarray[Any, Any]:
    """Return a disc of about 100 with a brighter square of a tumour, in a background of little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    found = np.where(x**2 + y**2 < 0.7, rng.normal(100, 8, size), rng.integers(0, 4, size))
    found[20:30, 24:32] += 90
    return found.round().clip(0, 255).astype(np.uint8)


def mask() -> np.ndarray[Any, Any]:
    drawn = np.zeros((SIZE, SIZE), np.uint8)
    drawn[20:30, 24:32] = 255
    return drawn


def write(root: Path, rows: list[dict[str, str]]) -> Path:
    pd.DataFrame(rows).to_csv(root / TABLE, index=False)
    return root


def rows_of(root: Path) -> list[dict[Any, Any]]:
    return pd.read_csv(root / TABLE, dtype=str, keep_default_na=False).to_dict("records")


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Eight patients, four benign and four malignant, with two PNG each; the first image of each has a mask."""
    root = tmp_path / "mine"
    (root / "images").mkdir(parents=True)
    rows = []
    for number in range(16):
        patient, label = f"{number // 2:02}", "benign" if number < 8 else "malignant"
        Image.fromarray(pixels(number)).save(root / "images" / f"{number}.png")
        row = {"patient_id": patient, "label": label, "image": f"images/{number}.png", "mask": "", "site": "A"}
        if number % 2 == 0:
            Image.fromarray(mask()).save(root / "images" / f"mask{number}.png")
            row["mask"] = f"images/mask{number}.png"
        rows.append(row)
    return write(root, rows)


def cut(root: Path, rule: SliceRule = RULE, **reading: Any) -> SliceSet:
    return prepare(read_cohort(root, **reading), rule, root.parent / f"set{len(list(root.parent.iterdir()))}")


def change(root: Path, number: int, **cells: str) -> Path:
    rows = rows_of(root)
    rows[number] |= cells
    return write(root, rows)


def put(root: Path, name: str, array: np.ndarray[Any, Any]) -> None:
    Image.fromarray(array).save(root / "images" / name)


def test_images_are_cut_as_they_are(flat: Path) -> None:
    slices = cut(flat)
    assert slices.pixels.shape == (16, 3, 64, 64)
    assert slices.classes == ("benign", "malignant")
    assert (slices.table["label"] == (slices.table["class_name"] == "malignant")).all()
    assert slices.table["patient_id"].tolist()[:3] == ["00", "00", "01"]  # no numbers, in the file neither
    assert slices.table["image"][3] == "images/3.png"
    assert slices.table["tumour_mm2"].tolist() == [80, 0] * 8
    assert slices.segmentation[0].sum() == pytest.approx(80 * (64 / SIZE) ** 2, rel=0.1)
    assert not slices.segmentation[1].any()
    assert not slices.manifest["mirrored"]
    assert slices.manifest["name"] == "cohort mine"
    assert slices.manifest["chosen_by"] == ["images as they are", "tumour areas in pixels"]
    # The disc's mode is near 100; 3.5 of it are white. What is little noise outside becomes 0.
    assert np.median(slices.pixels[0, 0, 28:36, 12:20]) == pytest.approx(255 / 3.5, abs=8)
    assert not slices.pixels[:, :, :4, :4].any()
    assert (slices.pixels[:, 0] == slices.pixels[:, 2]).all()


def test_pixels_that_are_not_square_keep_their_proportions(tmp_path: Path) -> None:
    """A square of 24 mm in slices of 48 mm, of pixels of 0.5 x 1 mm."""
    voxels = np.random.default_rng(0).integers(1, 5, (96, 48, 3)).astype(np.int16)
    voxels[24:72, 12:36] += 300
    nib.Nifti1Image(voxels, np.diag([0.5, 1.0, 1.0, 1.0])).to_filename(tmp_path / "a.nii")
    row = dict.fromkeys(images.IMAGE_FILES, "") | {"image": str(tmp_path / "a.nii"), "named": "a.nii"}
    row |= {"patient_id": "a", "class_name": "b", "site": ""}
    made, _ = image_cuts.cut_image(row, 0, 1, RULE, images.read_file, [])
    assert made is not None
    inside = made[1][0, 0] > 40
    assert inside.any(axis=0).sum() == inside.any(axis=1).sum() == 32


def test_a_balanced_set_has_all_patients_and_as_many_slices_of_either_class(flat: Path) -> None:
    rows = rows_of(flat)
    for number in range(16, 24):  # ten more of one patient, none of another
        Image.fromarray(pixels(number)).save(flat / "images" / f"{number}.png")
        rows.append(rows[15] | {"image": f"images/{number}.png"})
    write(flat, rows)
    slices = cut(flat, replace(RULE, balanced=True))
    assert slices.table["class_name"].value_counts().to_dict() == {"benign": 8, "malignant": 8}
    assert slices.table["patient_id"].nunique() == 8
    assert slices.table.groupby("patient_id").size().max() == 2
    assert len(cut(flat).table) == 24
    assert cut(flat, replace(RULE, balanced=True)).fingerprint == slices.fingerprint
    room = pd.Series({"a": 1, "b": 9, "c": 9})
    assert image_cuts.bounded(room, 8, 0).sum() == 8
    assert sorted(image_cuts.bounded(room, 8, 0)) == [1, 3, 4]
    assert image_cuts.bounded(room, 2, 0).tolist() == [1, 1, 1]


def test_a_given_split_is_kept_and_what_it_lacks_is_dealt(flat: Path) -> None:
    parts = {"00": "test", "01": "validation", "04": "validation", "05": "test"}
    write(flat, [row | {"split": parts.get(row["patient_id"], "training")} for row in rows_of(flat)])
    table = cut(flat).table
    assert (table["part"] == [parts.get(name, "training") for name in table["patient_id"]]).all()
    write(flat, [row | {"split": "training"} for row in rows_of(flat)])
    (benign, malignant) = sorted(check_cohort(read_cohort(flat)).messages)
    assert "no usable benign patient in validation and test of the split that the table gives" in benign
    assert "no usable malignant" in malignant
    write(flat, [row | {"split": "test" if row["patient_id"] in ("00", "05") else ""} for row in rows_of(flat)])
    dealt = cut(flat).table.groupby("part")["patient_id"].unique().map(list).to_dict()
    assert dealt["test"] == ["00", "05"] and set(dealt) == {"training", "validation", "test"}


def test_labels_may_be_empty_and_classes_chosen(flat: Path) -> None:
    rows = rows_of(flat)
    rows += [rows[0] | {"patient_id": "90", "label": "", "image": "images/not_yet.png"}]
    write(flat, rows)
    cohort = check_cohort(read_cohort(flat))
    assert not cohort.problems
    assert any("without a label, skipped: 1 of 1 patients (90)" in note for note in cohort.notes)
    assert len(cohort.patients) == 8
    assert read_cohort(flat, classes=("benign", "malignant")).classes == ("malignant", "benign")
    rows += [rows[0] | {"patient_id": "91", "label": "other", "image": "images/elsewhere.png"}]
    write(flat, rows)
    assert len(check_cohort(read_cohort(flat)).messages) == 2  # neither class, and no image
    chosen = check_cohort(read_cohort(flat, classes=("malignant", "benign")))
    assert not chosen.problems
    assert any("of other classes (other), skipped: 1 of 1 patients (91)" in note for note in chosen.notes)
    with pytest.raises(InputError, match=r"expected two labels of .* \(benign \(8\), malignant \(8\), other \(1\)\)"):
        read_cohort(flat, classes=("malign", "benign"))


def test_a_label_is_an_image_s(flat: Path) -> None:
    """Two persons have images of both classes, one of them under two ids; two images of theirs have no label yet."""
    change(flat, 3, label="malignant")
    rows = rows_of(flat)
    rows = [row | {"group": "x" if row["patient_id"] in ("02", "06") else ""} for row in rows]
    rows[4] |= {"label": ""}
    cohort = check_cohort(read_cohort(write(flat, rows)))
    assert not cohort.problems
    assert "8 patient_ids are 7 persons" in cohort.notes[0]
    assert "images without a label, skipped: 1 of 1 patients (x)" in cohort.notes[-2]
    assert "2 patients have images of both classes" in cohort.notes[-1]
    rule = replace(RULE, split_seed=1)
    slices = prepare(cohort, rule, flat.parent / "set")
    assert not slices.one_class_each
    table = slices.table.set_index("image")
    assert table.loc["images/2.png":"images/3.png", "label"].to_dict() == {"images/2.png": 0, "images/3.png": 1}
    assert table["class_name"].value_counts().to_dict() == {"malignant": 9, "benign": 6}
    assert len(set(zip(table["patient_id"], table["part"], strict=True))) == 7, "no person is in two parts"
    assert len(set(zip(table["class_name"], table["part"], strict=True))) == 6
    balanced = prepare(cohort, replace(rule, balanced=True), flat.parent / "balanced")
    assert balanced.table["class_name"].value_counts().to_dict() == {"malignant": 6, "benign": 6}
    parts = balanced.table.set_index("image")["part"].to_dict()
    assert parts.items() <= table["part"].to_dict().items(), "the same split"


@pytest.mark.parametrize("kind", ["jpg", "tif", "nii", "nii.gz", "I;16", "RGB", "RGBA", "P"])
def test_every_kind_of_image(flat: Path, kind: str) -> None:
    """The same image in another format gives the same pixels; a JPEG about the same."""
    expected = cut(flat).pixels[1, 0].astype(int)
    name = f"images/other.{'png' if kind.isupper() else kind}"
    if kind.startswith("nii"):
        write_volume(flat / name, pixels(1).T, np.diag([-1.0, -1.0, 1, 1]))
    else:
        image = Image.fromarray(pixels(1).astype(np.uint16) * 200 if kind == "I;16" else pixels(1))
        image.convert(kind if kind.isupper() else "L").save(flat / name, quality=98)
    change(flat, 1, image=name, mask="")
    off = np.abs(cut(flat).pixels[1, 0] - expected)
    assert off.mean() < 3 if kind == "jpg" else off.max() <= 1


def test_a_picture_in_colour_has_three_channels(flat: Path) -> None:
    rows = rows_of(flat)
    for number, row in enumerate(rows):
        planes = [pixels(number + shift) for shift in (0, 100, 200)]
        Image.fromarray(np.stack(planes, axis=2)).save(flat / row["image"])
    write(flat, [row | {"colours": "channels"} for row in rows])
    slices = cut(flat)
    assert slices.manifest["channels"] == ["image", "image2", "image3"]
    for channel, shift in enumerate((0, 100, 200)):
        Image.fromarray(pixels(shift + 1)).save(flat / rows[1]["image"])
        write(flat, [row | {"colours": "grey"} for row in rows])
        np.testing.assert_array_equal(cut(flat).pixels[1, 0], slices.pixels[1, channel])


def test_volumes_with_and_without_a_mask(tmp_path: Path) -> None:
    root, rows, shape = tmp_path / "volumes", [], (20, 24, 12)
    brain, tumour = np.zeros(shape), np.zeros(shape, np.uint8)
    for z in range(12):
        brain[4 : 10 + min(z, 11 - z), 4:20, z] = 1  # the largest in the middle
    tumour[6:9, 6:9, 1:3] = 4
    for number in range(6):
        rng = np.random.default_rng(number)
        for place, name in enumerate("ab"):
            voxels = (brain * rng.normal(300 + 100 * place, 20, shape)).astype(np.int16)
            write_volume(root / f"{number}_{name}.nii.gz", voxels)
        write_volume(root / f"{number}_mask.nii.gz", tumour)
        row = {"patient_id": f"p{number}", "label": str(number % 2), "mask": f"{number}_mask.nii.gz" * (number < 3)}
        rows.append(row | {"image": f"{number}_a.nii.gz", "image2": f"{number}_b.nii.gz"})
    slices = cut(write(root, rows))
    assert not check_cohort(read_cohort(root)).problems
    chosen = slices.table.groupby("patient_id")["z"].apply(list)
    assert chosen["p0"] == [1, 2] and chosen["p5"] == [4, 5, 6]
    assert slices.manifest["fewer_slices"] == {"p0": 2, "p1": 2, "p2": 2}
    with_tumour, largest = slices.manifest["chosen_by"]
    assert with_tumour == "slices with tumour" and largest.startswith("slices with the largest foreground")
    assert slices.manifest["channels"] == ["image", "image2"]
    assert (slices.pixels[:, 1] == slices.pixels[:, 2]).all() and (slices.pixels[:, 0] != slices.pixels[:, 1]).any()
    assert slices.table["tumour_mm2"].max() == 9


def another_size(root: Path) -> None:
    rows = rows_of(root)
    for number, row in enumerate(rows):
        Image.fromarray(pixels(100 + number)).save(root / f"second{number}.png")
        row["image2"] = f"second{number}.png"
    Image.fromarray(pixels(3, (SIZE, 40))).save(root / "second3.png")
    write(root, rows)


def two_labels_of_volumes(root: Path) -> None:
    for number, label in ((2, "benign"), (3, "malignant")):
        write_volume(root / f"{number}.nii", np.dstack([pixels(number)] * 3))
        change(root, number, image=f"{number}.nii", label=label, mask="")


def two_parts(root: Path) -> None:
    write(root, [row | {"split": "training"} for row in rows_of(root)])
    change(root, 3, split="test")


def link_out(root: Path) -> None:
    (root / "images/3.png").rename(root.parent / "3.png")
    (root / "images/3.png").symlink_to(root.parent / "3.png")


def a_mask_of_ones_as_jpeg(root: Path) -> None:
    put(root, "mask2.jpg", mask() // 255)
    change(root, 2, mask="images/mask2.jpg")


def transparent(root: Path) -> None:
    image = Image.fromarray(pixels(3)).convert("RGBA")
    image.putalpha(Image.fromarray(mask()))
    image.save(root / "images/3.png")


def a_device(root: Path) -> None:
    (root / "images/3.png").unlink()
    (root / "images/3.png").symlink_to("/dev/zero")


def a_name_that_a_spreadsheet_cut(root: Path) -> None:
    for number, name in ((2, "2.02601E+11"), (3, "2,02601E+11"), (4, "#REF!"), (5, "#N/A")):
        change(root, number, patient_id=name)


def one_image_in_another_file(root: Path) -> None:
    Image.open(root / "images/2.png").save(root / "images/9.tif")
    change(root, 9, image="images/9.tif")


BAD: list[tuple[Callable[[Path], object], list[str]]] = [
    (another_size, ["second3.png: shape (40, 48, 1), expected (48, 48, 1) as in image"]),
    (two_labels_of_volumes, ["patient 01 has volumes with the labels benign and malignant, expected one"]),
    (two_parts, ["patient 01 in the parts training and test, expected one"]),
    (link_out, ["line 5: image 'images/3.png' is a symbolic link out of the folder: allow it with --follow-links"]),
    (a_mask_of_ones_as_jpeg, ["mask2.jpg: an empty mask", "of a JPEG what exceeds 127", "as PNG"]),
    (transparent, ["3.png: partly transparent (alpha), expected grey levels"]),
    (a_device, ["line 5: image 'images/3.png' is missing in"]),
    (a_name_that_a_spreadsheet_cut, [f"line {line}: patient_id " for line in (4, 5, 6, 7)]),
    (one_image_in_another_file, ["04: an image has the same pixels as one of 01", "same group"]),
    (lambda root: os.truncate(root / "images/3.png", 200), ["3.png: cannot be read as PNG, JPEG or TIFF", "export"]),
    (lambda root: (root / "images/3.png").unlink(), ["cohort.csv, line 5: image 'images/3.png' is missing in"]),
    (lambda root: write(root, rows_of(root)[4:]), ["2 usable benign patients, expected at least 3"]),
]
CELLS: list[tuple[int, dict[str, Any], list[str]]] = [
    (2, {"label": "benin"}, ["line 4: label 'benin' is neither benign nor malignant: correct it, or choose"]),
    (3, {"image": "images/2.png"}, ["the same image more than once", "2.png (line 5)", "once: keep one of these rows"]),
    (3, {"split": "train"}, ["line 5: split 'train', expected one of training, validation, test, or nothing"]),
    (3, {"image": "/elsewhere/3.png"}, ["leaves the folder, expected a path below it"]),
    (3, {"image": "../3.png"}, ["line 5: image '../3.png' leaves the folder"]),
    (3, {"image2": "images/2.png"}, ["line 2: no image2, expected as many channels in every row: fill it in"]),
    (3, {"colours": "channels"}, ["line 2: colours '' and image, expected channels in all rows and one image"]),
    (3, {"colours": "rgb"}, ["line 5: colours 'rgb', expected channels or grey"]),
    (3, {"image": f"images/{'x' * 300}.png"}, ["line 5: image 'images/xxx", "is missing in", "correct the path"]),
    (3, {"image": "https://a.org/3.png"}, ["line 5: image 'https://a.org/3.png' is an address", "download"]),
    (3, {"image": "cohort.csv"}, ["image 'cohort.csv' is no image, expected one of .png", "dcm2niix"]),
    (3, {"image": "03"}, ["line 5: image '03' is missing in"]),  # a spreadsheet's, of images called 003.png
    (3, {"patient_id": ""}, ["line 5: patient_id '', expected a name"]),
    (3, {"patient_id": "nan"}, ["line 5: patient_id 'nan', expected a name"]),
    (2, {"mask": "images/2.png"}, ["line 4: the mask", "2.png is an image of the table too"]),
]
PICTURES: list[tuple[str, np.ndarray[Any, Any], list[str]]] = [
    ("9.png", pixels(2), ["under the patients 01 and 04", "2.png (line 4)", "9.png (line 11)", "rows, and if they"]),
    ("mask2.png", mask()[:40], ["mask2.png: shape (48, 40, 1), expected (48, 48, 1) as in image"]),
    ("mask2.png", mask() * 0, ["mask2.png: an empty mask, expected labels above 0"]),
    ("mask2.png", 255 - mask(), ["mask2.png: a mask of 97% of the image", "invert it"]),
    ("3.png", pixels(3) * 0, ["3.png: no contrast, expected an image"]),
    ("3.png", np.zeros((8000, 8000), bool), ["3.png: 8000 x 8000 pixels, expected at most 33554432: make it smaller"]),
]
EVERY = [
    *BAD,
    *((partial(change, number=number, **cells), words) for number, cells, words in CELLS),
    *((partial(put, name=name, array=array), words) for name, array, words in PICTURES),
]


@pytest.mark.parametrize(("damage", "words"), EVERY, ids=[words[0][:50] for _, words in EVERY])
def test_what_is_wrong_is_listed_and_refused(flat: Path, damage: Callable[[Path], object], words: list[str]) -> None:
    damage(flat)
    listed = check_cohort(read_cohort(flat)).messages
    assert all(each in "\n".join(listed) for each in words), listed
    with pytest.raises(InputError) as refused:
        prepare(read_cohort(flat), RULE, flat.parent / "refused")
    assert set(str(refused.value).splitlines()) <= set(listed)
    assert not (flat.parent / "refused").exists()


def test_many_problems_of_a_kind_are_one_line(flat: Path) -> None:
    for path in (flat / "images").glob("*"):
        path.unlink()
    row = rows_of(flat)[0]
    write(flat, [row | {"patient_id": f"p{number}", "label": str(number % 2)} for number in range(LISTED + 1)])
    (image, masks, *few) = check_cohort(read_cohort(flat)).messages
    assert "line 2: image 'images/0.png' is missing" in image and f"({LISTED + 1} like this: p0, p1, p2, ...)" in image
    assert "mask" in masks
    assert len(few) == 2


UNREADABLE = [
    ("patient_id,label,image\nÄ,a,b.png\n".encode("latin-1"), "not UTF-8"),
    ("patient_id,label,image\np,a,b.png\n".encode("utf-16"), "not UTF-8"),
    (b"id,label,image\np,a,b.png\n", "no column patient_id, found id, label, image; expected patient_id, label"),
    (b"patient_id,label,image,masks\np,a,b.png,\n", "column masks, expected mask: rename or remove it"),
    (b"patient_id,label,image,label\np,a,b.png,a\n", "a column twice"),
    (b"patient_id,label,image\np,a,b.png,c\n", "line 2: 4 cells, expected 3"),
    (b'patient_id,label,image\np,a,"b.png\n', "cannot be read as CSV"),
    (b"patient_id,label,image\n", "0 rows, expected 1 to"),
    (b"", "no column patient_id and label and image"),
    (b"Table 1\npatient_id,label,image\np,a,b.png\n", "the header is line 2, expected line 1"),
    (b'"patient_id,label,image"\n"p,a,b.png"\n', "take the quotes off whole rows"),
    (b"patient_id,label,image\np,a,b.png\nq,a,c.png\n", r"labels a \(2\), expected two classes"),
    (b"patient_id,label,image\n" + b"p,a,b.png\n" * 1_000_000, f"1000000 rows, expected 1 to {MAX_ROWS}"),
    (b"patient_id,label,image\n" + b"p" * 2**26, "bytes, expected at most"),
]


@pytest.mark.parametrize(("content", "words"), UNREADABLE, ids=[words[:20] for _, words in UNREADABLE])
def test_tables_that_cannot_be_read(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / TABLE).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_cohort(tmp_path)


SPELLINGS = [
    (",", ";", ""),
    (",", "\t", ""),
    ("patient_id", "sep=,\r\npatient_id", ""),
    ("patient_id", "\n\npatient_id", ""),
    ("^patient_id", "\ufeff Patient_ID ", ""),
    ("site\n", "site,age\n", "columns ignored: age"),
    ("\n", "\n\n,,,,\n", ""),
    ("images/", r"images\\", "24 paths are spelt otherwise"),
    ("images/", "./images/", "paths are spelt otherwise"),
    (".png", ".PNG", "24 paths are spelt otherwise"),
    (".png", "", "paths are spelt otherwise"),
    ("images/", "HERE/images/", "paths are spelt otherwise"),
    ("images/", "image%73/", "24 paths are spelt otherwise"),
    ("images/", "file://HERE/image%73/", "24 paths are spelt otherwise"),
    (r"(images/\d+.png)", r"'\1'", "16 paths are spelt otherwise"),
    (r"(images/\d+.png)", "\u201c\\1\u201d", ""),
    (r"(images/\d+.png)", r'"=""\1"""', ""),
    ("benign,images/2.png", "Benign,images/2.png", "Benign as benign"),
    ("benign,images/2.png", "benign ,images/2.png", ""),
    (",A\n", ",NA\n", "16 cells of site (NA) are read as empty"),
]


@pytest.mark.parametrize(("old", "new", "said"), SPELLINGS)
def test_tables_as_other_systems_write_them(flat: Path, old: str, new: str, said: str) -> None:
    before = read_cohort(flat).cases
    text = (flat / TABLE).read_text(encoding="utf-8")
    (flat / TABLE).write_text(re.sub(old, new, text).replace("HERE", str(flat)), encoding="utf-8", newline="")
    cohort = read_cohort(flat)
    assert not cohort.problems
    pd.testing.assert_frame_equal(cohort.cases.assign(site="A"), before)
    assert said in "\n".join(cohort.notes)


def test_a_group_that_stands_in_some_rows_of_an_id_holds_for_all(flat: Path) -> None:
    """Else one person would be two, and might be in training and in test."""
    rows = [row | {"group": "G" if number == 0 else ""} for number, row in enumerate(rows_of(flat))]
    write(flat, rows)
    assert read_cohort(flat).cases["patient_id"].value_counts()["G"] == 2
    write(flat, [rows[0], rows[1] | {"group": "H"}, *rows[2:]])
    with pytest.raises(InputError, match="'00' in the groups 'G' and 'H', expected one"):
        read_cohort(flat)


def test_a_long_cell_is_read_and_a_folder_is_no_image(flat: Path) -> None:
    change(flat, 0, report="x" * 140_000)
    assert not read_cohort(flat).problems
    change(flat, 0, report="", image="images")
    assert "'images' is a folder" in str(read_cohort(flat).problems)
    assert csv.field_size_limit() >= 140_000, "a short table leaves room for what is read after it"


@pytest.mark.parametrize("written", ["NA", "NaN", "None", "null", "?", "n/a"])
def test_a_label_that_means_nothing_is_none(flat: Path, written: str) -> None:
    write(flat, [row | {"label": written if row["patient_id"] > "05" else row["label"]} for row in rows_of(flat)])
    cohort = read_cohort(flat)
    assert cohort.classes == ("benign", "malignant")
    assert f"4 cells of label ({written}) are read as empty" in "\n".join(cohort.notes)


def test_a_whole_number_is_one_label_however_it_is_written(flat: Path) -> None:
    """As pandas writes a column with gaps."""
    number = {"benign": "0", "malignant": "1"}
    rows = [row | {"label": number[row["label"]] + ".0" * (place % 3 == 0)} for place, row in enumerate(rows_of(flat))]
    cohort = read_cohort(write(flat, rows))
    assert cohort.classes == ("0", "1") and not cohort.problems
    assert "6 labels are read as whole numbers (0.0)" in "\n".join(cohort.notes)
    rows = [row | {"label": row["label"][0] + ",0"} for row in rows]  # a class with a comma could not be chosen
    assert read_cohort(write(flat, rows)).classes == ("0", "1")


@pytest.mark.parametrize("letters", ["\u00e4 1", "a\u0308 1", "\u00e4\u202f1", "\u00e4\u00a01"])
def test_letters_of_the_same_look_are_one_name(flat: Path, letters: str) -> None:
    """On the disk composed, decomposed, or with another space; in the table another way."""
    (flat / "images/3.png").rename(flat / f"images/{letters}.png")
    change(flat, 3, image="images/\u00e4 1.png", patient_id=letters)
    change(flat, 2, patient_id="\u00e4 1")
    cohort = check_cohort(read_cohort(flat))
    assert not cohort.problems
    assert Path(cohort.cases["image"].iloc[-1]).name == f"{letters}.png"
    assert cohort.cases["patient_id"].nunique() == 8


def test_paths_whose_letters_were_taken_for_latin_1_are_found(flat: Path) -> None:
    """As a spreadsheet does that opens UTF-8 without asking: ``KÃ¶ln``."""
    (flat / "images/3.png").rename(flat / "images/K\u00f6ln \u00c0.png")
    change(flat, 3, image="images/K\u00f6ln \u00c0.png".encode().decode("latin-1"))
    found = read_cohort(flat)
    assert not found.problems and "1 paths are spelt otherwise" in "\n".join(found.notes)


def test_files_as_an_archive_of_windows_leaves_them(flat: Path) -> None:
    before = read_cohort(flat).cases["image"]
    for path in (flat / "images").iterdir():
        path.rename(flat / f"images\\{path.name}")
    found = read_cohort(flat)
    assert not found.problems and "24 paths are spelt otherwise" in "\n".join(found.notes)
    assert found.cases["image"].str.replace("\\", "/").tolist() == before.tolist()


MISNAMED = [
    ("Cohort.csv", ""),
    ("cohort.csv.txt", "cohort.csv.txt is its table of images, save it as cohort.csv"),
    ("labels.csv", "labels.csv is its table of images, save it as cohort.csv"),
    ("cohort.xlsx", "cohort.xlsx: .* save it as cohort.csv"),
]


@pytest.mark.parametrize(("name", "words"), MISNAMED)
def test_a_table_under_another_name(flat: Path, name: str, words: str) -> None:
    (flat / TABLE).rename(flat / name)
    if not words:
        assert len(read_cohort(flat).cases) == 16
        return
    with pytest.raises(InputError, match=words):
        read_cohort(flat)
    with pytest.raises(InputError, match=f"a file, expected a folder: name {flat}"):
        read_cohort(flat / name)


def test_an_excel_file_is_a_table(flat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what openpyxl gives, which no lock installs."""
    before = read_cohort(flat).cases
    sheet = pd.read_csv(flat / TABLE, dtype=str, keep_default_na=False, header=None)
    (flat / EXCEL).write_bytes(b"PK\5\6" + bytes(18))  # an empty archive
    monkeypatch.setattr(pd, "read_excel", lambda *_, **__: sheet)
    assert any(f"not {EXCEL} beside it" in note for note in read_cohort(flat).notes)
    (flat / TABLE).unlink()
    pd.testing.assert_frame_equal(read_cohort(flat).cases, before)
    monkeypatch.setattr(pd, "read_excel", lambda *_, **__: pd.DataFrame([["Read me"]]))
    with pytest.raises(InputError, match="no column patient_id.*in its first sheet, which is read"):
        read_cohort(flat)


ALIKE = [
    ("x (1)|x|y - Copy|y|z_jpg.rf.0a1|z_jpg.rf.0b2|u copy 2|w", "6 ids look like those of 3 people"),
    ("p1 (Anna's conflicted copy 2026-01-02)|p1|q|q-DESKTOP-AB12|r", "4 ids look like those of 2 people"),
    ("5807_100007919|5807_100112648|5814_100015838|MR-04_12", "2 ids look like those of 1 people (5807_"),  # RSNA's
    ("x_1|x_2|y 1|y 2|7a|7b|q10|q11", "6 ids look like those of 3 people (7a, 7b; x_1, x_2; y 1, y 2)"),
    ("007|7|p01|p1|p_x", "4 ids look like those of 2 people (007, 7; p01, p1)"),
    ("p_0|p_1|p_2|p_3", ""),  # the number tells the patients apart
]


@pytest.mark.parametrize(("names", "words"), ALIKE)
def test_who_look_like_one_person(flat: Path, names: str, words: str) -> None:
    notes = [note for note in people_notes(flat, pd.Series(names.split("|"))) if "look like" in note]
    assert len(notes) == bool(words) and words in "".join(notes)


def test_people_and_ids_that_may_be_dates_are_counted(flat: Path) -> None:
    assert any("16 images of 8 people (2 each)" in note for note in read_cohort(flat).notes)
    names = ["2-Jan", "Mar-01", "2026-01-02 00:00:00", "MAR-12", "1-2", "2-JAN", "x", "y"]
    write(flat, [row | {"patient_id": names[int(row["patient_id"])]} for row in rows_of(flat)])
    notes = "\n".join(read_cohort(flat).notes)
    assert "3 ids that a spreadsheet makes of others (2-Jan, 2026-01-02 00:00:00, Mar-01)" in notes


def test_a_table_without_labels_is_checked(flat: Path) -> None:
    write(flat, [row | {"label": ""} for row in rows_of(flat)])
    said = brats_al("cohort", str(flat))
    assert "8 usable patients with 16 images" in said and "8 of them with a mask" in said
    assert "no labels yet: brats-al annotate" in said
    (flat / "images/3.png").write_bytes(b"")
    assert "3.png: an empty file" in brats_al("cohort", str(flat), expect=1)
    with pytest.raises(InputError, match="labels none, expected two classes"):
        read_cohort(flat)


@pytest.mark.parametrize("classes", [[], ["--set", "classes=sick,well"]])
def test_images_without_a_label_are_checked_too(flat: Path, classes: list[str]) -> None:
    """`annotate` would refuse them. With classes, one of two is not labelled yet."""
    rows, label = rows_of(flat), {"malignant": "sick", "benign": "" if classes else "well"}
    write(flat, [row | {"label": "" if number < 2 else label[row["label"]]} for number, row in enumerate(rows)])
    said = brats_al("cohort", str(flat), *classes)
    told = " (8 sick, 8 without a label)" if classes else " (6 well, 8 sick, 2 without a label)"
    assert f"8 usable patients with 16 images{told} in" in said
    assert ("labels of one class so far: brats-al annotate" in said) == bool(classes)
    assert ("without a label, skipped in a study: 2 of 1 patients" in said) != bool(classes)
    Image.new("L", (64, 64)).save(flat / rows[0]["image"])
    assert f"{rows[0]['image']}: no contrast" in brats_al("cohort", str(flat), *classes, expect=1)


def test_links_are_followed_if_asked(flat: Path) -> None:
    link_out(flat)
    assert len(cut(flat, follow_links=True).table) == 16
    (flat / TABLE).rename(flat.parent / TABLE)
    (flat / TABLE).symlink_to(flat.parent / TABLE)
    assert len(read_cohort(flat, follow_links=True).cases) == 16
    with pytest.raises(InputError, match="cohort.csv: a symbolic link out of the folder"):
        read_cohort(flat)


def test_what_shows_nothing_is_neither_cut_nor_a_copy(tmp_path: Path) -> None:
    """Of five slices two show something, where three are asked for: two empty ones of two patients are alike."""
    rows = []
    for number in range(6):
        voxels = np.zeros((20, 24, 5), np.int16)
        voxels[4:16, 4:20, 1:3] = np.random.default_rng(number).normal(300, 20, (12, 16, 2))
        write_volume(tmp_path / f"{number}.nii.gz", voxels)
        rows.append({"patient_id": f"p{number}", "label": str(number % 2), "image": f"{number}.nii.gz"})
    assert not check_cohort(read_cohort(write(tmp_path, rows))).problems
    slices = cut(tmp_path)
    assert slices.table["z"].tolist() == [1, 2] * 6
    assert set(slices.manifest["fewer_slices"].values()) == {2}
    assert len(marks_of([np.zeros((2, 2)), np.ones((2, 2)), voxels])) == 1


def test_the_smallest_tumour_is_the_setting_s(flat: Path) -> None:
    rows = rows_of(flat)
    write(flat, [row for row in rows if row["mask"]])  # eight images, each with a tumour of 80 pixels
    listed = check_cohort(read_cohort(flat), 81).messages
    assert "00: the largest tumour in a slice has 80 mm2, expected 81 or more" in listed[0]
    with pytest.raises(InputError, match="00: the largest tumour in a slice has 80 mm2"):
        cut(flat, replace(RULE, min_tumour_mm2=81))
    write(flat, rows)  # an image without a mask counts whatever is asked for
    assert not check_cohort(read_cohort(flat), 81).problems
    assert len(cut(flat, replace(RULE, min_tumour_mm2=81)).table) == 8


def test_memory_does_not_grow_with_the_patients(tmp_path: Path) -> None:
    """Measured while cutting: numpy tells tracemalloc of its arrays."""
    peaks = []
    for patients in (6, 60):
        root = tmp_path / str(patients)
        root.mkdir()
        rows = []
        for number in range(patients):
            Image.fromarray(pixels(number, (256, 256))).save(root / f"{number}.png")
            rows.append({"patient_id": f"{number:03}", "label": "ab"[number % 2], "image": f"{number}.png"})
        write(root, rows)
        cohort = read_cohort(root)
        tracemalloc.start()
        prepare(cohort, replace(RULE, image_size=256), tmp_path / f"set{patients}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 54 patients more are 54 x 256 x 256 x 4 = 14 MB of pixels and segmentation.
    assert peaks[1] - peaks[0] < 3e6, peaks


def test_what_the_table_says_decides_which_slice_set_is_used(flat: Path) -> None:
    """The same files with a corrected label, another person, or the other positive class are cut anew."""
    places = Places.of("smoke", flat.parent / "out")

    def opened(*classes: str) -> SliceSet:
        cohort = read_cohort(flat, classes=classes)
        return open_set(cohort, PROFILES["smoke"], False, places, False, untracked)

    first = opened()
    assert opened().folder == first.folder
    other = opened("benign", "malignant")
    assert other.classes == first.classes[::-1] and other.folder != first.folder
    for number in (14, 15):
        change(flat, number, label="benign")
    corrected = opened()
    assert corrected.table["class_name"].value_counts()["benign"] == 10
    for number in (0, 1):
        change(flat, number, group="01")
    assert (grouped := opened()).table["patient_id"].nunique() == corrected.table["patient_id"].nunique() - 1
    (image, *_) = (flat / "images").iterdir()
    before = image.stat()
    image.write_bytes(image.read_bytes())
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert opened().folder == opened().folder != grouped.folder, "replaced by a file of its size and time"


PAGE = (Path(__file__).parents[2] / "docs" / "cohorts.md").read_text(encoding="utf-8")
STRANGER = re.findall(
    r"^\.venv/bin/brats-al (.*?)(?:  +#.*)?$", PAGE.split("## A table of one's own")[1], re.MULTILINE
)[:5]


@pytest.mark.long
def test_a_stranger_s_path(tmp_path: Path) -> None:
    """The five lines as the page has them, but for a folder of their own and settings for a minute.

    Between the first two, 40 PNG files and their table are put there.
    """
    small = ["image_size=64", "epochs=1", "scratch_epochs=1", "folds=1", "n_runs=2"]
    root, out, said = tmp_path / "study", tmp_path / "out", {}
    root.mkdir()
    for number, line in enumerate(STRANGER):
        words = shlex.split(line.replace("DIR", str(root)))
        if number == 1:
            for place in range(40):
                Image.fromarray(pixels(place)).save(root / f"scan{place}.png")
            names = [(f"p{place // 2}", "sick" if place < 20 else "healthy", f"scan{place}.png") for place in range(40)]
            pd.DataFrame(names, columns=["patient_id", "label", "image"]).to_csv(root / TABLE, index=False)
        if words[0] in ("plan", "run"):
            words += [word for setting in small for word in ("--set", setting)]
        if words[0] in ("run", "report"):
            words += ["--out", str(out)]
        if words[0] == "run":
            words += ["--only", "00", "01"]
        said[words[0]] = brats_al(*words)
    assert list(said) == ["cohort", "plan", "run", "report"]
    # Of 20 patients with 2 images, 2 of each class are held out twice: 12 are trained on.
    assert re.search(r"01_transfer_vs_scratch +4 runs asked for, +96 images", said["plan"])
    assert "00_cohort: done" in said["run"] and "01_transfer_vs_scratch: done" in said["run"]
    page = Path(said["report"].strip())
    assert "study" in page.read_text(encoding="utf-8") and "healthy" in (out / "cohort.csv").read_text(encoding="utf-8")


@pytest.mark.long
def test_the_open_set(tmp_path: Path) -> None:
    """As 8-bit JPEG, with an index: 209 persons under 233 ids (Cheng, figshare 1512427, CC BY 4.0)."""
    place = folder_named("BRATS_AL_OPEN_COHORT", "of the open cohort")
    for name in ("images", "masks"):
        (tmp_path / name).symlink_to(place.resolve() / name)
    index = pd.read_csv(place / "index.csv", dtype=str)
    table = index.rename(columns={"pid": "patient_id", "class": "label", "person": "group"})
    table[["patient_id", "label", "image", "mask", "group"]].to_csv(tmp_path / TABLE, index=False)
    cohort = read_cohort(tmp_path, True, ("glioma", "meningioma"))
    assert any("233 patient_ids are 209 persons" in note for note in cohort.notes)
    assert len(cohort.patients) == 147
    slices = prepare(cohort, replace(RULE, image_size=96, balanced=True), tmp_path / "set")
    assert slices.table["class_name"].value_counts().to_dict() == {"glioma": 708, "meningioma": 708}
    assert slices.table["tumour_mm2"].min() > 0
