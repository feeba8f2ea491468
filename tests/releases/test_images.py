"""Pictures of every kind are read as any viewer shows them, or refused with the mend."""

import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from conftest import AFFINE
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.images import each_image, percentiles, read_channels, read_file, read_image
from brats_al_utils.cohorts.volumes import read_header

Array = np.ndarray[Any, Any]
GREY = np.random.default_rng(0).integers(40, 216, (32, 48)).astype(np.uint8)
SMOOTH = np.asarray(Image.fromarray(GREY).resize((256, 192)))
COLOURED = np.stack([GREY, GREY // 2, GREY[::-1]], axis=2)


def deep_png(path: Path, pixels: Array, kind: int) -> Path:
    """Write a PNG of 16 bits a channel, which Pillow cannot: [rows, columns, channels]."""
    rows, columns, _ = pixels.shape

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", columns, rows, 16, kind, 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    whole = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + whole)
    return path


def jpeg(pixels: Array, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **{"quality": 95} | options)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "tif", "jpg"])
def test_a_turned_picture_is_read_as_viewers_show_it(tmp_path: Path, kind: str, orientation: int) -> None:
    shown = {1: GREY, 2: GREY[:, ::-1], 3: GREY[::-1, ::-1], 4: GREY[::-1]}
    shown |= {5: GREY.T, 6: GREY.T[:, ::-1], 7: GREY.T[::-1, ::-1], 8: GREY.T[::-1]}
    exif, path = Image.Exif(), tmp_path / f"turned.{kind}"
    exif[0x112] = orientation
    Image.fromarray(GREY).save(path, exif=exif, quality=100)
    found = read_image(path).voxels[:, :, 0]
    assert np.abs(found.T.astype(int) - shown[orientation]).max() <= 3 * (kind == "jpg")


@pytest.mark.parametrize("levels", [np.uint8, np.uint16])
def test_a_tiff_whose_zero_is_white_is_read_as_viewers_show_it(tmp_path: Path, levels: type) -> None:
    path, most = tmp_path / "a.tif", np.iinfo(levels).max
    Image.fromarray(GREY.astype(levels)).save(path)
    content = path.read_bytes()
    black, white = (struct.pack("<HHIHH", 262, 3, 1, zero, 0) for zero in (1, 0))
    assert content.count(black) == 1
    path.write_bytes(content.replace(black, white))
    np.testing.assert_array_equal(read_image(path).voxels[:, :, 0].T, most - GREY.astype(levels))
    Image.fromarray(GREY.astype(np.float32)).save(path)
    path.write_bytes(path.read_bytes().replace(black, white))
    with pytest.raises(InputError, match="its zero is white"):
        read_image(path)


@pytest.mark.parametrize("kind", ["P", "RGB", "L", "1"])
def test_a_mask_may_have_any_colour(tmp_path: Path, kind: str) -> None:
    """As VOC's palettes, whose first colour is a dark red, and overlays."""
    drawn = Image.fromarray((GREY > 128).astype(np.uint8))
    if kind == "P":
        drawn.putpalette([0, 0, 0, 128, 0, 0])
    else:
        drawn = drawn.point([0] + [255] * 255).convert(kind)
    if kind == "RGB":
        drawn = Image.merge("RGB", [drawn.getchannel(0), *[Image.new("L", drawn.size)] * 2])
    drawn.save(tmp_path / "m.png")
    (found,) = read_file(tmp_path / "m.png", "mask", "")
    np.testing.assert_array_equal(found.voxels[:, :, 0].T, GREY > 128)


