"""A table of made-up pictures as a cohort, and made-up results in place of trainings."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from brats_al_utils.beyond.arms import explored
from brats_al_utils.runs import engine
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.runs.store import RunStore
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.stages import train
from brats_al_utils.study.study import Study

PERSONS, IMAGES, SIZE = 18, 4, 40


def write_cohort(root: Path, masked: bool, person: str = "s", both: bool = False) -> Path:
    """Write a table of as many benign as malignant persons, of two ids each; their names begin as is said.

    With ``both``, a person's images are benign and malignant in turns, but a third of the persons' benign.
    """
    (root / "images").mkdir(parents=True)
    rng, rows = np.random.default_rng(0), ["patient_id,label,image,mask,group"]
    tumour = np.zeros((SIZE, SIZE), np.uint8)
    tumour[12:22, 14:24] = 255
    Image.fromarray(tumour).save(root / "images" / "mask.png")
    for number in range(PERSONS * IMAGES):
        who = number // IMAGES
        pixels = np.full((SIZE, SIZE), 20.0)
        pixels[5:35, 5:35] = rng.normal(100, 8, (30, 30))
        pixels[tumour > 0] += 60
        Image.fromarray(pixels.round().astype(np.uint8)).save(root / "images" / f"{number}.png")
        label = ("benign", "malignant")[number % 2 * (who % 3 > 0) if both else who % 2]
        mask = "images/mask.png" * (masked and not (both and label == "benign"))
        rows.append(f"s{who}-{number % 2},{label},images/{number}.png,{mask},{person}{who}")
    (root / "cohort.csv").write_text("\n".join(rows), encoding="utf-8")
    return root


def made_up(run: Run) -> Result:
    """Return a result drawn by the run's key."""
    rng = np.random.default_rng(int(run.key[:12], 16))
    arrays = {f"probability/{part}": rng.random(len(run.ids(part))) for part in ("validation", "test", "pool")}
    tested, pool = len(run.test), len(run.pool)
    arrays |= {name: rng.random(tested) for name in ("probability/test_last", "audit/tumour_hidden")}
    arrays |= {"audit/tumour_alone": rng.random(tested)}
    arrays |= {name: rng.random(run.settings.epochs) for name in ("train_loss", "validation_auc")}
    arrays |= {f"views/{view}": rng.random((pool, 6)).astype(np.float16) for view in run.views}
    return Result(run, arrays, 1, 1.0, {})


def distribute(named: list[tuple[str, Run]], store: RunStore, *more: Any) -> dict[str, str]:
    """Stand in for `engine.distribute`."""
    store.folder.mkdir(parents=True, exist_ok=True)
    for _, run in named:
        store.save(made_up(run))
    return {}


def explored_study(data: Path, out: Path) -> Study:
    """Open a study of a cohort in which every run that notebook 09 shows is there, made up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "distribute", distribute)
        study = open_study("smoke", data, out, device="cpu")
        train(study, explored(study.profile))
    return study


DEFAULTS = {"freeze": False, "learned": True, "network": "", "with_labelled": False, "iterative": False}


def of_a_study(*frames: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return runs, scores and costs with the columns that a test has left out, as `scorecard` takes them."""
    columns = [
        ["arm", "seed", "key", "dataset", "start", "strategy", "share", "examples", *DEFAULTS],
        ["key", "part", "patient_id", "label", "score"],
        ["arm", "dataset", "seed", "chosen", "annotated", "share"],
    ]
    runs, scores, cost = (
        frame.reindex(columns=[*dict.fromkeys([*names, *frame])]) for frame, names in zip(frames, columns, strict=True)
    )
    for name, value in DEFAULTS.items():
        runs[name] = runs[name].astype(object).where(runs[name].notna(), value)
    return runs, scores, cost
