"""Run a study's notebooks in order: prepare data, train missing runs, draw."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from brats_al_utils import InputError
from brats_al_utils.beyond.arms import NOTEBOOKS, arms_of
from brats_al_utils.beyond.bundles.published import read_bundle, resume
from brats_al_utils.beyond.cost import Cost, calibrate, left, seconds
from brats_al_utils.files import lock
from brats_al_utils.networks.network import initial_state
from brats_al_utils.networks.training import choose_device
from brats_al_utils.runs.scheduler import device_of, workers_of
from brats_al_utils.runs.shared import shared_workers
from brats_al_utils.show import kernels, notebooks
from brats_al_utils.study.arms import DATASETS
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.stages import Row, advance, each_once, plan, record, title_of, write_rows
from brats_al_utils.study.status import duration, remember
from brats_al_utils.study.study import Study


def drive(parameters: Mapping[str, Any], only: Sequence[str], bundle: Path | None = None) -> None:
    """Execute all or some notebooks, and report on their progress.

    Parameters
    ----------
    parameters : mapping of str to object
        Of every notebook, and of `opening.open_study`.
    only : sequence of str
        Numbers or names of the notebooks; none for all.
    bundle : Path or None
        Of this study: what it holds is not trained again.

    Raises
    ------
    InputError
        If the study cannot be opened, or a notebook fails.
    """
    paths = notebooks.find(NOTEBOOKS, only)
    names = [path.stem for path in paths]
    if bundle:
        read_bundle(bundle)  # a wrong one is refused before anything is prepared
    study = open_study(**parameters)
    arms = arms_of(study.profile, names)
    for start, network in dict.fromkeys((arm.start, arm.network) for arm in arms if arm.network):
        try:
            initial_state(start, network)  # as `open_study` does for the study's own network
        except InputError as error:
            raise InputError(f"{error}; or leave {network} out of the setting other_networks") from error
    places = study.places
    kernels.prepare()
    with lock(places.driver):
        for note in study.cohort.notes:
            print(f"note: {note}")
        for dataset in dict.fromkeys([DATASETS[0], *(arm.dataset for arm in arms)]):
            study.slice_set(dataset)  # cut or found before anything is said of it
        if bundle:
            new, held = resume(bundle, study)
            print(f"{new} of the {held} runs of {bundle} are new here")
            study = open_study(**parameters)  # with what was chosen by networks that are not in it
        remember(places, parameters, names)
        print(f"profile {study.profile.name}: {study.cohort_name}, {len(study.slices.table)} slices; ", end="")
        print(f"outputs in {places.outputs}", flush=True)
        planned = advance if bundle else plan  # what was trained elsewhere has chosen slices
        tables = {name: planned(study, NOTEBOOKS[name](study.profile)) for name in names}
        for rows in tables.values():
            write_rows(places, title_of(rows), [record(row) for row in each_once(rows)], anew=bool(bundle))
        ahead = said_ahead(study, tables)
        with shared_workers(parameters["workers"], study.device) as address:
            shared = {"workers": address, "device": device_of(study.workers, study.device)}
            failures = notebooks.execute_all(paths, {**parameters, **shared}, places, ahead)
        print(f"figures and tables in {places.figures}")
        if failures:
            raise InputError(f"{', '.join(failures)} not finished: fix what is said above; the same command resumes")
        remember(places, parameters, names, finished=True)


def said_ahead(study: Study, tables: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """Print how many runs are to be trained, and return it for each notebook; empty if there are none."""
    parts = left(study.places, tables)
    total = Cost(*map(sum, zip(*map(astuple, parts.values()), strict=True)))
    if not total.distinct:
        print(f"{len(tables)} notebooks, nothing to train", flush=True)
        return {}
    local = "://" not in study.workers and choose_device(study.device).type == "cpu"  # a GPU is left to the workers
    rates = calibrate(study.profile, study.device) if local else None
    workers = workers_of(study.workers, study.device) if local else 1

    def said(part: Cost) -> str:
        if not part.distinct:
            return "nothing to train"
        about = f", about {duration(seconds(part, rates, workers))}" if rates else ""
        return f"{part.distinct} {'runs' if part.distinct > 1 else 'run'} to train{about}"

    print(f"{len(tables)} notebooks, {said(total)}", flush=True)
    return {name: said(part) for name, part in parts.items()}
