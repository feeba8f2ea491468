"""Verify a published study: runs drawn from its bundle are trained again, and compared slice by slice."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brats_al_utils import InputError
from brats_al_utils.beyond.arms import NOTEBOOKS, arms_of
from brats_al_utils.beyond.bundles.bundle import OF_SLICES, ROUNDING
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.networks.training import auc
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.runs.store import RunStore, checksum
from brats_al_utils.seeds import generator
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.places import Places
from brats_al_utils.study.stages import advance, compute_missing, plan, selections_of
from brats_al_utils.study.study import Study

TOLERANCE = 1e-3
"""Largest difference of a probability, and of an AUC, that counts as rounding.

Another processor, library or number of threads adds numbers in another order, which changes the seventh digit of a sum;
this difference grows with every step of a training. An AUC goes by ranks, and where a network says nearly the same of
all slices, less may turn it round.
"""

VERDICTS = ("same to the bit", "same to rounding", "differs")
"""All verdicts, the best one first."""

EXPLAINS = ("device", "numpy", "torch", "torchvision")
"""Facts of a run that may explain a difference: a GPU draws other dropout masks, other versions may round otherwise."""


@dataclass(frozen=True)
class Repeated:
    """A run that was trained again.

    Attributes
    ----------
    key, name : str
    verdict : str
        One of ``VERDICTS``.
    largest : float
        Largest difference of a probability to the bundle's.
    aucs : dict of str to (float, float)
        Slice-level AUC in the bundle and here, by part.
    chosen : tuple of int
        Number of slices chosen by this network (with others), and how many of them were chosen again; 0 for networks
        that choose none.
    others : dict of str to (str, str)
        Facts of ``EXPLAINS`` that differ: in the bundle, and here.
    """

    key: str
    name: str
    verdict: str
    largest: float
    aucs: dict[str, tuple[float, float]]
    chosen: tuple[int, int]
    others: dict[str, tuple[str, str]]


def verify(published: Study, study: Study, runs: int, seed: int) -> list[Repeated]:
    """Train some random runs of a bundle again, and compare them with the bundle's results.

    Parameters
    ----------
    published : Study
        The unpacked bundle.
    study : Study
        The same study with its images; its store is neither read nor changed.
    runs : int
        Number of runs; all if there are fewer.
    seed : int
        Seed of the draw.

    Raises
    ------
    InputError
        If the images or the slices cut from them differ, or a training fails.
    """
    named = names_of_runs(published)
    keys = generator(seed, "verify").permutation(sorted(named))[:runs].tolist()
    drawn = {key: named[key] for key in keys}
    here: dict[str, tuple[str, Run]] = {}
    for dataset, slices in published.opened.items():
        of_set = {key: (name, run) for key, (name, run) in drawn.items() if run.data == slices.fingerprint}
        if not of_set:
            continue
        own = study.slice_set(dataset)
        if own.images != slices.images:  # masks apart: fingerprints of format 3 do not include them
            raise InputError(
                f"differs: the {dataset} slice set has fingerprint {own.images[:12]} here, expected "
                f"{slices.images[:12]}: other images, or they were cut in another way"
            )
        here |= {key: (name, replace(run, data=own.fingerprint)) for key, (name, run) in of_set.items()}
    with tempfile.TemporaryDirectory(prefix="brats-al-") as folder:
        elsewhere = replace(study, places=Places(study.places.figures, Path(folder)))
        compute_missing(elsewhere, list(here.values()), "runs")
        again = {key: result for key, (_, run) in here.items() if (result := elsewhere.store.load(run))}
        chosen = chosen_again(published, {key: replace(again[key], run=run) for key, (_, run) in drawn.items()})
    return [repeated(published, name, run, again[key], chosen.get(key, (0, 0))) for key, (name, run) in drawn.items()]


def arms_with_sets(published: Study) -> list[Arm]:
    """Return the arms of all notebooks whose slice sets are in a bundle."""
    return [arm for arm in arms_of(published.profile, NOTEBOOKS) if arm.dataset in published.opened]


def names_of_runs(published: Study) -> dict[str, tuple[str, Run]]:
    """Return the runs of the study's plan that are in the bundle, with their names, by key."""
    arms = arms_with_sets(published)
    rows = [*plan(replace(published, selections={}), arms), *advance(published, arms)]
    found = {row.run.key: (row.name, row.run) for row in rows if row.known and published.store.holds(row.run)}
    if not found:
        raise InputError("the bundle has no run of its study's plan, expected some: export it again")
    return found


