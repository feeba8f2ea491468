"""How fast a cohort is cut into slices, beside the usual code and mere inflating: `python benchmarks/preparation.py`.

All methods cut the same slices of the same files at 224 pixels, each brain scaled (ours by its mode, the others by its
percentiles), to uint8 on the disk:

* ours: `preparation.prepare`, with its checks, table, split, fingerprint and flush to the disk;
* the usual loop: nibabel's ``get_fdata``, numpy, Pillow's resize, a .npy file for each slice and its segmentation. It
  works on one case at a time, as it is usually written; the variant "in threads" on as many as there are cores;
* MONAI: its transforms in a PersistentDataset, read once by a DataLoader with a worker for each core. Slices are cut
  before they are resized, all of a case at once, and only they are kept, which is in its favour;
* decompression: libdeflate (the package ``deflate``; isal, zlib-ng and cramjam were slower) inflates the segmentation
  and the three sequences of each case, a thread for each core; nothing is done with them.

Each has a process of its own, in which it has run once before; repetitions are interleaved, and a ratio is the median
of those of each repetition. The files are in the system's page cache. The cohort is synthetic, of 1 mm, unless
``--data`` names a release; for more cases than it has, its files are linked under further names. Memory, and time by
number of cases, are ours: memory that of a fresh process, sampled; "private" is without the pages of mapped files,
which the system takes back when it needs them. Needs MONAI: see ``requirements.in``.

``--images`` names the folder of a table of images instead, for the open cohort's 3,064: cut at 96 pixels by ours, and
by the plain loop, which opens, makes grey, resizes and stacks them and their masks, and checks, splits and hashes
nothing. Memory is that of ours for all persons and for a tenth of them.
"""

import argparse
import multiprocessing
import os
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import psutil
import torch
from deflate import gzip_decompress
from PIL import Image

from brats_al_utils.beyond.phantoms.writing import write_cohort
from brats_al_utils.beyond.releases.images import JPEG_MASK
from brats_al_utils.beyond.releases.table import TABLE
from brats_al_utils.cohorts.checks import case_files
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.cuts import choose_slices
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.cohorts.volumes import SEGMENTATION, SEQUENCES

RESULTS = Path(__file__).parent / "results"
RULE = SliceRule()

PERCENTILES = (0.5, 99.5)
"""Of a brain, what the usual code scales to 0..1; ours does more: it looks for the mode."""

CORES = os.cpu_count() or 1

RENDERED = 16
"""Patients of the synthetic cohort; some two seconds each."""

COMPARED = 10
"""Cases that the methods are compared on."""

SCALES = (10, 40, 160)
"""Numbers of cases that ours is timed on."""

IMAGE_RULE = SliceRule(image_size=96)

COHORT = 335
"""Patients of BraTS 2019 (section 2.2.1)."""


def synthetic(patients: int = RENDERED) -> Path:
    """Return the folder of a synthetic cohort, written on first use and kept among the temporary files."""
    folder = Path(tempfile.gettempdir()) / "brats-al-benchmarks" / f"phantom-{patients}"
    if not folder.exists():
        write_cohort(folder, patients, 0)
    return folder


