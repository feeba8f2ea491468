"""Draw and render synthetic patients, so that the study runs where no clinical data may go.

A patient is drawn as a few dozen numbers (:class:`Patient`) and rendered in four steps: the ICBM152 2009a tissue
maps are deformed into an individual brain; a tumour grows in its white matter and pushes the rest aside; each
tissue's brightness follows from the equations of spin-echo and inversion-recovery imaging; and the scanner adds
bias, noise and gain. The same seed gives the same patient in any cohort and, noise apart, at any spacing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtr

from brats_al_utils.beyond.phantoms.scanner import (
    BLOOD,
    FLUID,
    GREY,
    NECROTIC,
    OEDEMA,
    SITES,
    SOLID_DENSITY,
    WHITE,
    Tissue,
    signal,
)
from brats_al_utils.cohorts.volumes import SEQUENCES
from brats_al_utils.seeds import generator

VERSION = 1
"""Version of phantoms, increased with every change of what is drawn or rendered: older cohorts are not used again."""

FIRST_OF_TEST = 134_000  # index of a test cohort's first patient: grades and sites are dealt anew from 4 x 335 x k

# --- How hard it is to tell the grades apart: docs/protocol.md, "Sizes". Pairs are (low, high) of a uniform draw. --
# An atypical tumour takes up contrast (and decays inside) like one of the other grade; all else follows its grade.
ATYPICAL = {"HGG": 0.05, "LGG": 0.07}  # share of patients
SIZE = (25.0, 38.0)  # mm, radius of a ball as large as core and oedema along z; one law for both grades
CORE = {"HGG": (0.62, 0.88), "LGG": (0.80, 0.97)}  # radius of the core / reach
FINGERS = {"HGG": (0.50, 1.00), "LGG": (0.00, 0.40)}  # 1: oedema spares grey matter altogether
SPARED = 1.3  # how far fingers keep oedema from where no white matter is
BARRIER = 0.35  # how little white matter there is around a seat, as it tells on the volume of the labels
MASS_EFFECT = {"HGG": (0.10, 0.45), "LGG": (0.05, 0.35)}  # displacement / distance, at the centre
SOLID_T1 = {"HGG": (1250.0, 1850.0), "LGG": (1400.0, 2100.0)}  # ms, of living tumour
SOLID_T2 = {"HGG": (110.0, 180.0), "LGG": (160.0, 260.0)}
GADOLINIUM = {True: (0.50, 1.10), False: (0.00, 0.05)}  # mM in living tumour, if it enhances or not
NECROSIS = {True: (0.40, 0.90), False: (0.00, 0.28)}  # radius of the dead centre / radius of the core
PATCHES = {"HGG": (0.70, 1.00), "LGG": (0.20, 0.80)}  # share of the living tumour that takes up contrast
NOISE = (0.010, 0.040)  # standard deviation / white matter's signal
BIAS = 0.08  # standard deviation of the logarithm of the coil's sensitivity
TEXTURE = 0.035  # standard deviation of the logarithm of the brain's mottle, twofold inside a tumour


Array = NDArray[np.float32]
Rendered = tuple[dict[str, NDArray[np.int16]], NDArray[np.uint8]]
"""A patient's volumes by sequence, and the labels: see `render`."""

LABELLED_GADOLINIUM = 0.08  # mM: above it a reader calls a voxel of tumour enhancing


@dataclass(frozen=True)
class Patient:
    """What was drawn for one patient. Lengths in mm, times in ms; x, y, z run along the volume's array axes."""

    index: int
    seed: int
    grade: str
    site: str
    atypical: bool
    scale: tuple[float, ...]  # brain / standard brain, along x, y, z
    warp: float  # standard deviation of the deformation
    stripping: float  # how close to the brain the skull was stripped
    ventricles: tuple[float, ...]  # swelling, right and left
    atrophy: float  # fluid / that of the standard brain
    seat: tuple[float, ...]  # centre of the tumour: x, y, z
    size: float  # radius of a ball as large as the tumour, along z
    reach: float  # from the seat to the oedema's edge, along z
    shape: tuple[float, ...]  # reach along x, y, z / reach
    core: float  # radius of the core / reach
    irregularity: float
    fingers: float
    mass_effect: float
    necrosis: float  # radius of the dead centre / radius of the core
    patches: float
    gadolinium: float
    solid_t1: float
    solid_t2: float
    oedema_t2: float
    timing: float  # repetition and echo time / the site's
    noise: float
    gain: tuple[float, ...]  # brightness / the site's, by sequence


