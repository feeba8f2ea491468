"""Plant outliers among the training slices of a synthetic cohort: atypical patients, wrong labels, corrupted slices.

Only where the truth is known can one ask whether the most uncertain tenth is really made of outliers, and whether
dropping it helps when they are there and hurts when they are not.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.cohorts.cohort import TRUTH_FILE, Cohort, each_case
from brats_al_utils.cohorts.cuts import Cut, cut_case
from brats_al_utils.cohorts.cutting import threads_for_cases, write_slices
from brats_al_utils.cohorts.slices import SliceRule, SliceSet
from brats_al_utils.cohorts.volumes import FILES
from brats_al_utils.phantoms.phantom import Patient, draw_patient, render, write_patient
from brats_al_utils.progress import Track, untracked
from brats_al_utils.seeds import generator

VERSION = 1
"""Of what is planted, raised with every change of it: sets of an older one are not used again."""

KINDS = ("atypical", "mislabelled", "corrupted")

KEPT_PATIENTS = 64
"""Patients drawn anew that stay in memory, for the next set to be planted: at 224 pixels they take some 250 MB."""

Array = np.ndarray[Any, Any]


def plant(
    cohort: Cohort, slices: SliceSet, kind: str, share: float, seed: int, folder: Path, track: Track = untracked
) -> SliceSet:
    """Write a slice set in whose training slices are outliers of one kind.

    Whatever the kind, all other training patients are typical of their grade: one kind varies at a time, and with a
    share of 0 the sets of all kinds are the same. A patient whom the cohort has otherwise is drawn anew: contrast
    uptake and necrosis change, brain, noise, extent of the tumour and slices do not. Validation and test stay as they
    are, their atypical patients included.

    Parameters
    ----------
    cohort : Cohort
        Synthetic.
    slices : SliceSet
        Cut from it by `prepare`.
    kind : {"atypical", "mislabelled", "corrupted"}
        atypical: tumours that look like the other grade's, as in `phantom`; of the training patients, from each grade
        in proportion. mislabelled: slices with the other grade's label; ``class_name`` stays the truth. corrupted:
        slices with one of ``FAULTS``.
    share : float
        Of the training patients or slices, to the nearest integer. With one seed, those of a smaller share are among
        those of a larger one.
    seed : int
        Non-negative.
    folder : Path
        As for `prepare`.
    track : callable
        Shows how many patients have been drawn anew.

    Returns
    -------
    SliceSet
        Its table has a column ``planted`` (whether the slice is an outlier; all of an atypical patient's are), its
        manifest ``planted``: kind, share, seed, and source, the fingerprint of ``slices``.

    Raises
    ------
    InputError
        If the cohort is not synthetic, not that of the slices, or by another version of the phantom; if ``slices``
        has outliers planted already; if kind or share is not one of the above; or if ``folder`` exists.
    """
    check(cohort, slices, kind, share)
    rule = SliceRule(**slices.manifest["rule"] | {"channels": tuple(slices.manifest["rule"]["channels"])})
    ids = slices.ids("training")
    table = slices.table.drop(columns="part").assign(planted=False)
    grades = table.loc[ids].drop_duplicates("patient_id").set_index("patient_id")["class_name"]
    atypical = atypical_patients(grades, share, seed) if kind == "atypical" else []
    if kind == "atypical":
        table["planted"] = table["patient_id"].isin(atypical)
    else:
        order = generator(seed, "outliers", kind).permutation(ids)
        table.loc[order[: round(share * len(ids))], "planted"] = True
    if kind == "mislabelled":
        table.loc[table["planted"], "label"] = 1 - table["label"]
    truth = pd.read_csv(cohort.root / TRUTH_FILE).set_index("patient_id").loc[grades.index]
    other = truth.index[truth["atypical"] != truth.index.isin(atypical)]
    anew = drawn_anew(cohort, truth.loc[other], rule, track)

    def patients() -> Iterator[Cut]:
        for name, rows in table.groupby("patient_id", sort=False):
            patient_id = str(name)
            images, segmentation = slices.pixels[rows.index], slices.segmentation[rows.index]
            if patient_id in anew:
                found, images, segmentation = anew[patient_id]
                if found["z"].tolist() != rows["z"].tolist():
                    raise InputError(
                        f"{cohort.root}: {patient_id} is not as this version of the phantom draws it: "
                        "delete the cohort and its slice sets and write them again"
                    )
            if kind == "corrupted":
                chance = [generator(seed, "outliers", "faults", number) for number in rows.index]
                pairs = zip(images, rows["planted"], chance, strict=True)
                images = np.stack([corrupt(image, rng) if hit else image for image, hit, rng in pairs])
            yield rows, images, segmentation

    facts = {"kind": kind, "share": share, "seed": seed, "source": slices.fingerprint}
    return write_slices(folder, cohort, rule, patients(), left_out=slices.manifest["left_out"], planted=facts)


def check(cohort: Cohort, slices: SliceSet, kind: str, share: float) -> None:
    """Refuse what no outliers can be planted in, see `plant`."""
    if kind not in KINDS:
        raise InputError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}")
    if not 0 <= share <= 1:
        raise InputError(f"share is {share!r}, expected 0 to 1")
    if not cohort.synthetic:
        raise InputError(
            f"{cohort.root}: no {TRUTH_FILE}, expected a synthetic cohort, as outliers are planted where the truth is "
            "known: leave the data out"
        )
    if "planted" in slices.table or set(slices.table["patient_id"]) - set(cohort.cases["patient_id"]):
        raise InputError(f"{slices.folder}: expected a slice set of {cohort.root} as it was prepared: name that one")


def atypical_patients(grades: pd.Series, share: float, seed: int) -> list[str]:
    """Draw the patients that are to be atypical: of each grade its share, from a start that the seed draws.

    Parameters
    ----------
    grades : pd.Series of str
        By patient_id.
    """
    places = []
    for grade, group in grades.groupby(grades):
        rng = generator(seed, "outliers", "atypical", str(grade))
        start = rng.random()
        places += [((k + start) / len(group), name) for k, name in enumerate(rng.permutation(sorted(group.index)))]
    return [str(name) for _, name in sorted(places)[: round(share * len(grades))]]


def drawn_anew(cohort: Cohort, truth: pd.DataFrame, rule: SliceRule, track: Track) -> dict[str, Cut]:
    """Cut patients that are atypical where the cohort has them typical, and the other way round.

    Parameters
    ----------
    truth : pd.DataFrame
        The patients' rows of the truth table, by patient_id.
    """

    def cut(case: pd.Series) -> Cut:
        drawn = truth.loc[case["patient_id"]]
        patient = draw_patient(int(drawn["seed"]), int(drawn["index"]), atypical=not drawn["atypical"])
        return cut_patient(patient, int(drawn["spacing"]), case["release"], rule)

    cases = [case for case in cohort.rows if case["patient_id"] in truth.index]
    with threads_for_cases() as threads:
        return {case["patient_id"]: cutting.result() for case, cutting in each_case(cases, cut, threads, track)}


@lru_cache(KEPT_PATIENTS)
def cut_patient(patient: Patient, spacing: int, layout: str, rule: SliceRule) -> Cut:
    """Write a synthetic patient as `phantom` does, and cut it as `prepare` does; callers must not change the arrays."""
    with TemporaryDirectory() as folder:
        drawn = write_patient(Path(folder), patient, render(patient, spacing), spacing, layout)
        files = {name: str(path) for name in FILES for path in Path(folder).rglob(f"*_{name}.nii.gz")}
        return cut_case(pd.Series(drawn | files | {"class_name": patient.grade}), rule)


def ghosts(image: Array, rng: np.random.Generator) -> Array:
    """Return what an image would be had the head swung from left to right while its k-space was read, line by line.

    A line's phase tells where the head was; a swing that comes back every few lines puts weaker copies of the head
    beside it, along the phase encoding (Zaitsev et al. 2015, J Magn Reson Imaging 42:887): in axial slices of the
    brain as a rule from left to right. It swings by 2 to 4 % of the field of view to either side, 5 to 10 mm.
    """
    columns = image.shape[1]
    period, start = rng.uniform(3, 8), rng.uniform(0, 2 * np.pi)
    swing = rng.uniform(0.02, 0.04) * columns * np.sin(2 * np.pi * np.arange(columns) / period + start)
    frequency = np.fft.fftshift(np.fft.fftfreq(columns))  # in the order in which the lines are read
    phase = np.fft.ifftshift(np.exp(-2j * np.pi * frequency * swing))
    return np.abs(np.fft.ifft(np.fft.fft(image, axis=1) * phase, axis=1))


def stripes(image: Array, rng: np.random.Generator) -> Array:
    """Return what an image would be with a spike in its k-space, from an arc near the scanner: a herringbone pattern.

    One point that is far too large adds its wave to the whole image, as strong everywhere (simulated so by
    Pérez-García et al. 2021, Comput Methods Programs Biomed 208:106236): 10 to 25 times across the field of view, and
    0.4 to 0.8 times as strong as the brain is bright.
    """
    direction, times, start = rng.uniform(0, np.pi), rng.uniform(10, 25), rng.uniform(0, 2 * np.pi)
    y, x = (places / size for places, size in zip(np.indices(image.shape), image.shape, strict=True))
    wave = np.exp(1j * (2 * np.pi * times * (x * np.cos(direction) + y * np.sin(direction)) + start))
    return np.asarray(np.abs(image + rng.uniform(0.4, 0.8) * image[image > 0].mean() * wave))


def noise(image: Array, rng: np.random.Generator) -> Array:
    """Return what an image would be with a coil that fails: Rician noise (Gudbjartsson and Patz 1995, MRM 34:910).

    Its standard deviation is 0.3 to 0.6 times the brain's brightness, some ten times what `phantom` gives.
    """
    deviation = rng.uniform(0.3, 0.6) * image[image > 0].mean()
    real, imaginary = deviation * rng.standard_normal((2, *image.shape))
    return np.asarray(np.hypot(image + real, imaginary))


FAULTS: tuple[Callable[[Array, np.random.Generator], Array], ...] = (ghosts, stripes, noise)
"""Each takes an image [H, W] of float and a generator, and returns the image with its fault, [H, W] of float."""


def corrupt(slice_: Array, rng: np.random.Generator) -> Array:
    """Return a slice with one of ``FAULTS``, drawn anew for each of its sequences, which are scanned one by one.

    Parameters
    ----------
    slice_ : np.ndarray [3, H, W] of uint8
    rng : np.random.Generator

    Returns
    -------
    np.ndarray [3, H, W] of uint8
        What is black in all sequences stays so: BraTS cuts the brain out after the scan, and what a fault puts beside
        it goes with the skull.
    """
    fault = FAULTS[rng.integers(len(FAULTS))]
    spoilt = np.stack([fault(image.astype(float), rng) for image in slice_])
    return np.where(slice_.any(axis=0), np.clip(np.rint(spoilt), 0, 255), 0).astype(np.uint8)