def enlarge(cohort: Cohort, count: int, folder: Path) -> Cohort:
    """Copy a cohort's files, link them under the names of so many patients, and read these; any number has both grades.

    Hard links: the cohort's own reader refuses the other kind. The first sequence of each copy grows brighter along x,
    by another slope: two patients with the same pixels would be one.
    """
    grades = cohort.cases.groupby("class_name")["class_name"]
    order = np.argsort(grades.cumcount() / grades.transform("size"), kind="stable")
    copies: dict[Path, Path] = {}
    for number in range(count):
        case = cohort.cases.iloc[order[number % len(order)]]
        name = f"BraTS19_COPY_{number:04d}_1"
        for kind, path in case_files(case).items():
            target = folder / case["class_name"] / name / f"{name}_{kind}{''.join(path.suffixes)}"
            target.parent.mkdir(parents=True, exist_ok=True)
            if kind == SEQUENCES[0] and number >= len(order):
                image = nib.Nifti1Image.from_filename(path)
                voxels = np.asarray(image.dataobj)
                slope = np.arange(len(voxels))[:, None, None] * (number // len(order)) // 8
                brighter = np.where(voxels > 0, voxels + slope, 0).astype(np.int16)
                nib.save(nib.Nifti1Image(brighter, image.affine), target)
            elif path in copies:
                target.hardlink_to(copies[path])
            else:
                copies[path] = Path(shutil.copyfile(path, target))
    return read_cohort(folder)


def chosen(case: Any, tumour: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the slices of a case that ours cuts, at voxels of 1 mm2."""
    return choose_slices((tumour > 0).sum(axis=(0, 1)), RULE.per_patient, RULE, case["patient_id"])


def ours(cohort: Cohort, folder: Path) -> None:
    """Cut with this package."""
    prepare(cohort, RULE, folder)


def scaled(voxels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Map the brain's percentiles to 0..1."""
    low, high = np.percentile(voxels[voxels > 0], PERCENTILES).tolist()
    return np.asarray(np.clip((voxels - low) / (high - low), 0, 1))


def usual_case(case: pd.Series, folder: Path) -> None:
    """Cut one case the usual way."""
    tumour = nib.Nifti1Image.from_filename(case[SEGMENTATION]).get_fdata()
    volumes = [scaled(nib.Nifti1Image.from_filename(case[name]).get_fdata()) for name in RULE.channels]
    size = (RULE.image_size, RULE.image_size)
    for z in chosen(case, tumour):
        planes = [Image.fromarray(volume[:, :, z].T.astype(np.float32)) for volume in volumes]
        pixels = np.stack([np.asarray(plane.resize(size, Image.Resampling.BILINEAR)) for plane in planes])
        name = f"{case['patient_id']}_{z:03d}"
        np.save(folder / f"{name}.npy", np.rint(255 * pixels).astype(np.uint8))
        labels = Image.fromarray(tumour[:, :, z].T.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
        np.save(folder / f"{name}_seg.npy", np.asarray(labels))


def usual(cohort: Cohort, folder: Path, threads: int = 1) -> None:
    """Cut with the usual loop."""
    folder.mkdir()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda row: usual_case(row[1], folder), cohort.cases.iterrows()))


def usual_threads(cohort: Cohort, folder: Path) -> None:
    """Cut with the usual loop, on as many cases at a time as there are cores."""
    usual(cohort, folder, CORES)


def monai_dataset(cohort: Cohort, folder: Path) -> Any:
    """Return MONAI's dataset of a cohort: items with image [20, 3, 224, 224] and seg [20, 224, 224], uint8."""
    from monai.data import PersistentDataset
    from monai.transforms import Compose, ConcatItemsd, Lambda, Lambdad, LoadImaged, Resized, SelectItemsd

    def cut(item: dict[str, Any]) -> dict[str, Any]:
        # [c, X, Y, Z] to slices [Z' * c, Y, X]: MONAI resizes the axes after the first.
        z = chosen(item, item["seg"][0].numpy())
        image, seg = (item[name][..., z].permute(3, 0, 2, 1).flatten(0, 1) for name in ("image", "seg"))
        return {"image": image, "seg": seg}

    def pack(item: dict[str, Any]) -> dict[str, Any]:
        image, seg = (item["image"] * 255).round().byte(), item["seg"].byte()
        return {"image": image.unflatten(0, (-1, len(RULE.channels))), "seg": seg}

    size = (RULE.image_size, RULE.image_size)
    transforms = [
        LoadImaged([*RULE.channels, SEGMENTATION], image_only=True, ensure_channel_first=True),
        Lambdad(RULE.channels, lambda volume: torch.from_numpy(scaled(volume.numpy()))),
        ConcatItemsd(RULE.channels, "image"),
        Lambda(cut),
        Resized("image", size, mode="bilinear"),
        Resized("seg", size, mode="nearest-exact"),
        Lambda(pack),
        SelectItemsd(["image", "seg"]),
    ]
    names = ["patient_id", *RULE.channels, SEGMENTATION]
    return PersistentDataset(cohort.cases[names].to_dict("records"), Compose(transforms), folder)


def monai(cohort: Cohort, folder: Path) -> None:
    """Cut with MONAI."""
    from monai.data import DataLoader

    # The items are wanted on the disk only. Forked workers start at once; this process itself was spawned.
    quick = {"multiprocessing_context": "fork", "collate_fn": lambda items: len(items)}
    for _ in DataLoader(monai_dataset(cohort, folder), num_workers=CORES, **quick):
        pass


def decompress(path: Path) -> int:
    """Inflate a file; return the number of its bytes."""
    content = path.read_bytes()
    return len(gzip_decompress(content, int.from_bytes(content[-4:], "little")) if path.suffix == ".gz" else content)


def decompression(cohort: Cohort, folder: Path) -> None:
    """Inflate the files that the others read, and keep nothing."""
    files = [case_files(case)[name] for _, case in cohort.cases.iterrows() for name in (SEGMENTATION, *RULE.channels)]
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(decompress, files))