def grade_of(index: int) -> str:
    """Return a patient's grade by its index in the cohort: of any 335 in a row 259 are HGG, as in BraTS 2019."""
    return "LGG" if _low_grade_before(index + 1) > _low_grade_before(index) else "HGG"


def _low_grade_before(index: int) -> int:
    return (index + 4) * 76 // 335


def indices_of_test(patients: int) -> list[int]:
    """Return the indices of a test cohort: half of its patients HGG and half LGG, of each grade the first to come."""
    row = range(FIRST_OF_TEST, FIRST_OF_TEST + 3 * patients)  # every fifth or fourth is LGG
    return sorted(index for grade in ATYPICAL for index in [k for k in row if grade_of(k) == grade][: patients // 2])


def _place_in_grade(index: int) -> tuple[str, int]:
    """Return a patient's grade, and how many patients of it come before."""
    grade, low = grade_of(index), _low_grade_before(index)
    return grade, low if grade == "LGG" else index - low


def _site_of(seed: int, index: int) -> str:
    """Deal the sites: of a grade's first four patients, and of every next four, each has another, in random order."""
    grade, before = _place_in_grade(index)
    hand, place = divmod(before, len(SITES))
    return str(generator(seed, "phantom", "sites", grade, hand).permutation(list(SITES))[place])


def _is_atypical(seed: int, index: int) -> bool:
    """Spread the atypical patients evenly over their grade, from a start that the seed draws."""
    grade, before = _place_in_grade(index)
    start = generator(seed, "phantom", "atypical", grade).random()
    return math.floor((before + 1) * ATYPICAL[grade] + start) > math.floor(before * ATYPICAL[grade] + start)


def draw_patient(seed: int, index: int, atypical: bool | None = None) -> Patient:
    """Draw the numbers that make a patient; they depend on the seed and the index alone.

    Parameters
    ----------
    atypical : bool, optional
        Whether to make the patient atypical for its grade, whatever the cohort's shares would make of it. Contrast
        uptake and necrosis keep their places in the ranges they are drawn from; nothing else changes, in particular
        neither brain nor noise nor which voxels are tumour.
    """
    rng = generator(seed, "phantom", index, "parameters")

    def near(mean: float, deviation: float) -> float:
        return float(mean * np.exp(deviation * np.clip(rng.standard_normal(), -2.5, 2.5)))

    grade = grade_of(index)
    atypical = _is_atypical(seed, index) if atypical is None else atypical
    enhances = (grade == "HGG") != atypical
    scale = near(0.92, 0.02) * np.array([near(1.0, 0.015) for _ in "xyz"])
    # What fingers take from the oedema's volume, a longer reach makes up for: size does not tell the grade.
    size, core, fingers = rng.uniform(*SIZE), rng.uniform(*CORE[grade]), rng.uniform(*FINGERS[grade])
    reach = size / (core + (1 - core) * (1 - SPARED * fingers * BARRIER))
    return Patient(
        index=index,
        seed=seed,
        grade=grade,
        site=_site_of(seed, index),
        atypical=atypical,
        scale=tuple(scale.tolist()),
        warp=rng.uniform(1.5, 3.0),
        stripping=rng.uniform(0.60, 0.85),
        ventricles=(rng.uniform(-0.20, 0.50), rng.uniform(-0.20, 0.50)),
        atrophy=near(1.1, 0.25),
        seat=tuple(_move(rng.choice(_template().seats), _TEMPLATE_CENTRE, _GRID_CENTRE, scale).tolist()),
        size=size,
        reach=reach,
        shape=(rng.uniform(0.75, 1.0), rng.uniform(0.85, 1.25), 1.0),
        core=core,
        irregularity=rng.uniform(0.08, 0.18),
        fingers=fingers,
        mass_effect=rng.uniform(*MASS_EFFECT[grade]),
        necrosis=rng.uniform(*NECROSIS[enhances]),
        patches=rng.uniform(*PATCHES[grade]),
        gadolinium=rng.uniform(*GADOLINIUM[enhances]),
        solid_t1=rng.uniform(*SOLID_T1[grade]),
        solid_t2=rng.uniform(*SOLID_T2[grade]),
        oedema_t2=near(160, 0.12),
        timing=near(1.0, 0.05),
        noise=rng.uniform(*NOISE),
        gain=tuple(near(1.0, 0.2) for _ in SEQUENCES),
    )


_SHAPE = (240, 240, 155)
_LOW, _SIZE = np.array([40, 36, 0]), np.array([156, 188, 155])  # mm: the part of the grid that can hold brain
_GRID_CENTRE = np.array([118.0, 130.0, 69.0])  # of the brain, where BraTS 2018 has it
_TEMPLATE_CENTRE = np.array([98.0, 117.0, 77.0])
_DIRECTION = np.array([-1.0, -1.0, 1.0])  # BraTS counts x and y from right and front, the template from left and back
_VENTRICLES = np.array([[113.0, 126.0, 90.0], [83.0, 126.0, 90.0]])  # right and left, in the template
_VENTRICLE_EXTENT = np.array([13.0, 34.0, 17.0])


@dataclass(frozen=True)
class _Template:
    brain: Array  # the maps run from 0 to 1
    white: Array
    fluid: Array
    ventricle: Array
    vein: Array
    pathway: Array  # white matter, blurred: where oedema spreads
    seats: NDArray[np.int64]  # voxels where a tumour may sit


def _move(points: Any, origin: NDArray[Any], target: NDArray[Any], scale: Any) -> Any:
    """Turn coordinates about one centre into coordinates about another, on axes that run the BraTS way or back."""
    return target + (points - origin) * _DIRECTION * scale


@cache
def _template() -> _Template:
    """Read the ICBM152 2009a maps that nilearn carries (Fonov et al. 2011, NeuroImage 54:313)."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template

    white, grey, t1 = (
        np.asarray(load(resolution=1).dataobj, np.float32)
        for load in (load_mni152_wm_template, load_mni152_gm_template, load_mni152_template)
    )
    inside = ndimage.binary_fill_holes(t1 > 0.05)
    white, grey = (ndimage.gaussian_filter(tissue, 0.3) for tissue in (white, grey))
    fluid = np.clip(1 - white - grey, 0, 1)
    # Averaging 152 people blurs every border: the powers give back the contrast of one person.
    total = white**1.7 + grey**1.7 + fluid**1.7 + 1e-6
    white, fluid = white**1.7 / total, fluid**1.7 / total
    depth = ndimage.distance_transform_edt(inside)
    ventricle = ndimage.gaussian_filter(((fluid > 0.5) & (depth > 18)).astype(np.float32), 0.7)
    x, y, z = np.ogrid[: inside.shape[0], : inside.shape[1], : inside.shape[2]]
    falx = 0.6 * fluid * (abs(x - 98) <= 1.5) * (depth < 40) * (z > 80)
    sinus = (abs(x - 98) <= 2) & (depth < 7) & ((z > 110) | ((y < 75) & (z > 70)))
    pathway = ndimage.gaussian_filter(white, 1.5)
    seat = (pathway > 0.6) & (depth > 12) & (abs(x - 98) > 14) & (z > 55) & (z < 122) & ((z > 77) | (y > 99))
    return _Template(
        brain=ndimage.gaussian_filter(inside.astype(np.float32), 1.8),
        white=white,
        fluid=fluid,
        ventricle=ventricle,
        vein=ndimage.gaussian_filter(np.maximum(sinus, falx).astype(np.float32), 0.6),
        pathway=pathway,
        seats=np.argwhere(seat),
    )


def _smooth_noise(rng: np.random.Generator, wavelength: float, axes: list[Array]) -> Array:
    """Return noise of unit variance that varies over some mm, on the grid of three axes: the same at any spacing."""
    counts = [math.ceil(size / wavelength) + 2 for size in _SIZE]
    field = rng.standard_normal(counts, dtype=np.float32)
    for axis, low, count in zip(axes, _LOW, counts, strict=True):
        at = (axis - low) / wavelength + 0.5
        knots = np.broadcast_to(np.arange(count), (len(at), count))
        rows = np.broadcast_to(at[:, None], knots.shape)
        spline = ndimage.map_coordinates(np.eye(count, dtype=np.float32), [rows, knots], order=3, mode="nearest")
        field = np.tensordot(field, spline, axes=(0, 1))  # the axes come round to their places in three turns
    return field


def _sample(volume: Array, points: Array) -> Array:
    sampled: Array = ndimage.map_coordinates(volume, points, order=1, output=np.float32, mode="nearest")
    return sampled


def _push_from(points: Array, centre: NDArray[Any], extent: NDArray[Any] | float, strength: float) -> Array:
    """Return where the tissue that a swelling moved to these points came from."""
    away = points - np.asarray(centre, np.float32)[:, None]
    near = np.exp(-0.5 * np.sum((away.T / np.asarray(extent, np.float32)).T ** 2, axis=0))
    moved: Array = points - np.float32(strength) * near * away
    return moved


def _soft_below(values: Any, limit: Any, width: float) -> Array:
    """Return 1 well below a limit, 0 well above it, and a smooth step over a width between."""
    share: Array = np.clip(0.5 - (values - limit) / np.float32(2 * width), 0, 1)
    return share


def render(patient: Patient, spacing: int) -> Rendered:
    """Return a patient's four volumes by sequence, and the labels (1 core, 2 oedema, 4 enhancing).

    Parameters
    ----------
    patient : Patient
        From :func:`draw_patient`.
    spacing : int
        In-plane size of a voxel in mm, 1 or 2; slices are 1 mm apart either way.
    """
    rng = generator(patient.seed, "phantom", patient.index, "fields")
    axes = [
        np.arange(low, low + size, step, dtype=np.float32) + np.float32((step - 1) / 2)
        for low, size, step in zip(_LOW, _SIZE, (spacing, spacing, 1), strict=True)
    ]
    deformed = np.stack(np.meshgrid(*axes, indexing="ij"))
    for along in deformed:
        along += np.float32(patient.warp) * (_smooth_noise(rng, 40, axes) + 0.4 * _smooth_noise(rng, 14, axes))
    scale = 1 / np.array(patient.scale)
    source = _move(deformed.T, _GRID_CENTRE, _TEMPLATE_CENTRE, scale).T.astype(np.float32)
    mask = _sample(_template().brain, source) > patient.stripping
    places = np.stack([axis[where] for axis, where in zip(axes, np.nonzero(mask), strict=True)])

    def noise(wavelength: float) -> Array:
        return _smooth_noise(rng, wavelength, axes)[mask]

    mixture, labels = _mixture(patient, places, source[:, mask], noise)
    acquired = _acquire(patient, mixture, mask, noise, rng)
    volumes = {sequence: _on_grid(mask, values, spacing) for sequence, values in acquired.items()}
    return volumes, _on_grid(mask, labels, spacing)


def _mixture(
    patient: Patient, places: Array, points: Array, noise: Callable[[float], Array]
) -> tuple[list[tuple[Tissue, Array]], NDArray[np.uint8]]:
    """Return the tissues with the share that each has of every voxel, and the voxels' labels.

    `places` are the voxels' coordinates in the grid, `points` those in the standard brain, before any swelling.
    """
    template = _template()
    seat = np.array(patient.seat)
    source = _move(seat, _GRID_CENTRE, _TEMPLATE_CENTRE, 1 / np.array(patient.scale))
    points = _push_from(points, source, patient.reach * 0.8, patient.mass_effect)
    for centre, swelling in zip(_VENTRICLES, patient.ventricles, strict=True):
        points = _push_from(points, centre, _VENTRICLE_EXTENT, swelling)
    ventricle, pathway = _sample(template.ventricle, points), _sample(template.pathway, points)
    fluid = np.clip(_sample(template.fluid, points) * np.float32(patient.atrophy), 0, 1)
    white = np.minimum(_sample(template.white, points), 1 - fluid)
    vessels = fluid * (1 - ventricle) * _soft_below(-noise(4), -0.8, 0.4)
    blood = np.clip(_sample(template.vein, points) + vessels, 0, 1)

    # An irregular core, and oedema that prefers white matter; neither enters a ventricle or crosses the falx.
    coarse, fine, mottle = noise(13), noise(6), noise(4)
    away = (places - seat[:, None]) / (np.array(patient.shape) * patient.reach)[:, None]
    opposite = (points[0] - _TEMPLATE_CENTRE[0]) * (source[0] - _TEMPLATE_CENTRE[0]) < 0
    distance = np.sqrt(np.sum(away**2, axis=0)).astype(np.float32) + 0.5 * opposite * (1 - pathway)
    distance *= 1 + np.float32(patient.irregularity) * np.clip(coarse + 0.4 * fine, -2, 2)
    spread = np.clip(1 - SPARED * patient.fingers * (1 - pathway) + 0.15 * coarse, 0, 1.2)
    core = _soft_below(distance, patient.core, 0.05) * (1 - ventricle)
    edge = patient.core + (1 - patient.core) * spread
    oedema = _soft_below(distance, edge, 0.08) * (1 - fluid) * (1 - core)
    dead = core * _soft_below(distance + 0.08 * fine, patient.core * patient.necrosis, 0.05)
    living = core - dead
    rank = ndtr((coarse + fine) / np.float32(math.sqrt(2)))  # uniform over 0..1
    uptake = _soft_below(rank, patient.patches, 0.05) * np.clip(1 + 0.35 * mottle, 0.2, 2)
    gadolinium = np.float32(patient.gadolinium) * uptake
    solid_t1, solid_t2 = patient.solid_t1 * (1 + 0.06 * fine), patient.solid_t2 * (1 + 0.10 * mottle)

    labels = np.zeros(len(core), np.uint8)
    labels[oedema > 0.45] = 2
    labels[core > 0.5] = 1
    labels[(living > 0.5) & (gadolinium > LABELLED_GADOLINIUM)] = 4
    healthy = (1 - core - oedema) * (1 - blood)
    mixture = [
        (WHITE, white * healthy),
        (GREY, np.clip(1 - white - fluid, 0, 1) * healthy),
        (FLUID, fluid * healthy),
        (BLOOD, blood * (1 - core - oedema)),
        (OEDEMA._replace(t2=patient.oedema_t2), oedema),
        (NECROTIC, dead),
        (Tissue(SOLID_DENSITY, solid_t1, solid_t2, gadolinium), living),
    ]
    return mixture, labels


def _acquire(
    patient: Patient,
    mixture: list[tuple[Tissue, Array]],
    mask: NDArray[np.bool_],
    noise: Callable[[float], Array],
    rng: np.random.Generator,
) -> dict[str, NDArray[np.int16]]:
    """Return what the site's scanner makes of the voxels inside the mask, by sequence."""
    site = SITES[patient.site]
    lesion = sum(share for _, share in mixture[4:])
    texture = TEXTURE * (0.7 * noise(3.5) + 0.7 * noise(9)) * (1 + lesion)
    volumes = {}
    for sequence, gain in zip(SEQUENCES, patient.gain, strict=True):
        bright = sum(share * signal(sequence, site, patient.timing, tissue) for tissue, share in mixture)
        bright *= np.exp(BIAS * noise(70) + texture) / signal(sequence, site, patient.timing, WHITE)
        if site.thickness and sequence in ("t2", "flair"):
            volume = np.zeros(mask.shape, np.float32)
            volume[mask] = bright
            bright = ndimage.gaussian_filter1d(volume, site.thickness, axis=2)[mask]
        real, imaginary = np.float32(patient.noise) * rng.standard_normal((2, bright.size), dtype=np.float32)
        magnitude = site.gain * gain * np.hypot(bright + real, imaginary)  # Rician: Gudbjartsson & Patz 1995
        volumes[sequence] = np.clip(np.rint(magnitude), 1, 32767).astype(np.int16)
    return volumes


def _on_grid(mask: NDArray[np.bool_], values: NDArray[Any], spacing: int) -> NDArray[Any]:
    """Put the values of the mask's voxels on the whole grid, zero elsewhere."""
    volume = np.zeros((_SHAPE[0] // spacing, _SHAPE[1] // spacing, _SHAPE[2]), values.dtype)
    x, y, z = (slice(low, low + size) for low, size in zip(_LOW // (spacing, spacing, 1), mask.shape, strict=True))
    volume[x, y, z][mask] = values
    return volume
