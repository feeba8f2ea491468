"""The open cohort as it was published: what is read of its files, who is one person, and everything that is wrong."""

import shutil
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from matlab_files import write_slice
from PIL import Image

from brats_al_utils import InputError
from brats_al_utils.beyond.releases import matlab
from brats_al_utils.beyond.releases.figshare import person_of
from brats_al_utils.beyond.releases.matlab import read_facts, read_matlab
from brats_al_utils.cohorts.inspection import check_cohort
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule

RULE = SliceRule(per_patient=2, image_size=64)
ROWS, COLUMNS = 48, 40
MENINGIOMA, GLIOMA, PITUITARY = 1, 2, 3

PEOPLE = {
    **dict.fromkeys(["100001", "100002", "100003"], MENINGIOMA),
    **dict.fromkeys(["MR017260", "MR017260F", "MR017260G", "MR020001", "110005"], GLIOMA),
    **dict.fromkeys(["108003B", "108003C"], PITUITARY),
}
"""Two slices each; three ids are one person, two that only look so are not."""


def pixels(seed: int) -> np.ndarray[Any, Any]:
    """Return a slice [rows, columns] with nothing alike in it upside down, mirrored or turned."""
    found = np.zeros((ROWS, COLUMNS), np.int16)
    found[4:44, 4:36] = np.random.default_rng(seed).normal(3000, 150, (40, 32))
    found[6:12, 6:20] = 6000  # a bar above, to the left
    return found


