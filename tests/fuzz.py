"""Throw damaged and hostile input at the readers of images, cohorts and bundles: `python tests/fuzz.py --minutes 10`.

Whatever the input, a reader returns something sound or raises `InputError`, within bounds of memory and time. Prints
how many inputs of each kind were accepted and refused; what breaks a reader is shown as hypothesis shrinks it.
"""

import argparse
import contextlib
import gzip
import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import nibabel as nib
import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from matlab_files import write_slice

from brats_al_utils import InputError
from brats_al_utils.beyond.bundles.bundle import OF_EPOCHS, OF_SLICES, Lists, pack
from brats_al_utils.beyond.bundles.container import packed
from brats_al_utils.beyond.bundles.published import VERSION, read_bundle
from brats_al_utils.beyond.releases.matlab import IMAGE, TUMOUR, read_facts, read_matlab
from brats_al_utils.cohorts.inspection import check_cohort
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.mapping import MAPPING_FILE
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import FORMAT
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.cohorts.volumes import FILES, MAX_VOXELS, read_volume
from brats_al_utils.runs.run import PROTOCOL, Result, Run
from brats_al_utils.study.profile import PROFILES

MEMORY = 2**31
"""Bytes of address space beyond those of the start: the largest volume, its scaled copy, and as much again."""

SECONDS = 10
"""Seconds of processor time for one input; most take milliseconds."""

EXAMPLES = 100
"""Inputs between two looks at the clock."""

VOXELS = np.arange(60).reshape(5, 4, 3)

HEADER = np.dtype([*nib.nifti1.header_dtype.descr, ("extension", "i1", 4), ("esize", "i4", 2)])
PLACES: Any = HEADER.fields
# The fields that a reader uses.
FIELDS = ["sizeof_hdr", "dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "scl_inter", "xyzt_units"]
FIELDS += ["qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"]
FIELDS += ["srow_x", "srow_y", "srow_z", "magic", "extension", "esize"]
INTEGERS = st.sampled_from([-(2**31), -32768, -129, -1, 0, 1, 2, 3, 4, 7, 8, 16, 64, 512, 1536, 32767, 2**31 - 1])
FLOATS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, 352.0, 348.0, -1e9, 1e9, 1e20, 3.4e38]) | st.floats(width=32)

CELLS = st.sampled_from(["HGG", "LGG", "NA", "", "Brats18_SITE0_1_1", "BraTS20_Training_001"]) | (
    st.sampled_from(["../../etc/passwd", "/etc/passwd", "..", "\\", '"']) | st.text(max_size=20)
)
GOOD_COLUMNS = ["Grade", "BraTS_2018_subject_ID", "BraTS_2019_subject_ID", "BraTS_2020_subject_ID"]
COLUMNS = st.sampled_from([*GOOD_COLUMNS, "", "x"])
NAMES = st.sampled_from(
    ["Brats18_SITE0_1_1", "BraTS20_Training_001", "brats19_a_b_1", "x", "HGG", "Brats18_\n_1_1", "Brats18_a;b_1_1"]
) | st.binary(min_size=1, max_size=40).map(os.fsdecode).filter(
    lambda name: name not in (".", "..") and "/" not in name and "\0" not in name
)


class TooLong(BaseException):
    """Not an `Exception`: no reader takes it for a fault of the file."""


VALID = [
    bytes(nib.Nifti1Image(VOXELS.astype(kind), np.eye(4), nib.Nifti1Header(endianness=order)).to_bytes())
    for kind in ("u1", "i2", "f4", "f8")
    for order in "<>"
]
"""NIfTI files."""


COMPRESSED = [gzip.compress(content, mtime=0) for content in VALID]


