"""The LGG set in the layout in which it was published, from the JPEG copy or made up."""

import csv
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 40


def write_published(copy: Path, root: Path, persons: int = 110) -> Path:
    """Write some persons of the JPEG copy, whose index.csv names images and masks, in the published layout.

    Return its folder kaggle_3m.
    """
    with (copy / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = list(dict.fromkeys(row["person"] for row in rows))[:persons]
    place = root / "kaggle_3m"
    for row in rows:
        if row["person"] not in chosen:
            continue
        name = f"{row['person']}_20000101"
        target = place / name / f"{name}_{row['z']}"
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(copy / row["image"]) as image:
            mask = Image.new("L", image.size)
        shutil.copyfile(copy / row["image"], f"{target}.jpg")
        if row["mask"]:
            with Image.open(copy / row["mask"]) as found:
                mask = found.convert("L")
        mask.save(f"{target}_mask.tif")
    write_grades(place, {row["person"]: row["grade"] for row in rows if row["person"] in chosen})
    return place


def write_grades(place: Path, grades: dict[str, str], sign: str = ";") -> None:
    """Write data.csv as published, 1 for grade II and 2 for III."""
    lines = [("Patient", "neoplasm_histologic_grade", "gender")]
    lines += [(name, {"II": "1", "III": "2"}.get(grade, ""), "1") for name, grade in grades.items()]
    (place / "data.csv").write_text("\n".join(map(sign.join, lines)) + "\n", encoding="utf-8")


def write_made_up(root: Path, grades: Iterable[str], slices: int = 6, size: int = SIZE) -> Path:
    """Write persons of some grades in the published layout: in each, slices 2 to 4 have a tumour, bright in FLAIR."""
    place, rng, known = root / "kaggle_3m", np.random.default_rng(0), {}
    for number, grade in enumerate(grades):
        known[f"TCGA_{('CS', 'DU')[number % 2]}_{4000 + number}"] = grade
    for person in known:
        name = f"{person}_19990101"
        (place / name).mkdir(parents=True)
        for z in range(1, slices + 1):
            pixels = np.zeros((size, size, 3))
            pixels[5:-5, 5:-5] = rng.normal(100, 8, (size - 10, size - 10, 3))
            mask = np.zeros((size, size), np.uint8)
            if 2 <= z <= 4:
                mask[12:22, 14:24] = 255
                pixels[mask > 0] += (0, 90, 20)
            Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)).save(place / name / f"{name}_{z}.tif")
            Image.fromarray(mask).save(place / name / f"{name}_{z}_mask.tif")
    write_grades(place, known)
    return place