def mask() -> np.ndarray[Any, Any]:
    drawn = np.zeros((ROWS, COLUMNS), np.uint8)
    drawn[6:12, 6:20] = 1
    return drawn


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Twenty slices in the two folders of two archives, beside the folds of the authors."""
    root = tmp_path / "1512427"
    for place, (person, label) in enumerate(list(PEOPLE.items()) * 2):
        folder = "brainTumorDataPublic_1-10" if place < 10 else "brainTumorDataPublic_11-20"
        write_slice(root / folder / f"{place + 1}.mat", label, person, pixels(place), mask())
    with h5py.File(root / "cvind.mat", "w") as file:
        file["cvind"] = np.ones((1, 20))
    (root / "README.txt").write_text("This brain tumor dataset ...", encoding="utf-8")
    return root


def path_of(root: Path, number: int) -> Path:
    (path,) = root.glob(f"*/{number}.mat")
    return path


def test_persons_classes_and_names(published: Path) -> None:
    cohort = read_cohort(published)
    assert not check_cohort(cohort).problems
    assert cohort.classes == ("meningioma", "glioma")
    assert cohort.cases.groupby("patient_id")["class_name"].agg(["first", "size"]).to_dict("list") == {
        "first": ["meningioma"] * 3 + ["glioma"] * 3,
        "size": [2, 2, 2, 2, 6, 2],
    }
    assert cohort.name == "open cohort of Cheng"
    part, persons, classes = cohort.notes
    assert "of the set's 3064 slices" in part
    assert "10 ids are 8 persons (MR numbers with another last letter)" in persons
    assert "glioma is the positive class, meningioma the negative; 2 patients of other classes, skipped" in classes
    assert cohort.cases["named"].iloc[0] == "brainTumorDataPublic_1-10/1.mat"
    second = read_cohort(published, classes=("pituitary", "glioma"))
    assert second.classes == ("glioma", "pituitary")
    assert len(second.patients) == 5


def test_ids_that_are_one_person() -> None:
    assert person_of("MR017260F") == person_of("MR017260") == "MR017260"
    assert all(person_of(name) == name for name in ("MR1AB", "100360A", "XMR1A", "MR017260f"))


def test_a_slice_is_not_turned(published: Path, tmp_path: Path) -> None:
    """MATLAB stores columns one after the other, so HDF5 shows the axes reversed; the same slices as PNG tell."""
    slices = prepare(read_cohort(published), RULE, tmp_path / "published")
    root = tmp_path / "pictures"
    root.mkdir()
    Image.fromarray(mask()).save(root / "mask.png")
    lines = ["patient_id,label,image,mask,group"]
    for place, (person, label) in enumerate(list(PEOPLE.items()) * 2):
        Image.fromarray(pixels(place).astype(np.uint16)).save(root / f"{place + 1}.png")
        name = {MENINGIOMA: "meningioma", GLIOMA: "glioma", PITUITARY: "pituitary"}[label]
        lines.append(f"{person},{name},{place + 1}.png,mask.png,{person_of(person)}")
    (root / "cohort.csv").write_text("\n".join(lines), encoding="utf-8")
    pictured = prepare(read_cohort(root, classes=("glioma", "meningioma")), RULE, tmp_path / "pictured")
    assert np.array_equal(slices.pixels, pictured.pixels)
    assert np.array_equal(slices.segmentation, pictured.segmentation)
    rows, columns = slices.segmentation[0].nonzero()  # rows 6 to 11 of 48, columns 6 to 19 of 40 amid 48, on 64
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 15, 13, 31)
    assert slices.table["tumour_mm2"].unique().tolist() == [84]
    assert slices.manifest["chosen_by"] == ["images as they are", "tumour areas in pixels"]
    assert slices.manifest["name"] == "open cohort of Cheng" and slices.manifest["channels"] == ["image"]
    columns = ["patient_id", "class_name", "label", "site", "z", "tumour_mm2", "part"]
    assert slices.table[columns].equals(pictured.table[columns])


@pytest.mark.parametrize("layout", [{}, {"chunks": (7, 5)}, {"chunks": (7, 5), "compression": "gzip"}])
@pytest.mark.parametrize("kind", ["<i2", ">i2", "u1", "<f8", ">f4"])
def test_every_way_to_store_numbers(published: Path, kind: str, layout: dict[str, Any]) -> None:
    path = path_of(published, 1)
    values = np.arange(ROWS * COLUMNS).reshape(COLUMNS, ROWS) % 200
    replace_field(path, "image", values.astype(kind), **layout)
    found = read_matlab(path, "image").voxels
    assert np.array_equal(found[:, :, 0], values)
    assert found.dtype.isnative


def replace_field(path: Path, name: str, values: Any, **layout: Any) -> None:
    """Store other numbers in a field, a field that is no plain array by what writes it, or none."""
    with h5py.File(path, "r+") as file:
        struct = file["cjdata"]
        del struct[name]
        if callable(values):
            values(struct)
        elif values is not None:
            struct.create_dataset(name, data=values, **layout)


def huge_file(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(matlab.MAX_BYTES + 1)


def no_struct(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.move("cjdata", "other")


def external_link(path: Path) -> None:
    write_slice(path.parents[1] / "elsewhere" / "x.h5", 1, "1", pixels(0), mask())
    link = h5py.ExternalLink("../elsewhere/x.h5", "cjdata/image")
    replace_field(path, "image", lambda struct: struct.__setitem__("image", link))


def references(struct: Any) -> None:
    """As MATLAB stores a cell array."""
    struct["image"] = np.full((COLUMNS, ROWS), struct.ref, h5py.ref_dtype)


def virtual(struct: Any) -> None:
    layout = h5py.VirtualLayout((COLUMNS, ROWS), np.int16)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (COLUMNS, ROWS))
    struct.create_virtual_dataset("image", layout)


def one_chunk(path: Path, content: bytes) -> None:
    """Store the image in one chunk, which inflates to something else than the image that is claimed."""
    replace_field(path, "image", pixels(0).T, chunks=(COLUMNS, ROWS), compression="gzip")
    with h5py.File(path, "r+") as file:
        file["cjdata/image"].id.write_direct_chunk((0, 0), zlib.compress(content))


def countless_chunks(path: Path) -> None:
    for name in ("image", "tumorMask"):
        replace_field(path, name, None)
        with h5py.File(path, "r+") as file:
            file["cjdata"].create_dataset(name, (2000, 2000), np.int16, chunks=(1, 1))


def same_number(path: Path) -> None:
    write_slice(path.parents[1] / "again" / path.name, MENINGIOMA, "100001", pixels(50), mask())


def link_out(path: Path) -> None:
    path.rename(path.parents[2] / "1.mat")
    path.symlink_to(path.parents[2] / "1.mat")


def field(name: str, values: Any, **layout: Any) -> Callable[[Path], None]:
    return partial(replace_field, name=name, values=values, **layout)


def image_of(shape: tuple[int, ...] = (COLUMNS, ROWS), **layout: Any) -> Callable[[Path], None]:
    """Return what claims an image of which nothing is stored."""
    return field("image", lambda struct: struct.create_dataset("image", shape, np.int16, **layout))


OLDER = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\1IM" + bytes(1000)
"""Before 7.3 it was no HDF5."""

PATH = np.array([[ord(letter)] for letter in "../../x"], np.uint16)
OUTSIDE = [("/etc/passwd", 0, 2 * COLUMNS * ROWS)]
"""Numbers would be whatever a file of this machine holds."""


CANNOT = "1.mat: cannot be read as a MATLAB 7.3 file of the open cohort"
BAD: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.write_bytes(path.read_bytes()[:2000]), CANNOT),
    (lambda path: path.write_bytes(b""), CANNOT),
    (lambda path: path.write_bytes(OLDER), CANNOT),
    (huge_file, f"{CANNOT} (67108865 bytes, expected at most 67108864)"),
    (no_struct, f"{CANNOT} (no cjdata in it): download it again"),
    (field("tumorMask", None), f"{CANNOT} (no tumorMask in it)"),
    (field("image", lambda struct: struct.create_group("image")), f"{CANNOT} (image is a Group, expected a Dataset)"),
    (
        image_of((10**6, 10**6), chunks=(1000, 1000), compression="gzip"),
        f"{CANNOT} (image of shape (1000000, 1000000), expected two dimensions and at most",
    ),
    (field("image", np.zeros((4, 4, 4), np.int16)), f"{CANNOT} (image of shape (4, 4, 4), expected two dimensions"),
    (field("tumorMask", mask()[:-1].T), "image of (40, 48), tumorMask of (40, 47): not one size"),
    (field("image", np.full((COLUMNS, ROWS), b"pixel")), f"{CANNOT} (image of type |S5, expected numbers)"),
    (field("image", references), f"{CANNOT} (image of type object, expected numbers)"),
    (field("image", pixels(0).T.astype(complex)), f"{CANNOT} (image of type complex128, expected numbers)"),
    (field("image", np.where(mask().T, np.nan, 1.0)), f"{CANNOT} (image holds NaN or infinite pixels)"),
    (external_link, f"{CANNOT} (image is a link to something else)"),
    (image_of(external=OUTSIDE), f"{CANNOT} (image lies in other files)"),
    (field("image", virtual), f"{CANNOT} (image lies in other files)"),
    (
        field("image", pixels(0).T, chunks=(8, 8), compression="lzf"),
        "with the filters [32000], expected few and deflate alone",
    ),
    (partial(one_chunk, content=bytes(2**22)), "a chunk whose deflated numbers do not end where they should"),
    (partial(one_chunk, content=bytes(100)), "a chunk of 100 bytes, expected 3840"),
    (image_of(chunks=(8, 8), compression="gzip"), CANNOT),
    (image_of(), "0 bytes stored, expected 3840"),
    (countless_chunks, "4000000 chunks of 2 bytes"),
    (field("label", np.array([[4.0]])), "label 4, expected one of 1 (meningioma), 2 (glioma), 3 (pituitary)"),
    (field("PID", PATH), "1.mat: PID '../../x', expected letters and digits"),
    (field("PID", np.array([[-1.0]])), CANNOT),
    (field("label", np.array([[2.0]])), "patient 100001 has the labels glioma and meningioma, expected one"),
    (field("tumorMask", mask().T * 0), "1.mat: an empty mask, expected"),
    (same_number, "again/1.mat and"),
    (lambda path: shutil.copy(path, path.with_name("77.mat")), "77.mat: the same slice, expected once: keep one"),
    (link_out, "symbolic links that lead out of the release are not followed"),
]


@pytest.mark.parametrize(("damage", "words"), BAD)
def test_what_is_wrong_is_listed_and_refused(published: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(path_of(published, 1))
    listed = check_cohort(read_cohort(published)).messages
    assert words in "\n".join(listed), listed
    with pytest.raises(InputError) as refused:
        prepare(read_cohort(published), RULE, published.parent / "refused")
    assert set(str(refused.value).splitlines()) <= set(listed)
    assert not (published.parent / "refused").exists()


def test_a_folder_without_readable_files_says_so(tmp_path: Path) -> None:
    (tmp_path / "1.mat").write_bytes(b"")
    listed = check_cohort(read_cohort(tmp_path)).messages
    assert len(listed) == 3 and CANNOT in listed[-1] + listed[0]


def test_links_are_followed_if_asked(published: Path) -> None:
    link_out(path_of(published, 1))
    assert len(read_cohort(published, follow_links=True).cases) == 16


def test_facts_are_read_without_the_pixels(published: Path) -> None:
    one_chunk(path_of(published, 1), bytes(2**22))
    assert read_facts(path_of(published, 1)) == (MENINGIOMA, "100001")
