"""The cost of a study: runs, image passes, and time on this machine by a short calibration."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from brats_al_utils import InputError
from brats_al_utils.beyond.phantoms.phantom import grade_of, indices_of_test
from brats_al_utils.cohorts.cohort import Cohort, threads
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.cohorts.split import PARTS, split_patients
from brats_al_utils.networks.network import build
from brats_al_utils.networks.training import Images, choose_device, finetune, predict
from brats_al_utils.runs.scheduler import WORKER_MEMORY, workers_of
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.places import Places
from brats_al_utils.study.profile import Profile
from brats_al_utils.study.stages import Row, each_once, record
from brats_al_utils.study.status import duration, every_row, place_of
from brats_al_utils.study.study import Study

BRATS_2019 = {"HGG": 259, "LGG": 76}
CALIBRATION_STEPS = 4

SOONER = 0.9
"""Another arithmetic is mentioned if it takes less than this share of the time."""


@dataclass(frozen=True)
class Cost:
    """The cost of the runs of some notebooks.

    Attributes
    ----------
    asked, distinct : int
        Number of runs that the notebooks need, and of distinct ones.
    training_images, evaluation_images : int
        Image passes of the distinct runs: forward and backward, and forward only.
    """

    asked: int
    distinct: int
    training_images: int
    evaluation_images: int


def counted(profile: Profile) -> Cohort:
    """Return a cohort without files, of the size of a profile's synthetic cohort or, if it has none, of BraTS 2019.

    Raises
    ------
    InputError
        If the profile is for a cohort with other classes.
    """
    if (profile.classes or profile.task) and not profile.patients:
        raise InputError(
            f"profile {profile.name} has the classes {', '.join(profile.classes) or 'of a task'}, of which how many "
            "patients there are is not known: name the cohort's folder (--data DIR)"
        )
    grades = [grade_of(number) for number in range(profile.patients)] or [
        grade for grade, count in BRATS_2019.items() for _ in range(count)
    ]
    tested = [grade_of(number) for number in indices_of_test(profile.test_patients)]
    names = [f"{number:04}" for number in range(len(grades) + len(tested))]
    cases = pd.DataFrame({"patient_id": names, "class_name": grades + tested})
    if tested:
        cases["part"] = [""] * len(grades) + [PARTS[2]] * len(tested)
    return Cohort(Path(), cases, (), {})


def counted_study(profile: Profile, data: Cohort | None = None) -> Study:
    """Return the study of a cohort (default: that of `counted`), without pixels and results.

    It plans as many runs as the real study. Patients count with all slices that are asked for, even if their files have
    a problem or hold fewer.
    """
    cohort = data or counted(profile)
    split = split_patients(cohort.cases, cohort.classes, profile.split_seed).set_index("patient_id")
    synthetic, sets = cohort.synthetic if data else profile.patients > 0, {}
    for dataset in DATASETS:
        rule = profile.slice_rule(balanced=dataset == "balanced")
        table = cohort.cases.loc[cohort.cases.index.repeat(cohort.asked(rule)), ["patient_id", "class_name"]]
        table = table.assign(part=table["patient_id"].map(split["part"])).reset_index(drop=True)
        manifest = {"fingerprint": dataset, "synthetic": synthetic, "classes": list(cohort.classes)}
        sets[dataset] = SliceSet(Path(), manifest, table, np.empty(0), np.empty(0))
    # In a folder that cannot exist, nothing is stored.
    places = Places.of(profile.name, Path(os.devnull) / "planned")
    return Study(profile, places, cohort, opened=sets)


def slices_by_part(study: Study) -> dict[str, dict[str, int]]:
    """Return the number of slices by set and part."""
    return {name: {part: len(study.ids(name, part, 0)) for part in PARTS} for name in DATASETS}


def cost(*tables: Sequence[Row]) -> Cost:
    """Return the cost of the runs of some notebooks, from the table of each."""
    asked = [row for rows in tables for row in each_once(rows)]
    distinct = {row.same: row.run for row in asked}.values()
    return Cost(
        asked=len(asked),
        distinct=len(distinct),
        training_images=sum(run.images for run in distinct),
        evaluation_images=sum(run.evaluation_images for run in distinct),
    )


def left(places: Places, tables: Mapping[str, Sequence[Row]]) -> dict[str, Cost]:
    """Return what each notebook will train, by its name: runs that are neither stored nor trained for one before.

    No result is opened: by the study's table, nothing is left of an arm whose own training is stored.
    """
    stored = {path.stem for path in places.runs.glob("*.safetensors")}
    kept = [row for row in every_row(places) if row["key"] in stored]
    done = {place_of(row) for row in kept} | {row.get("of") for row in kept if row.get("trains") == "arm"}
    seen: set[tuple[object, ...]] = set()
    found = {}
    for name, rows in tables.items():
        new = [row for row in rows if row.same not in seen and row.run.key not in stored]
        new = [row for row in new if not done & {(written := record(row))["of"], place_of(written)}]
        seen |= {row.same for row in new}
        found[name] = cost(new)
    return found


def seconds(part: Cost, rates: tuple[float, float], workers: int) -> float:
    """Return the duration of some runs, from the images per second of a worker in training and in evaluation."""
    return (part.training_images / rates[0] + part.evaluation_images / rates[1]) / workers


def forecast(study: Study, tables: Mapping[str, Sequence[Row]], device: str) -> dict[str, Any]:
    """Return the cost of a study on this machine, as values for JSON."""
    total = cost(*tables.values())
    rates, workers = calibrate(study.profile, device), workers_of("", device)
    other = replace(study.profile, arithmetic="bfloat16")
    sooner = calibrate(other, device) if other != study.profile and has_bfloat16(device) else rates
    return {
        "profile": asdict(study.profile),
        "slices": slices_by_part(study),
        "notebooks": {name: asdict(cost(rows)) for name, rows in tables.items()},
        "total": asdict(total),
        "training_images_per_second": round(rates[0], 1),
        "evaluation_images_per_second": round(rates[1], 1),
        "workers": workers,
        "worker_bytes": WORKER_MEMORY,
        "hours": round(seconds(total, rates, workers) / 3600, 5),
        "hours_in_bfloat16": round(seconds(total, sooner, workers) / 3600, 5),
    }


def has_bfloat16(device: str) -> bool:
    """Return whether training uses a processor with instructions for bfloat16."""
    able = torch.cpu.get_capabilities()
    return choose_device(device).type == "cpu" and any(able.get(name) for name in ("avx512_bf16", "amx_bf16"))


def said(facts: Mapping[str, Any]) -> list[str]:
    """Return a forecast in words, as lines."""
    total, speeds = facts["total"], (facts["training_images_per_second"], facts["evaluation_images_per_second"])
    lines = [
        f"{name:<28} {part['asked']:>4} runs asked for, {part['training_images']:>10,} images to train on"
        for name, part in facts["notebooks"].items()
    ]
    lines.append(
        f"{total['distinct']} distinct runs of {total['asked']}, {total['training_images']:,} image passes of training "
        f"and {total['evaluation_images']:,} of evaluation: about {duration(3600 * facts['hours'])} on this machine "
        f"with {facts['workers']} workers of {WORKER_MEMORY / 2**30:.1f} GiB ({speeds[0]:.0f} and {speeds[1]:.0f} "
        "images/s each)"
    )
    if facts["hours_in_bfloat16"] < SOONER * facts["hours"]:
        lines.append(
            f"in bfloat16 (--set arithmetic=bfloat16): about {duration(3600 * facts['hours_in_bfloat16'])}; "
            "docs/running.md says what else it changes"
        )
    return lines


def calibrate(profile: Profile, device: str = "auto") -> tuple[float, float]:
    """Return the images per second of one worker in training and in evaluation, from a few steps on random images."""
    where = choose_device(device)
    rng = np.random.default_rng(0)
    count = CALIBRATION_STEPS * profile.batch_size
    pixels = rng.integers(0, 256, (count, 3, profile.image_size, profile.image_size), dtype=np.uint8)
    images = Images.load(pixels, np.arange(count) % 2, ((0.0,) * 3, (1.0,) * 3), where)
    network = build("scratch", 0, network=profile.network).to(where)
    ids = np.arange(count)
    settings = profile.training_settings(epochs=1)
    with threads(settings.threads):
        finetune(network, images, ids, ids, settings, 0)  # not timed: the first steps also allocate memory
        started = time.perf_counter()
        predict(network, images, ids)  # it waits for the GPU, as it returns numbers
        evaluation = time.perf_counter() - started
        started = time.perf_counter()
        finetune(network, images, ids, ids, settings, 0)
        training = time.perf_counter() - started - evaluation
    return count / training, count / evaluation
