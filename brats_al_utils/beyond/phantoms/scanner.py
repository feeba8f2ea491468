"""How bright a tissue is in each MRI sequence: its relaxation, and the scanners of the synthetic sites."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Tissue(NamedTuple):
    """Proton density (relative to water), relaxation times (ms) and gadolinium after injection (mM)."""

    density: float
    t1: float | Array
    t2: float | Array
    gadolinium: float | Array = 0.0


# Relaxation of white and grey matter and of fluid: the project's design; of tumours: within the ranges measured
# at 1.5 to 3 T (T1 1200 to 2300 ms, T2 110 to 250 ms). Blood flows, hence its short apparent T2.
WHITE = Tissue(0.70, 678, 87)
GREY = Tissue(0.82, 1297, 89, 0.03)
FLUID = Tissue(1.00, 4000, 1800)
BLOOD = Tissue(0.85, 1550, 70, 1.50)
OEDEMA = Tissue(0.86, 1350, 160)
NECROTIC = Tissue(0.95, 2000, 320)
SOLID_DENSITY = 0.87
RELAXIVITY = 0.0043  # 1/(ms mM): shortening of T1 by gadolinium at 1.5 T


@dataclass(frozen=True)
class Site:
    """A scanner: its timing in ms, and the brightness it gives to white matter in T1."""

    gain: float
    t1: tuple[float, float]  # repetition and echo time, for t1 and t1ce
    t2: tuple[float, float]
    flair: tuple[float, float, float]  # repetition, echo and inversion time
    thickness: float  # mm, blur of T2 and FLAIR along z (standard deviation)


SITES = {
    "SYN1": Site(400.0, (550, 10), (4500, 95), (9000, 110, 2500), 0.0),
    "SYN2": Site(130.0, (450, 9), (3500, 85), (8500, 100, 2400), 1.3),
    "SYN3": Site(1500.0, (650, 14), (5500, 105), (10000, 125, 2550), 0.7),
    "SYN4": Site(9800.0, (500, 12), (4000, 100), (9000, 120, 2450), 1.0),
}


def relaxed(t1: Any, gadolinium: Any) -> Any:
    """Return the T1 (ms) of a tissue that holds a concentration (mM) of gadolinium."""
    return 1 / (1 / t1 + RELAXIVITY * gadolinium)


def spin_echo(density: Any, t1: Any, t2: Any, repetition: float, echo: float) -> Any:
    """Return the signal of a spin-echo sequence: density (1 - exp(-TR/T1)) exp(-TE/T2). All times in ms."""
    return density * (1 - np.exp(-repetition / t1)) * np.exp(-echo / t2)


def inversion_recovery(density: Any, t1: Any, t2: Any, repetition: float, echo: float, inversion: float) -> Any:
    """Return the magnitude after an inversion: density |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2). Times in ms."""
    recovered = 1 - 2 * np.exp(-inversion / t1) + np.exp(-repetition / t1)
    return density * np.abs(recovered) * np.exp(-echo / t2)


def signal(sequence: str, site: Site, timing: float, tissue: Tissue) -> Any:
    """Return what a site measures of a tissue; its repetition and echo times are those of the site times ``timing``."""
    if sequence == "flair":
        repetition, echo, inversion = site.flair
        return inversion_recovery(*tissue[:3], repetition, timing * echo, inversion)
    repetition, echo = site.t2 if sequence == "t2" else site.t1
    t1 = relaxed(tissue.t1, tissue.gadolinium) if sequence == "t1ce" else tissue.t1
    return spin_echo(tissue.density, t1, tissue.t2, timing * repetition, timing * echo)