def slice_bytes() -> bytes:
    """Return a valid file of the open cohort."""
    with tempfile.TemporaryDirectory() as scratch:
        image = VOXELS[:, :, 0].repeat(3, 0)
        return write_slice(Path(scratch) / "1.mat", 2, "MR017260F", image, image > 5).read_bytes()


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Return a file some of whose header's fields hold something else."""
    content = bytearray(draw(st.sampled_from(VALID)))
    order = "<" if content[0] else ">"
    for name in draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4)):
        kind, place, *_ = PLACES[name]
        one = np.dtype("i1" if kind.kind == "S" else order + kind.base.str[1:])
        place += one.itemsize * draw(st.integers(0, kind.itemsize // one.itemsize - 1))
        value = np.array(draw(FLOATS if one.kind == "f" else INTEGERS))
        with np.errstate(over="ignore"):
            content[place : place + one.itemsize] = value.astype(one).tobytes()
    return bytes(content)


@st.composite
def streams(draw: st.DrawFn, sources: list[bytes]) -> bytes:
    """Return a file with bytes changed, lost, repeated or put in."""
    content = draw(st.sampled_from(sources))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.integers(start, min(len(content), start + 64)) | st.just(len(content)))
        some, mask = content[start:stop], draw(st.integers(1, 255))
        flipped = bytes(byte ^ mask for byte in some[:1]) + some[1:]
        put = draw(st.sampled_from([flipped, b"", some + some]) | st.binary(max_size=64) | st.sampled_from(sources))
        content = content[:start] + put + content[stop:]
    return content


@st.composite
def mappings(draw: st.DrawFn) -> bytes:
    """Return a mapping of names: any cells under good or any columns, with bytes changed or not."""
    columns = GOOD_COLUMNS if draw(st.booleans()) else draw(st.lists(COLUMNS, min_size=1, max_size=6))
    rows = draw(st.lists(st.lists(CELLS, min_size=1, max_size=len(columns)), max_size=6))
    separator, end = draw(st.sampled_from([",", ",", ",", ";"])), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    content = end.join(separator.join(row) for row in [columns, *rows]).encode()
    return draw(streams([content])) if draw(st.booleans()) else content


def read_nifti(content: bytes, path: Path) -> np.ndarray[Any, Any]:
    """Read a file: what is accepted is a volume."""
    path.write_bytes(content)
    volume = read_volume(path)
    assert volume.voxels.ndim == 3
    assert 0 < volume.voxels.size <= MAX_VOXELS
    assert np.isfinite(volume.voxels).all()
    assert np.isfinite(volume.affine).all()
    assert np.isfinite(volume.spacing).all()
    return volume.voxels


def read_slice(content: bytes, path: Path) -> None:
    """Read a file of the open cohort: what is accepted is a label, an id and two images of one size."""
    path.write_bytes(content)
    assert len(read_facts(path)[1]) <= 64
    image, mask = (read_matlab(path, field).voxels for field in (IMAGE, TUMOUR))
    assert image.shape == mask.shape and image.shape[2] == 1
    assert 0 < image.size <= MAX_VOXELS
    assert np.isfinite(image).all() and np.isfinite(mask).all()


def read_compressed(content: bytes, path: Path) -> None:
    """Read a compressed file: what is accepted is what was written, for the stream has a checksum."""
    assert np.array_equal(read_nifti(content, path), VOXELS[::-1, ::-1])


def read_folder(folder: Path) -> None:
    """Read a cohort: what is accepted lies in the release, and can be printed and written down."""
    cohort = read_cohort(folder)
    assert not any(set("/\\") & set(name) for name in cohort.absent)
    for path in cohort.cases[list(FILES)].to_numpy().ravel():
        assert Path(path).resolve().is_relative_to(folder.resolve())
    cohort = check_cohort(cohort)
    json.dumps([cohort.problems, cohort.absent], ensure_ascii=False).encode()
    cohort.cases.to_csv().encode()


def read_mapped(content: bytes, folder: Path) -> None:
    """Read a cohort with a mapping."""
    for name in ("BraTS20_Training_001", "Brats18_SITE0_1_1"):
        (folder / name).mkdir(exist_ok=True)
    (folder / MAPPING_FILE).write_bytes(content)
    read_folder(folder)


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[list[str], str]]:
    """Return paths of a release, and what to put there."""
    paths = []
    for _ in range(draw(st.integers(1, 6))):
        grade = draw(st.sampled_from([*GRADES, ""]))
        name = draw(NAMES)
        file = f"{name}_{draw(st.sampled_from(FILES))}.nii" if draw(st.booleans()) else draw(NAMES)
        what = draw(st.sampled_from(["volume", "volume", "folder", "link out", "link in", "dangling", "loop", "pipe"]))
        paths.append(([part for part in (grade, name, file)[: draw(st.integers(1, 3))] if part], what))
    return paths


