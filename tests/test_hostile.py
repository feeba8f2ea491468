"""Hostile files: refused with a message that names them, in bounded memory and time, and nothing in them is run."""

import gzip
import os
import pickle
import re
import shutil
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from conftest import SHAPE, read_alone, write_volume

from brats_al_utils import InputError
from brats_al_utils.cohorts.inspection import check_cohort
from brats_al_utils.cohorts.mapping import MAX_MAPPING
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.volumes import MAX_VOXELS, read_volume
from brats_al_utils.networks import weights
from brats_al_utils.networks.weights import Weights, imagenet_state, imagenet_weights, trunk_state

HERE = Path(__file__).parent
ROOM = 2**30
"""Bytes of address space that a reader gets beyond those of its start; a bomb would need more."""


def volume(tmp_path: Path) -> bytearray:
    """Return the bytes of a good file."""
    write_volume(tmp_path / "good.nii", np.ones(SHAPE, np.int16))
    return bytearray((tmp_path / "good.nii").read_bytes())


def bomb(start: bytes, gigabytes: int) -> bytes:
    """Return one gzip stream that inflates to a start and then zeros: a block of 16 MB of them over and over."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (64 * gigabytes) + packer.flush()


@pytest.mark.parametrize("start", ["good", "zeros", "the largest"])
def test_a_file_that_inflates_without_end(tmp_path: Path, start: str) -> None:
    """Sixteen megabytes that become gigabytes, after a good header, none, or one that claims as much as is allowed."""
    content = volume(tmp_path)
    if start == "the largest":
        content[40:48] = np.array([3, 512, 512, MAX_VOXELS // 2**18], "<i2").tobytes()
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(bomb(b"" if start == "zeros" else bytes(content), 16))
    assert path.stat().st_size < 2**25
    printed, megabytes, seconds = read_alone(read_volume, path, ROOM)
    assert str(path) in printed
    assert "cannot be read as NIfTI" in printed
    assert "copy or download the file again" in printed
    assert megabytes < 300
    assert seconds < 10


def test_many_streams_in_one_file(tmp_path: Path) -> None:
    """Each is short; together they go on for ever."""
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(volume(tmp_path)) + gzip.compress(bytes(2**24)) * 1000)
    printed, megabytes, seconds = read_alone(read_volume, path, ROOM)
    assert "it is longer than the" in printed
    assert megabytes < 100
    assert seconds < 10


HEADERS: dict[str, tuple[int, str, list[float]]] = {
    "10^5 x 10^5, as a 16-bit number holds it": (40, "<i2", [3, 10**5 % 2**16, 10**5 % 2**16, 155]),
    "32767 x 32767 x 32767": (40, "<i2", [3, 32767, 32767, 32767]),
    "negative": (40, "<i2", [3, -32, 32, 24]),
    "two negative": (40, "<i2", [3, -32, -32, 24]),
    "none": (40, "<i2", [3, 0, 32, 24]),
    "seven dimensions": (40, "<i2", [7, 32767, 32767, 32767, 32767, 32767, 32767, 32767]),
    "more dimensions than there are": (40, "<i2", [32767, 32, 32, 24]),
    "bytes of 16 a voxel": (70, "<i2", [1536, 128]),
    "complex": (70, "<i2", [32, 64]),
    "voxels far away": (108, "<f4", [1e9]),
    "voxels before the file": (108, "<f4", [-1e9]),
    "voxels within the header": (108, "<f4", [0]),
    "voxels nowhere": (108, "<f4", [np.nan]),
    "affine of two axes": (280, "<f4", [0] * 12),
    "affine not finite": (280, "<f4", [np.nan] * 12),
}


@pytest.mark.parametrize("pair", [False, True], ids=["single file", "claims to be half of a pair"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("claim", HEADERS)
def test_what_a_header_claims(tmp_path: Path, claim: str, suffix: str, pair: bool) -> None:
    content, (place, kind, values) = volume(tmp_path), HEADERS[claim]
    field = np.array(values).astype(kind, casting="unsafe").tobytes()
    content[place : place + len(field)] = field
    if pair:
        content[344:348] = b"ni1\0"  # nibabel checks less of these
    path = tmp_path / f"hostile{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    resource = pytest.importorskip("resource", reason="this system does not say how much memory was taken")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=re.escape(str(path))), warnings.catch_warnings(action="ignore"):
        read_volume(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_header_of_another_format_claims_10_5_by_10_5(tmp_path: Path) -> None:
    """NIfTI-1 counts to 32767; the header of NIfTI-2 can claim it in earnest."""
    header = nib.Nifti2Header()
    header.set_data_shape((10**5, 10**5, 1))
    path = tmp_path / "huge.nii.gz"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(1000)))
    with pytest.raises(InputError, match="huge.nii.gz"):
        read_volume(path)


def test_a_huge_extension_is_not_read(tmp_path: Path) -> None:
    """It claims two gigabytes; the voxels stand where the header says."""
    content = volume(tmp_path)
    content[348:352] = b"\1\0\0\0"
    content[352:352] = np.array([2**31 - 16, 6], "<i4").tobytes() + bytes(8)
    content[108:112] = np.array(368, "<f4").tobytes()
    path = tmp_path / "extended.nii"
    path.write_bytes(content)
    assert (read_volume(path).voxels == 1).all()


def test_a_stream_that_goes_on_after_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "longer.nii.gz"
    whole = gzip.compress(volume(tmp_path))
    for more in (b"more", whole[:30], gzip.compress(b"more")):
        path.write_bytes(whole + more)
        with pytest.raises(InputError, match="longer.nii.gz: cannot be read as NIfTI"):
            read_volume(path)
    path.write_bytes(whole + bytes(100))  # gzip allows for zeros, which old tapes needed
    assert (read_volume(path).voxels == 1).all()


class Attack:
    """A pickle that makes a file when it is read."""

    def __init__(self, planted: Path) -> None:
        self.planted = planted

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.open, (str(self.planted), os.O_CREAT)


def test_a_pickle_that_runs_code_does(tmp_path: Path) -> None:
    """Of the tests below: they would notice."""
    pickle.loads(pickle.dumps(Attack(tmp_path / "planted")))
    assert (tmp_path / "planted").exists()


def test_a_pickle_in_place_of_the_trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, planted = tmp_path / "alexnet.ckpt", tmp_path / "planted"
    path.write_bytes(pickle.dumps({"AlexNet_0": Attack(planted)}, protocol=2))
    here = Weights("alexnet", "imagenet-trunk", "", weights.TRUNKS["alexnet"].sha256, path, True)
    monkeypatch.setattr(weights, "trunk_weights", lambda _: here)
    with pytest.raises(InputError, match="alexnet.ckpt: SHA-256 .*expected 443c5bc3.*--force-reinstall"):
        trunk_state()
    monkeypatch.setattr(weights, "check_hash", lambda *_: None)  # even if the hash were right
    with pytest.raises(InputError, match="ask for .*open, expected only numpy arrays"):
        trunk_state()
    assert not planted.exists()


@pytest.mark.parametrize("as_archive", [True, False], ids=["torch's archive", "plain pickle"])
def test_a_pickle_as_torchvision_s_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_archive: bool) -> None:
    """In torchvision's cache, under the right name: torchvision itself would read it, whatever its hash."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path, planted = imagenet_weights().path, tmp_path / "planted"
    assert path
    path.parent.mkdir()
    torch.save({"features.0.weight": Attack(planted)}, path, _use_new_zipfile_serialization=as_archive)
    with pytest.raises(InputError, match=f"{path.name}: SHA-256 .*expected 7be5be79.*: delete it"):
        imagenet_state()
    monkeypatch.setattr(weights, "check_hash", lambda *_: None)  # eight digits of a hash can be forged
    with pytest.raises(InputError, match=f"{path.name}: it holds more than weights.*: delete it"):
        imagenet_state()
    assert not planted.exists()