def repeated(published: Study, name: str, run: Run, again: Result, chosen: tuple[int, int]) -> Repeated:
    """Compare a run that was trained again with the bundle's."""
    before = published.store.load(run)
    if before is None:
        raise InputError(f"{name} is missing: unpack the bundle again")
    pairs = {each: (before.arrays[each], again.arrays[each]) for each in OF_SLICES if each in before.arrays}
    largest = max(float(np.abs(one - two).max(initial=0)) for one, two in pairs.values())
    table = next(slices.table for slices in published.opened.values() if slices.fingerprint == run.data)
    label = table["label"].to_numpy()
    aucs = {}
    for part in PARTS[1:]:
        if not run.ids(part).size:  # networks that only choose slices may have no test slices
            continue
        one, two = (auc(label[run.ids(part)], values) for values in pairs[f"probability/{part}"])
        aucs[part] = (one, two)
    same_choice = chosen[0] == chosen[1]
    furthest = max([largest, *(abs(one - two) for one, two in aucs.values())])
    if checksum(again.arrays, {}) == before.facts.get("sha256") and largest <= ROUNDING and same_choice:
        verdict = VERDICTS[0]
    else:
        verdict = VERDICTS[1] if furthest <= TOLERANCE and same_choice else VERDICTS[2]
    facts = {each: tuple(one.facts.get(each, "unknown") for one in (before, again)) for each in EXPLAINS}
    others = {each: (there, here) for each, (there, here) in facts.items() if there != here}
    return Repeated(run.key, name, verdict, largest, aucs, chosen, others)


def sentence(run: Repeated) -> str:
    """Return the comparison of a run in words."""
    aucs = ", ".join(f"{part} AUC {one:.4f}, here {two:.4f}" for part, (one, two) in run.aucs.items())
    choice = f"; {run.chosen[1]} of {run.chosen[0]} slices chosen again" if run.chosen[0] else ""
    apart = f" (largest difference {run.largest:.1g})" if run.verdict != VERDICTS[0] else ""
    others = "".join(f"; {name} {there}, here {here}" for name, (there, here) in run.others.items())
    return f"{run.key[:12]}  {run.verdict}{apart}: {run.name}; {aucs}{choice}{others}"


def chosen_again(published: Study, again: Mapping[str, Result]) -> dict[str, tuple[int, int]]:
    """Return, for each network that chooses slices, how many it chose in the bundle, and how many of them again.

    For members of a committee that were not trained again, the bundle's outputs are used.
    """
    counts: dict[str, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory(prefix="brats-al-") as folder:
        store = RunStore(Path(folder) / "runs")
        store.folder.mkdir()
        for path in published.store.folder.glob("*.safetensors"):
            (store.folder / path.name).symlink_to(path)
        for result in again.values():
            store.save(result)
        here = replace(published, places=Places(published.places.figures, Path(folder)), selections={})
        arms = arms_with_sets(published)
        before, anew = advance(published, arms), selections_of(advance(here, arms))
        for row in before:
            if row.member and row.run.key in again and not row.selection.left:
                of_new = anew[row.arm, row.number]
                common = 0 if of_new.left else len(np.intersect1d(row.selection.chosen, of_new.chosen))
                all_of_them, same = counts.get(row.run.key, (0, 0))
                counts[row.run.key] = (all_of_them + len(row.selection.chosen), same + common)
    return counts