def read_tree(paths: list[tuple[list[str], str]], folder: Path) -> None:
    """Read a cohort of any folders, files and links."""
    outside = folder.with_name("outside")
    outside.mkdir(exist_ok=True)
    for parts, what in paths:
        path = folder.joinpath(*parts)
        with contextlib.suppress(OSError):  # two of them may want the same place, and a name may be too long
            path.parent.mkdir(parents=True, exist_ok=True)
            if what == "volume":
                with path.open("xb") as file:  # it may be a pipe by now
                    file.write(VALID[0])
            elif what == "folder":
                path.mkdir()
            elif what == "pipe":
                os.mkfifo(path)
            else:
                targets = {"link out": outside, "link in": folder, "dangling": Path("/no/such"), "loop": path}
                path.symlink_to(targets[what])
    read_folder(folder)


def in_file(read: Callable[[Any, Path], object], name: str) -> Callable[[Any], None]:
    """Give a reader a new place for each input."""

    def run(content: Any) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "release"
            folder.mkdir()
            read(content, folder / name)

    return run


def bundle_parts() -> dict[str, bytes]:
    """Return the parts of a small bundle of phantoms, with one run."""
    rule = asdict(PROFILES["smoke"].slice_rule())
    manifest = {"fingerprint": "f" * 64, "name": "synthetic cohort", "release": "2019", "synthetic": True}
    manifest |= {"mirrored": True, "channels": ["t1"], "fewer_slices": {}, "left_out": {}, "absent": []}
    manifest |= {"classes": ["LGG", "HGG"], "slices": 6, "rule": rule}
    rows = [f"{n},p{n},{('LGG', 'HGG')[n % 2]},{n % 2},x,{n},0.5,20.0,{PARTS[n // 2]}\n" for n in range(6)]
    facts = {"version": VERSION, "protocol": PROTOCOL, "format": FORMAT, "brats_al_utils": "0", "profile": "smoke"}
    facts |= {"settings": {}, "sets": [{"name": "imbalanced", "manifest": manifest}], "patients": "public"}
    facts |= {"intensities": {"t1": {"LGG": [1] * 64, "HGG": [2] * 64}}, "files": []}
    settings, lists = PROFILES["smoke"].training_settings(1), Lists()
    run = Run("f" * 64, (0, 1), (2, 3), (4, 5), (0, 1), "scratch", False, settings, 0, 0)
    arrays = dict.fromkeys(OF_SLICES, np.array([0.25, 0.75])) | dict.fromkeys(OF_EPOCHS, np.array([0.5]))
    parts = pack([Result(run, arrays, 1, 1.0, {})], lists)
    chosen = {"arm": ["imbalanced", "middle", 0.3, False], "number": 0, "labelled": 0, "chosen": 0}
    parts["selections.json"] = json.dumps([chosen]).encode()
    columns = "slice_id,patient_id,class_name,label,site,z,position,tumour_mm2,part\n"
    parts["slices/0.csv"] = (columns + "".join(rows)).encode()
    return parts | {"truth.csv": b"patient_id,atypical\np0,True\n", "study.json": json.dumps(facts).encode()}


BUNDLE = packed(bundle_parts())