def our_images(cohort: Cohort, folder: Path) -> None:
    """Cut images with this package."""
    prepare(cohort, IMAGE_RULE, folder)


def plain_images(cohort: Cohort, folder: Path) -> None:
    """Cut images with the plain loop over Pillow."""
    size = (IMAGE_RULE.image_size, IMAGE_RULE.image_size)
    images, masks = [], []
    for _, row in cohort.cases.iterrows():
        images.append(np.asarray(Image.open(row["image"]).convert("L").resize(size, Image.Resampling.BILINEAR)))
        mask = Image.open(row["mask"]).convert("L").resize(size, Image.Resampling.NEAREST)
        masks.append(np.asarray(mask) > JPEG_MASK)
    folder.mkdir()
    np.save(folder / "images.npy", np.stack(images))
    np.save(folder / "masks.npy", np.stack(masks))


def as_two_classes(data: Path, folder: Path, one_in: int = 1) -> Path:
    """Write a table that names all images of another, or those of one person in so many, its first label or other."""
    table = pd.read_csv(data / TABLE, dtype=str, keep_default_na=False)
    first = table["label"].min()
    table["label"] = table["label"].where(table["label"] == first, "other")
    persons = table["group"] if "group" in table else table["patient_id"]
    numbers = persons.map({name: number for number, name in enumerate(persons.unique())})
    folder.mkdir()
    for entry in data.iterdir():
        if entry.name != TABLE:
            (folder / entry.name).symlink_to(entry.resolve())
    table[numbers % one_in == 0].to_csv(folder / TABLE, index=False)
    return folder


IMAGE_METHODS: dict[str, Callable[[Cohort, Path], None]] = {"ours": our_images, "plain loop": plain_images}

METHODS: dict[str, Callable[[Cohort, Path], None]] = {
    "ours": ours,
    "usual loop": usual,
    "usual loop in threads": usual_threads,
    "MONAI": monai,
    "decompression": decompression,
}


def seconds(method: str, data: Path) -> dict[str, float]:
    """Return how long a method takes for a cohort: by the clock, and of the cores with those of its workers."""
    methods = IMAGE_METHODS if (data / TABLE).exists() else METHODS
    cohort = read_cohort(data, follow_links=methods is IMAGE_METHODS)
    with tempfile.TemporaryDirectory() as temporary:
        started, cpu = time.perf_counter(), sum(os.times()[:4])
        methods[method](cohort, Path(temporary) / "slices")
        return {"seconds": time.perf_counter() - started, "cpu": sum(os.times()[:4]) - cpu}


def memory(method: str, data: Path, interval: float = 0.005) -> dict[str, float]:
    """Return how long a method takes, and the most memory that this process has meanwhile, in MiB."""
    process, samples, done = psutil.Process(), [], threading.Event()

    def sample() -> None:
        while not done.wait(interval):
            found = process.memory_info()
            samples.append((found.rss / 2**20, (found.rss - getattr(found, "shared", 0)) / 2**20))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        took = seconds(method, data)
    finally:
        done.set()
        thread.join()
    resident, private = (max(values) for values in zip(*samples, strict=True))
    return took | {"resident": resident, "private": private}