CASE = "HGG/Brats18_SITE0_0_1"


def test_a_mapping_outside_the_release_is_refused(tiny_cohort: Path) -> None:
    elsewhere = tiny_cohort.parent / "elsewhere.csv"
    elsewhere.write_text("Grade,BraTS_2018_subject_ID\nHGG,NA\n", encoding="utf-8")
    (tiny_cohort / "name_mapping.csv").symlink_to(elsewhere)
    with pytest.raises(InputError, match="links that lead out of the release are not followed \\(name_mapping.csv;"):
        read_cohort(tiny_cohort)


def test_links_that_stay_in_the_release_or_are_the_release(tiny_cohort: Path) -> None:
    """A release on another disk is named by a link, and a case may be one to another place of the release."""
    shutil.move(tiny_cohort / CASE, tiny_cohort / "kept")
    (tiny_cohort / CASE).symlink_to(Path("..") / "kept")
    above = tiny_cohort.parent / "above"
    above.mkdir()
    (above / "brats").symlink_to(tiny_cohort)
    for folder in (tiny_cohort, above / "brats", above):
        cohort = check_cohort(read_cohort(folder))
        assert not cohort.problems
        assert len(cohort.cases) == 7


@pytest.mark.parametrize("name", ["../elsewhere", "/etc/passwd", "..", "a\\b", "..\\a", "a\tb", "\x1b[2J"])
def test_a_mapping_that_names_a_path_is_refused(tiny_cohort: Path, name: str) -> None:
    rows = f'Grade,BraTS_2018_subject_ID,BraTS_2019_subject_ID\nHGG,Brats18_SITE0_0_1,NA\nHGG,NA,"{name}"\n'
    (tiny_cohort / "name_mapping.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(InputError, match="name_mapping.csv: .* in BraTS_2019_subject_ID, expected a patient's name"):
        read_cohort(tiny_cohort)


MAPPINGS = {
    "long": b"Grade,BraTS_2018_subject_ID\n" + b"HGG,NA\n" * (MAX_MAPPING // 7),
    "a pipe": b"",  # which would be waited for
    "wide": b"," * (MAX_MAPPING // 4),
    "a wide row": b"Grade,BraTS_2018_subject_ID\n" + b"," * (MAX_MAPPING // 4),
    "a column twice": b"Grade,BraTS_2018_subject_ID,Grade\nHGG,NA,LGG\n",
    "no text": bytes(range(256)),
}


@pytest.mark.parametrize("content", MAPPINGS.values(), ids=MAPPINGS)
def test_a_mapping_that_is_none(tiny_cohort: Path, content: bytes) -> None:
    path = tiny_cohort / "name_mapping.csv"
    path.write_bytes(content) if content else os.mkfifo(path)
    with pytest.raises(InputError, match="name_mapping.csv"):
        read_cohort(tiny_cohort)


@pytest.mark.parametrize("name", [b"Brats18_\n_1_1", b"Brats18_\xff_1_1", b"Brats18_\x1b[2J_1_1"])
def test_a_folder_s_name_that_cannot_be_printed(tiny_cohort: Path, name: bytes) -> None:
    """It is one problem, and the others are read; a folder that is no patient's is skipped."""
    (tiny_cohort / "HGG" / os.fsdecode(name)).mkdir()
    (tiny_cohort / "HGG" / os.fsdecode(b"x" + name)).mkdir()
    cohort = read_cohort(tiny_cohort)
    (problem,) = cohort.messages
    assert "its name cannot be printed: rename the folder" in problem
    assert len(cohort.cases) == 7
    (note,) = cohort.notes
    assert "skipped, not a patient's folder" in note
    assert problem.isprintable() and problem.isascii() and note.isprintable() and note.isascii()


def test_a_device_in_place_of_a_volume(tiny_cohort: Path) -> None:
    path = tiny_cohort / CASE / "Brats18_SITE0_0_1_t1.nii.gz"
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "t1.nii.gz (or .nii) is missing" in read_cohort(tiny_cohort).problems["Brats18_SITE0_0_1"][0]


def test_fuzz_for_some_seconds() -> None:
    """`python tests/fuzz.py --minutes 10` does the same for longer."""
    command = [sys.executable, "-W", "ignore", str(HERE / "fuzz.py"), "--minutes", "0.01"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    tried = re.findall(r"(\d+) tried +(\d+) accepted +(\d+) refused", done.stdout)
    assert len(tried) == 9
    assert all(int(accepted) and int(refused) for _, accepted, refused in tried), done.stdout