@st.composite
def bundles(draw: st.DrawFn) -> dict[str, bytes]:
    """Return parts of a bundle, one of them with bytes changed, a value of its JSON, or away."""
    parts = bundle_parts()
    name = draw(st.sampled_from(sorted(parts)))
    how = draw(st.sampled_from(["bytes", "value", "away"]))
    if how == "away":
        del parts[name]
    elif how == "value" and name.endswith(".json"):
        content = inner = json.loads(parts[name])
        while True:
            steps = sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))
            step = draw(st.sampled_from(steps))
            if not isinstance(inner[step], dict | list) or not inner[step] or draw(st.booleans()):
                break
            inner = inner[step]
        inner[step] = draw(INTEGERS | FLOATS | CELLS | st.sampled_from([None, [], {}, True, [[]], 10**400]))
        parts[name] = json.dumps(content).encode()
    else:
        parts[name] = draw(streams([parts[name]]))
    return parts


def read_bundle_bytes(content: bytes, path: Path) -> None:
    """Read a bundle: what is accepted has probabilities, and names slices that there are."""
    path.write_bytes(content)
    bundle = read_bundle(path)
    slices = len(next(iter(bundle.sets.values())).table)
    for result in bundle.results:
        assert all(((values >= 0) & (values <= 1)).all() for name, values in result.arrays.items() if name in OF_SLICES)
        assert max(max(result.run.ids(part), default=0) for part in ("training", *PARTS[1:], "pool")) < slices
    for record in bundle.chosen:
        assert max([*record["labelled"], *record["chosen"]], default=0) < slices


KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "header": (headers(), in_file(read_nifti, "v.nii")),
    "header, compressed": (headers().map(gzip.compress), in_file(read_nifti, "v.nii.gz")),
    "bytes": (streams(VALID), in_file(read_nifti, "v.nii")),
    "bytes, compressed": (streams(COMPRESSED), in_file(read_compressed, "v.nii.gz")),
    "MATLAB": (streams([slice_bytes()]), in_file(read_slice, "1.mat")),
    "mapping": (mappings(), in_file(read_mapped, "")),
    "bundle, bytes": (streams([BUNDLE]) | st.just(BUNDLE), in_file(read_bundle_bytes, "x.bundle")),
    "bundle, parts": (bundles().map(packed), in_file(read_bundle_bytes, "x.bundle")),
    "folders": (trees(), in_file(read_tree, "")),
}


@contextmanager
def bounded() -> Iterator[None]:
    """End what takes too long, by the processor's time: others may be using the machine."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def counted(kind: str, run: Callable[[Any], None], counts: Counter[tuple[str, str]]) -> Callable[[Any], None]:
    """Return a test of one input that counts what became of it."""

    def one(content: Any) -> None:
        try:
            with bounded():
                run(content)
        except InputError as error:
            str(error).encode()
            counts[kind, "refused"] += 1
        else:
            counts[kind, "accepted"] += 1

    return one


def fuzz(minutes: float, first_seed: int) -> Counter[tuple[str, str]]:
    """Try inputs of all kinds in turn for a time, and count them by kind and by what became of them."""
    counts: Counter[tuple[str, str]] = Counter()
    options = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    end, number = time.monotonic() + 60 * minutes, first_seed
    while time.monotonic() < end:
        for kind, (strategy, run) in KINDS.items():
            seed(number)(options(given(content=strategy)(counted(kind, run, counts))))()
        number += 1
    return counts


def main() -> None:
    """Bound the memory, try, and print the counts."""
    import resource  # Windows lacks it

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
    counts = fuzz(arguments.minutes, arguments.seed)
    for kind in KINDS:
        accepted, refused = counts[kind, "accepted"], counts[kind, "refused"]
        print(f"{kind:<20} {accepted + refused:>7} tried  {accepted:>7} accepted  {refused:>7} refused")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{counts.total()} inputs, peak memory {peak // 1024} MB")


if __name__ == "__main__":
    main()
