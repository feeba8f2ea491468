"""Compute a run."""

import os
import platform
import subprocess
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brats_al_utils import InputError, __version__
from brats_al_utils.cohorts.cohort import threads
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.cohorts.split import PARTS, check_split
from brats_al_utils.networks.audit import Hidden, audit_predictions, hide
from brats_al_utils.networks.network import build, normalisation
from brats_al_utils.networks.training import Images, features, finetune, predict
from brats_al_utils.runs.run import PREDICTED, Result, Run


def compute_run(
    run: Run, slices: SliceSet, device: torch.device, after_epoch: Callable[[int], None] = lambda epoch: None
) -> Result:
    """Compute a run, on as many threads as its settings say.

    Raises
    ------
    InputError
        If the run belongs to another slice set, or a patient is in two of its parts.
    """
    if run.data != slices.fingerprint:
        raise InputError(f"{slices.folder}: fingerprint {slices.fingerprint}, expected {run.data}: open the run's set")
    check_split(
        slices.table.iloc[np.concatenate([run.ids(part) for part in PARTS])].assign(
            part=np.repeat(PARTS, [len(run.ids(part)) for part in PARTS])
        )
    )
    with threads(run.settings.threads):
        return trained(run, slices, device, after_epoch)


def trained(run: Run, slices: SliceSet, device: torch.device, after_epoch: Callable[[int], None]) -> Result:
    """Train and evaluate a run's network, and return the result."""
    started = time.perf_counter()
    network = build(run.start, run.weights_seed, run.freeze, run.network).to(device)
    expected = normalisation(run.start, run.network)
    images = Images.load(slices.pixels, slices.table["label"].to_numpy(), expected, device)
    arrays = {}

    def told(epoch: int) -> None:
        if epoch == run.settings.epochs:
            arrays["probability/test_last"] = predict(network, images, run.ids("test"))
        after_epoch(epoch)

    history = finetune(network, images, run.ids("training"), run.ids("validation"), run.settings, run.order_seed, told)
    arrays |= {"train_loss": history.train_loss, "validation_auc": history.validation_auc}
    known = {"validation": history.validation}
    if history.best_epoch == run.settings.epochs:
        known["test"] = arrays["probability/test_last"]
    for part in PREDICTED:
        arrays[f"probability/{part}"] = known[part] if part in known else predict(network, images, run.ids(part))
    if "features" in run.views:
        arrays["views/features"] = features(network, images, run.ids("pool")).astype(np.float16)
    if slices.masked:
        shown = audit_predictions(network, images, hidden(slices, run.ids("test")))
        arrays |= {f"audit/{name}": values for name, values in shown.items()}
    return Result(run, arrays, history.best_epoch, time.perf_counter() - started, facts(device))


LAST_HIDDEN: dict[tuple[str, bytes], Hidden] = {}
"""The audit's images of the last run: most runs of a study share their test slices, and hiding tumours takes time."""


def hidden(slices: SliceSet, ids: np.ndarray[Any, Any]) -> Hidden:
    """Return the audit's images of some slices; those of the previous run are reused."""
    key = (slices.fingerprint, ids.tobytes())
    if key not in LAST_HIDDEN:
        LAST_HIDDEN.clear()
        LAST_HIDDEN[key] = hide(slices, ids)
    return LAST_HIDDEN[key]


def facts(device: torch.device) -> dict[str, str]:
    """Return facts that do not determine a result, but may explain it."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
        "threads": str(torch.get_num_threads()),
        "brats_al_utils": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
    }


OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""Variables that git sets for hooks: a process started by a hook would ask the hook's repository."""


@lru_cache(maxsize=1)
def commit() -> str:
    """Return the git commit of this package's checkout, with a plus sign if it has changes.

    It is ``unknown`` without a checkout: also in a copy that lies within another repository.
    """
    package = Path(__file__).resolve().parents[1]

    def git(*words: str) -> list[str]:
        # git refuses the checkout of another user, unless it is declared safe; its code is running already.
        command = ["git", "-C", str(package), "-c", f"safe.directory={package.parent}", *words]
        ours = {name: value for name, value in os.environ.items() if name not in OF_A_HOOK}
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, env=ours)  # noqa: S603
        return done.stdout.splitlines()

    try:
        (top, head), changed = git("rev-parse", "--show-toplevel", "HEAD"), git("status", "--porcelain", ".")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    if Path(top).resolve() != package.parent:
        return "unknown"
    return f"{head}+" if changed else head
