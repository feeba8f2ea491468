"""TCIA's collections in their exact layout, from made-up volumes, with what others stumble over."""

import shutil
from pathlib import Path

import numpy as np
from conftest import SHAPE, write_volume

GBM, LGG = (f"Pre-operative_TCGA_{name}_NIfTI_and_Segmentations" for name in ("GBM", "LGG"))


def write_volumes(folder: Path, names: list[str], mask: str, seed: int) -> None:
    """Write sequences of floats with a negative background and a skull round the brain, and a mask of floats."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    radius = x**2 + y**2 + z**2
    tumour = np.zeros(SHAPE, np.float32)
    tumour[10:18, 12:20, 6:18], tumour[12:16, 14:18, 8:16] = 2, 4
    for number, name in enumerate(names):
        signal = rng.normal(10 + number, 1, SHAPE) + 8 * (tumour > 0)
        head = np.where(radius < 0.8, signal, np.where(radius < 1, 4.0, -5.0))
        write_volume(folder / f"{name}.nii.gz", np.where(radius < 1, head, -5.0).astype(np.float32))
    write_volume(folder / f"{mask}.nii.gz", tumour)


def write_tcga(root: Path) -> Path:
    """Write four patients of GBM and of LGG; one was scanned twice, the mask of one is nobody's correction."""
    for number in range(8):
        name = f"TCGA-{('02', '06', '76')[number % 3]}-{number:04}" if number < 4 else f"TCGA-DU-A{number:03}"
        home = root / (GBM if number < 4 else LGG) / name
        for date in ["1996.08.23", *["1999.01.01"] * (number == 0)]:
            scan = f"{name}_{date}"
            mask = f"{scan}_GlistrBoost" + "_ManuallyCorrected" * (number != 1)
            write_volumes(home, [f"{scan}_{kind}" for kind in ("t1", "t1Gd", "t2", "flair")], mask, number)
            if number != 1:
                shutil.copy(home / f"{mask}.nii.gz", home / f"{scan}_GlistrBoost.nii.gz")
    return root


def write_ucsf(root: Path) -> Path:
    """Write four patients of grade 4, one of 3, three of 2 and a follow-up; the metadata names a patient more."""
    place = root / "UCSF-PDGM-v3"
    lines = ["ID,WHO CNS Grade,IDH,BraTS21 ID"]
    for number in range(4, 12):
        name = f"UCSF-PDGM-{number:04}"
        kinds = [f"{kind}{bias}" for kind in ("T1", "T1c", "T2", "FLAIR") for bias in ("", "_bias")]
        home = place / f"{name}_nifti"
        write_volumes(home, [f"{name}_{kind}" for kind in [*kinds, "SWI"]], f"{name}_tumor_segmentation", number)
        shutil.copy(home / f"{name}_T1.nii.gz", home / f"{name}_brain_segmentation.nii.gz")
        grade = 4 if number < 8 else 3 if number == 8 else 2
        idh = "wildtype" if number < 8 else ("IDH1 p.R132H", "mutated (NOS)", "IDH2 p.R172K")[number % 3]
        lines.append(f"UCSF-PDGM-{number:03},{grade},{idh},")
    write_volumes(place / "UCSF-PDGM-0004_FU016d_nifti", ["UCSF-PDGM-0004_FU016d_T1"], "UCSF-PDGM-0004_FU016d_x", 0)
    lines += ["UCSF-PDGM-541,4,wildtype,BraTS2021_00001", "UCSF-PDGM-009_FU016d,4,wildtype,"]
    (root / "UCSF-PDGM-metadata_v2.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root
