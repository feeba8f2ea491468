"""One training and what came of it: `Run` says what decides the result, `RunStore` keeps the results."""

import json
import platform
import subprocess
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from brats_al_utils import InputError, __version__
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.cohorts.split import PARTS, check_split
from brats_al_utils.files import write_file
from brats_al_utils.networks.network import build, normalisation
from brats_al_utils.networks.training import (
    Images,
    Settings,
    augmented_predictions,
    dropout_layers,
    dropout_predictions,
    features,
    finetune,
    predict,
)
from brats_al_utils.seeds import integer

PROTOCOL = 2
"""Part of every run's key; raised when the same run no longer gives the same result."""

PREDICTED = (*PARTS[1:], "pool")
"""Slices of which a run stores the probability."""

DROPOUT_PASSES = 20
VIEW_PASSES = {"dropout": DROPOUT_PASSES, "augmented": 8, "features": 1}
"""What a run can store of its pool beside the probability, and how many passes over the pool it takes (with dropout,
of the last layers alone)."""


@dataclass(frozen=True)
class Run:
    """Everything that decides the result of one training; what only decides where and how fast is not here.

    Attributes
    ----------
    data : str
        Fingerprint of the slice set.
    training, validation, test : tuple of int
        Ids of slices in it.
    pool : tuple of int
        Slices whose probability is stored as well: of a committee member, the whole training set.
    start : str
        One of `network.STARTS`.
    freeze : bool
        Whether the convolutional layers are kept as they are.
    settings : Settings
        Hyperparameters.
    weights_seed, order_seed : int
        Of the random weights; of batch order and dropout.
    network : str
        One of `network.NETWORKS`.
    views : tuple of str
        Some of ``VIEW_PASSES``: what more the network makes of the pool is stored, see `Result`.
    protocol : int
        See ``PROTOCOL``.
    """

    data: str
    training: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    pool: tuple[int, ...]
    start: str
    freeze: bool
    settings: Settings
    weights_seed: int
    order_seed: int
    network: str = "alexnet"
    views: tuple[str, ...] = ()
    protocol: int = PROTOCOL

    @property
    def spec(self) -> str:
        """The run as canonical JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # asdict copies each of the ids
        return json.dumps(values | {"settings": asdict(self.settings)}, sort_keys=True, separators=(",", ":"))

    @cached_property
    def key(self) -> str:
        """SHA-256 of ``spec``: the name of the run's file."""
        return sha256(self.spec.encode()).hexdigest()

    @property
    def images(self) -> int:
        """Image passes of the training, evaluation not counted."""
        return self.settings.epochs * len(self.training)

    @property
    def evaluation_images(self) -> int:
        """Image passes of the evaluation: at most, since epochs after a validation AUC of 1 need none."""
        validation, test, pool = (len(self.ids(part)) for part in PREDICTED)
        passes = 1 + sum(VIEW_PASSES[view] for view in self.views)
        return (self.settings.epochs + 1) * validation + 2 * test + passes * pool

    def ids(self, part: str) -> np.ndarray[Any, Any]:
        """Return the ids of a part's slices, or of the pool's."""
        return np.array(getattr(self, part), np.int64)


@dataclass(frozen=True)
class Result:
    """What a run gave.

    Attributes
    ----------
    run : Run
    arrays : dict of str to np.ndarray
        ``train_loss`` and ``validation_auc`` [epochs]: see `training.History`; ``probability/validation``,
        ``probability/test`` and ``probability/pool`` [slices]: P(HGG) at the kept epoch; ``probability/test_last``
        [slices]: after the last epoch. All float64. With views, of the pool's n slices at the kept epoch:
        ``views/dropout`` [passes, n] and ``views/augmented`` [copies, n], P(HGG) as float64, and ``views/features``
        [n, D] as float16: see `training.dropout_predictions`, `training.augmented_predictions`, `training.features`.
    best_epoch : int
        The kept epoch, counted from 1.
    seconds : float
        Wall-clock time of the training and its evaluations.
    facts : dict of str to str
        Device, threads, versions, git commit.
    """

    run: Run
    arrays: dict[str, np.ndarray[Any, Any]]
    best_epoch: int
    seconds: float
    facts: dict[str, str]