def measure(
    data: Path, repetitions: int = 5, count: int = COMPARED, scales: Iterable[int] = SCALES, most: int = COHORT
) -> pd.DataFrame:
    """Return one row for each measurement.

    Parameters
    ----------
    data : Path
        A cohort's folder.
    repetitions : int
        Of each method, after one that is not counted; three at most of each of the scales.
    count : int
        Cases that the methods are compared on.
    scales : iterable of int
        Numbers of cases that ours is timed on.
    most : int
        Number of cases on which memory is measured.

    Returns
    -------
    pd.DataFrame
        benchmark (methods, scale or memory), method, cases, repetition, seconds, cpu (seconds of the cores), resident
        and private (MiB).
    """
    spawn = multiprocessing.get_context("spawn")
    cohort, rows = read_cohort(data), []
    with tempfile.TemporaryDirectory() as temporary:
        sizes = sorted({count, most, *scales})
        folders = {size: Path(temporary) / str(size) for size in sizes}
        for size, folder in folders.items():
            enlarge(cohort, size, folder)
        pools = {method: ProcessPoolExecutor(1, mp_context=spawn) for method in METHODS}
        try:
            for repetition in range(repetitions + 1):
                for method, pool in pools.items():
                    row = {"benchmark": "methods", "method": method, "cases": count, "repetition": repetition}
                    rows.append(row | pool.submit(seconds, method, folders[count]).result())
            for repetition in range(1, min(repetitions, 3) + 1):
                for size in scales:
                    row = {"benchmark": "scale", "method": "ours", "cases": size, "repetition": repetition}
                    rows.append(row | pools["ours"].submit(seconds, "ours", folders[size]).result())
        finally:
            for pool in pools.values():
                pool.shutdown()
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            row = {"benchmark": "memory", "method": "ours", "cases": most, "repetition": 1}
            rows.append(row | pool.submit(memory, "ours", folders[most]).result())
    table = pd.DataFrame(rows)
    return table[table["repetition"] > 0].reset_index(drop=True)


def measure_images(data: Path, repetitions: int = 3, one_in: int = 10) -> pd.DataFrame:
    """Return one row for each measurement of a table of images; parameters and columns as of `measure`.

    Parameters
    ----------
    one_in : int
        Memory is measured for all persons, and for one in so many.
    """
    spawn = multiprocessing.get_context("spawn")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        whole = as_two_classes(data, Path(temporary) / "whole")
        part = as_two_classes(data, Path(temporary) / "part", one_in)
        count = len(read_cohort(whole, follow_links=True).cases)
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            for repetition in range(repetitions + 1):
                for method in IMAGE_METHODS:
                    found = pool.submit(seconds, method, whole if repetition else part).result()
                    row = {"benchmark": "images", "method": method, "cases": count, "repetition": repetition}
                    rows += [row | found] if repetition else []
        for folder in (part, whole):
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                count = len(read_cohort(folder, follow_links=True).cases)
                row = {"benchmark": "memory", "method": "ours", "cases": count, "repetition": 1}
                rows.append(row | pool.submit(memory, "ours", folder).result())
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each benchmark, method and number of cases.

    Returns
    -------
    pd.DataFrame
        benchmark, method, cases; seconds (median), min, max, per_case; ratio: the method's time over ours of the same
        repetition (median); cpu, resident and private (medians).
    """
    keys = ["benchmark", "method", "cases"]
    reference = table[table["method"] == "ours"].set_index(["benchmark", "cases", "repetition"])["seconds"]
    places = pd.MultiIndex.from_frame(table[["benchmark", "cases", "repetition"]])
    groups = table.assign(ratio=table["seconds"] / reference.reindex(places).to_numpy()).groupby(keys, sort=False)
    summary = groups["seconds"].agg(seconds="median", min="min", max="max")
    summary["per_case"] = summary["seconds"] / summary.index.get_level_values("cases")
    summary = summary.join(groups[["ratio", "cpu", "resident", "private"]].median())
    return pd.DataFrame(summary).reset_index()


def exponent(table: pd.DataFrame) -> float:
    """Return the power of the number of cases with which ours grows: the slope of the logarithms' line."""
    scale = table[table["benchmark"] == "scale"]
    return float(np.polyfit(np.log(scale["cases"]), np.log(scale["seconds"]), 1)[0])


def main() -> None:
    """Measure, keep the measurements as CSV, and print their summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--data", type=Path, help="folder of a BraTS release; default: a synthetic cohort")
    parser.add_argument("--images", type=Path, help="folder of a table of images, measured in place of volumes")
    options = parser.parse_args()
    if options.images:
        table = measure_images(options.images, options.repetitions)
        table.to_csv(RESULTS / "images.csv", index=False, float_format="%.4g", lineterminator="\n")
        print(summarise(table).round(4).to_string(index=False, na_rep=""))
        return
    table = measure(options.data or synthetic(), options.repetitions)
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / "preparation.csv", index=False, float_format="%.4g", lineterminator="\n")
    print(f"{platform.machine()}, {CORES} cores, {'the release named' if options.data else 'synthetic cohort'}")
    print(summarise(table).round(3).to_string(index=False, na_rep=""))
    print(f"ours grows as the number of cases to the power of {exponent(table):.2f}")


if __name__ == "__main__":
    main()