@pytest.mark.parametrize(("unit", "length"), [("meter", 0.001), ("mm", 1), ("micron", 1000), ("unknown", 1)])
def test_a_header_s_unit_of_length_is_obeyed(tmp_path: Path, unit: str, length: float) -> None:
    image = nib.Nifti1Image(VOXELS, np.diag([-2 * length, -3 * length, 4 * length, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(read_image(tmp_path / "a.nii").spacing, (2, 3, 4), rtol=1e-6)
    np.testing.assert_allclose(np.abs(np.diag(read_header(tmp_path / "a.nii")[1].lps_affine)), (2, 3, 4, 1), rtol=1e-6)


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (6, 4)])
def test_sixteen_bits_a_colour_keep_all_their_levels(tmp_path: Path, kind: int, channels: int) -> None:
    grey = np.arange(32 * 48, dtype=np.uint16).reshape(32, 48) * 40
    pixels = np.stack([grey] * 3 + [grey * 0 + 65535], axis=2)[:, :, :channels]
    np.testing.assert_array_equal(read_image(deep_png(tmp_path / "deep.png", pixels, kind)).voxels[:, :, 0].T, grey)
    coloured = deep_png(tmp_path / "coloured.png", np.stack([grey, grey // 2, grey], axis=2), 2)
    found = read_channels(coloured, "channels")
    assert [volume.voxels.max() for volume in found] == [61400, 30700, 61400]


def test_colours_are_channels_or_grey_where_the_table_says_so(tmp_path: Path) -> None:
    path = tmp_path / "coloured.png"
    Image.fromarray(COLOURED).save(path)
    with pytest.raises(InputError, match="in colour.*colours.*channels.*grey"):
        read_image(path)
    found = read_channels(path, "channels")
    np.testing.assert_array_equal(np.stack([volume.voxels[:, :, 0].T for volume in found], axis=2), COLOURED)
    (grey,) = read_channels(path, "grey")
    np.testing.assert_array_equal(grey.voxels[:, :, 0].T, np.asarray(Image.open(path).convert("L")))


def test_a_nearly_grey_jpeg_is_grey(tmp_path: Path) -> None:
    (tmp_path / "tinted.jpg").write_bytes(jpeg(np.stack([SMOOTH + 2, SMOOTH, SMOOTH - 2], axis=2)))
    found = read_channels(tmp_path / "tinted.jpg")
    assert len(found) == 1
    assert np.abs(found[0].voxels[:, :, 0].T.astype(int) - SMOOTH).max() <= 6


WHOLE = jpeg(SMOOTH)
HALF = len(WHOLE) // 2
FLAT = jpeg(np.pad(SMOOTH[:100, :100], 60))


JPEGS = [
    (WHOLE, True),
    (WHOLE + bytes(300), True),
    (WHOLE[:-2] + bytes(20) + b"\xff\xd9", True),
    (jpeg(SMOOTH, progressive=True), True),
    (jpeg(SMOOTH, restart_marker_rows=1), True),
    (jpeg(np.stack([SMOOTH] * 3, axis=2), subsampling=2), True),
    (jpeg(SMOOTH[:17, :9]), True),
    (WHOLE[:HALF], False),
    (WHOLE[:HALF] + b"\xff\xd9", False),
    (WHOLE[:-40] + b"\xff\xd9", False),
    (WHOLE[:HALF] + bytes(245) + WHOLE[HALF:], False),
    (FLAT, True),
    (FLAT[: len(FLAT) // 2] + bytes(245) + FLAT[len(FLAT) // 2 :], False),
]


@pytest.mark.parametrize(("content", "good"), JPEGS)
def test_a_damaged_jpeg_is_refused(tmp_path: Path, content: bytes, good: bool) -> None:
    path = tmp_path / "some.jpg"
    path.write_bytes(content)
    if good:
        np.testing.assert_array_equal(read_image(path).voxels[:, :, 0].T, np.asarray(Image.open(path).convert("L")))
    else:
        with pytest.raises(InputError, match="some.jpg: cannot be read.*copy or export it again"):
            read_image(path)


OTHER_KINDS = [
    ("some.jpg", b"", "an empty file"),
    ("some.jpg", b"GIF89a...", "a GIF, .* save it as PNG"),
    ("some.jpg", b"RIFF....WEBP", "a WebP"),
    ("some.jpg", b"\0\0\0\x18ftypheic", "a HEIC or AVIF picture, .* save it as PNG"),
    ("some.jpg", b"NRRD0004\n", "an NRRD file, .* convert it to NIfTI"),
    ("some.jpg", b"\n<!doctype html>", "a web page, .* download the file itself"),
    ("some.jpg", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    ("some.jpg", bytes(128) + b"DICM", "dcm2niix"),
    ("some.jpg", b"hello", "cannot be read as PNG, JPEG or TIFF .unknown kind of file."),
    ("some.nii.gz", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    ("some.nii.gz", b"/annex/objects/MD5E-s9--0.nii.gz", "git annex get"),
    ("some.nii.gz", b"<html>", "a web page, expected NIfTI: download the file itself"),
    ("some.nii.gz", b"", "cannot be read as NIfTI .*: copy or download the file again"),
]


@pytest.mark.parametrize(("name", "content", "words"), OTHER_KINDS)
def test_another_kind_of_file_under_its_name(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: .*{words}"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("stripped", [False, True])
def test_of_a_phone_s_jpeg_the_picture_is_read_and_not_its_preview(tmp_path: Path, stripped: bool) -> None:
    """A file of several pictures (MPO), also where a service has cut the others off."""
    path, picture = tmp_path / "phone.jpg", Image.fromarray(SMOOTH)
    picture.save(path, "MPO", save_all=True, append_images=[picture.resize((16, 12))], quality=95)
    if stripped:
        content = path.read_bytes()
        path.write_bytes(content[: content.index(b"\xff\xd9") + 2])
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 2
    assert np.abs(read_image(path).voxels[:, :, 0].T.astype(int) - SMOOTH).max() <= 20


def test_of_a_tiff_with_smaller_copies_the_picture_is_read(tmp_path: Path) -> None:
    picture = Image.fromarray(SMOOTH)
    copy = picture.resize((16, 12))
    for reduced in (1, 0):
        copy.encoderinfo = {"tiffinfo": {254: reduced}}
        picture.save(tmp_path / f"{reduced}.tif", save_all=True, append_images=[copy])
    assert (read_image(tmp_path / "1.tif").voxels[:, :, 0].T == SMOOTH).all()
    with pytest.raises(InputError, match="2 frames, expected one image"):
        read_image(tmp_path / "0.tif")
    picture.save(tmp_path / "moving.png", save_all=True, append_images=[copy.resize(picture.size).rotate(90)])
    with pytest.raises(InputError, match="2 frames, expected one image"):
        read_image(tmp_path / "moving.png")


VOXELS = np.random.default_rng(0).integers(1, 90, (6, 5, 4)).astype(np.int16)
RGB = np.zeros(VOXELS.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_compressed_volume_is_inflated_whatever_its_name(tmp_path: Path, name: str, compressed: bool) -> None:
    nib.save(nib.Nifti1Image(VOXELS, AFFINE), tmp_path / "plain.nii")
    content = (tmp_path / "plain.nii").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if compressed else content)
    np.testing.assert_array_equal(read_image(tmp_path / name).voxels, VOXELS)


NO_VOLUMES = [
    (RGB, "these are colours"),
    (np.stack([VOXELS] * 3, axis=3), "save the one that is meant as a file of its own"),
    (VOXELS.astype(np.complex64), "save their magnitude"),
]


@pytest.mark.parametrize(("voxels", "mend"), NO_VOLUMES)
def test_the_mend_of_a_volume_that_is_none(tmp_path: Path, voxels: Array, mend: str) -> None:
    nib.save(nib.Nifti1Image(voxels, AFFINE), tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match=f"a.nii.gz: expected a three-dimensional volume.*{mend}"):
        read_image(tmp_path / "a.nii.gz")


MASKS = [([0, 1, 1], ""), ([0, 0.9882, 2.0235], ""), ([0, 0.5, 0.5], ""), ([0, 0.3, 1], "0.3")]
MASKS += [([-0.1, 1e-3, 0.6], "0.6")]


@pytest.mark.parametrize(("values", "refused"), MASKS)
def test_a_mask_of_values_between_labels_is_refused(tmp_path: Path, values: list[float], refused: str) -> None:
    """Linear interpolation, splines and probabilities leave them; scaling and two levels of any height are labels."""
    voxels = np.array(values, np.float32).repeat(8).reshape(6, 4, 1)
    nib.save(nib.Nifti1Image(voxels, AFFINE), tmp_path / "m.nii")
    if refused:
        with pytest.raises(InputError, match=rf"m\.nii: values between labels \({refused}\).*nearest"):
            read_file(tmp_path / "m.nii", "mask", "")
    else:
        assert read_file(tmp_path / "m.nii", "mask", "")[0].voxels.sum() == 16


def problems_of(folder: Path, image: str, mask: str = "") -> str:
    """Return what is wrong with an image and its mask."""
    problems: list[str] = []
    row = {"image": str(folder / image), "image2": "", "image3": "", "mask": str(folder / mask) if mask else ""}
    assert len(list(each_image(row, read_file, problems))) == 1 + bool(mask)
    return "\n".join(problems)


@pytest.mark.parametrize(("image", "mask", "told"), [(6, 1, True), (1, 3, True), (6, 6, False), (1, 1, False)])
def test_a_mark_that_turns_an_image_and_not_its_mask(tmp_path: Path, image: int, mask: int, told: bool) -> None:
    """As annotation programs leave them that do not obey it."""
    for name, mark in (("a.jpg", image), ("m.png", mask)):
        exif = Image.Exif()
        exif[0x112] = mark
        Image.fromarray(GREY * (np.arange(48) < 9) if name == "m.png" else GREY).save(tmp_path / name, exif=exif)
    assert ("mogrify -auto-orient" in problems_of(tmp_path, "a.jpg", "m.png")) is told


def test_a_mask_on_another_grid_is_to_be_exported_again(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(VOXELS, AFFINE), tmp_path / "a.nii")
    nib.save(nib.Nifti1Image((VOXELS > 50).astype(np.uint8), AFFINE @ np.diag([1, 1, 2, 1])), tmp_path / "m.nii")
    assert "export it on the grid of the images" in problems_of(tmp_path, "a.nii", "m.nii")
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), AFFINE), tmp_path / "m.nii")  # cropped to the tumour
    (problem,) = problems_of(tmp_path, "a.nii", "m.nii").splitlines()
    assert "invert" not in problem


HEAD = np.pad(np.random.default_rng(0).integers(20, 60, (12, 12, 12)), 4, constant_values=-1000)


HEADS = [(HEAD, True), (np.where(HEAD < 0, -3024, HEAD), True), (HEAD.clip(0, 80), False), (HEAD - 3000, False)]


@pytest.mark.parametrize(("voxels", "told"), HEADS)
def test_a_ct_in_hounsfield_units_is_to_be_windowed(tmp_path: Path, voxels: Array, told: bool) -> None:
    """Its air and what pads it leave tissues two levels apart; an MRI that was shifted is no CT."""
    nib.save(nib.Nifti1Image(voxels.astype(np.int16), AFFINE), tmp_path / "a.nii")
    assert ("Hounsfield" in problems_of(tmp_path, "a.nii")) is told


@given(
    arrays(st.sampled_from([np.int16, np.uint8, np.uint16, np.int32, np.uint32]), st.integers(2, 200)),
    st.tuples(st.floats(0, 100), st.floats(0, 100)),
)
def test_counted_percentiles_are_numpy_s_to_the_bit(values: np.ndarray[Any, Any], shares: tuple[float, ...]) -> None:
    np.testing.assert_array_equal(percentiles(values, shares), np.percentile(values.astype(np.int64), shares))