def compute(
    run: Run, slices: SliceSet, device: torch.device, after_epoch: Callable[[int], None] = lambda epoch: None
) -> Result:
    """Train what a run specifies.

    Raises
    ------
    InputError
        If the run belongs to another slice set, a patient is in two of its parts, or its views need dropout that its
        network lacks.
    """
    if run.data != slices.fingerprint:
        raise InputError(f"{slices.folder}: fingerprint {slices.fingerprint}, expected {run.data}: open the run's set")
    check_split(
        slices.table.iloc[np.concatenate([run.ids(part) for part in PARTS])].assign(
            part=np.repeat(PARTS, [len(run.ids(part)) for part in PARTS])
        )
    )
    started = time.perf_counter()
    network = build(run.start, run.weights_seed, run.freeze, run.network).to(device)
    expected = normalisation(run.start, run.network)
    images = Images.load(slices.pixels, slices.table["label"].to_numpy(), expected, device)
    if "dropout" in run.views:
        dropout_layers(network)  # refused now rather than after the training
    arrays = {}

    def told(epoch: int) -> None:
        if epoch == run.settings.epochs:
            arrays["probability/test_last"] = predict(network, images, run.ids("test"))
        after_epoch(epoch)

    history = finetune(network, images, run.ids("training"), run.ids("validation"), run.settings, run.order_seed, told)
    arrays |= {"train_loss": history.train_loss, "validation_auc": history.validation_auc}
    for part in PREDICTED:
        arrays[f"probability/{part}"] = predict(network, images, run.ids(part))
    pool, seed = run.ids("pool"), integer(run.order_seed, "dropout views")
    views: dict[str, Callable[[], np.ndarray[Any, Any]]] = {
        "dropout": lambda: dropout_predictions(network, images, pool, DROPOUT_PASSES, seed),
        "augmented": lambda: augmented_predictions(network, images, pool),
        "features": lambda: features(network, images, pool).astype(np.float16),
    }
    arrays |= {f"views/{view}": views[view]() for view in run.views}
    return Result(run, arrays, history.best_epoch, time.perf_counter() - started, facts(device))


def facts(device: torch.device) -> dict[str, str]:
    """Return what does not decide a result, but may explain one."""
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


@lru_cache(maxsize=1)
def commit() -> str:
    """Return the git commit of this package's checkout, with a plus sign if it has changes, or ``unknown``."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603
        changed = subprocess.run([*git, "status", "--porcelain", "."], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout else "")


@dataclass(frozen=True)
class RunStore:
    """A folder with one safetensors file a run, named by its key and written atomically."""

    folder: Path

    def path(self, run: Run) -> Path:
        """Return where a run's result is kept."""
        return self.folder / f"{run.key}.safetensors"

    def claim(self, run: Run) -> Path:
        """Return where the one who computes a run says so: see `claims`."""
        return self.folder / "claims" / f"{run.key}.json"

    def failure(self, run: Run) -> Path:
        """Return where it is said why a run failed."""
        return self.folder / "failed" / f"{run.key}.json"

    def save_failure(self, run: Run, name: str, why: str) -> None:
        """Say why a run failed, beside what it was."""
        record = {"name": name, "why": why, "run": json.loads(run.spec)}
        write_file(self.failure(run), json.dumps(record, indent=1).encode())

    def save(self, result: Result) -> None:
        """Keep a result; the file appears whole or not at all."""
        record = {name: value for name, value in asdict(result).items() if name not in ("run", "arrays")}
        metadata = {"run": result.run.spec, "record": json.dumps(record)}
        # safetensors writes the buffer behind a strided array, not its values.
        arrays = {name: np.ascontiguousarray(values) for name, values in result.arrays.items()}
        content = save(arrays, metadata | {"sha256": checksum(arrays, metadata)})
        write_file(self.path(result.run), content)

    def load(self, run: Run) -> Result | None:
        """Return a run's result, or None if it is not here; a damaged file is reported and set aside."""
        path = self.path(run)
        if not path.exists():
            return None
        try:
            return read_result(path, run)
        except FileNotFoundError:
            return None
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            aside = self.folder / "damaged" / f"{path.name}.{time.time_ns()}"
            aside.parent.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):  # another driver has just done so
                path.rename(aside)
            warnings.warn(f"{path}: damaged ({error}); set aside as {aside}, the run is computed again", stacklevel=2)
            return None

    def records(self) -> list[dict[str, Any]]:
        """Return what is known of every run that is here.

        Each has key, state (done, failed or damaged) and run; a run that is done also best_epoch, seconds and facts;
        one that failed name and why.
        """
        records = []
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                with safe_open(path, framework="numpy") as file:
                    metadata = dict(file.metadata() or {})
                facts = {"state": "done", "run": json.loads(metadata["run"])} | json.loads(metadata["record"])
            except (SafetensorError, OSError, ValueError, KeyError):
                facts = {"state": "damaged"}
            records.append({"key": path.stem} | facts)
        for path in sorted((self.folder / "failed").glob("*.json")):
            with suppress(FileNotFoundError):  # it has just been computed after all
                records.append({"key": path.stem, "state": "failed"} | json.loads(path.read_text()))
        return records


def checksum(arrays: dict[str, np.ndarray[Any, Any]], metadata: dict[str, str]) -> str:
    """Return the SHA-256 of a result's numbers and metadata."""
    digest = sha256("\n".join(metadata[name] for name in sorted(metadata)).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def read_result(path: Path, run: Run) -> Result:
    """Read a result and check that it is whole and that of the run."""
    with safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata() or {})
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata.pop("sha256", "") != checksum(arrays, metadata):
        raise ValueError("its checksum does not fit")
    if metadata["run"] != run.spec:
        raise ValueError("it is the result of another run")
    return replace(Result(run, arrays, 0, 0.0, {}), **json.loads(metadata["record"]))
