"""The store of results: one file a run, which appears whole or not at all. Without torch."""

import json
import time
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from brats_al_utils.files import write_file
from brats_al_utils.runs.run import Result, Run

KNOWN: set[tuple[Path, tuple[int, int]]] = set()
"""Results that this process has read and found undamaged, each with its `file_state`."""


@dataclass(frozen=True)
class RunStore:
    """A folder with one safetensors file a run, named by its key and written atomically.

    Attributes
    ----------
    folder : Path
    """

    folder: Path

    def path(self, run: Run) -> Path:
        """Return the file of a run's result."""
        return self.folder / f"{run.key}.safetensors"

    def lock(self, run: Run) -> Path:
        """Return the lock that is held while a run is computed."""
        return self.folder / "locks" / f"{run.key}.lock"

    def failure(self, run: Run) -> Path:
        """Return the file that says why a run failed."""
        return self.folder / "failed" / f"{run.key}.json"

    def save_failure(self, run: Run, name: str, why: str) -> None:
        """Write why a run failed, and its specification."""
        record = {"name": name, "why": why, "run": json.loads(run.spec)}
        write_file(self.failure(run), json.dumps(record, indent=1).encode())

    def save(self, result: Result) -> None:
        """Write a result; the file appears whole or not at all."""
        record = {name: value for name, value in asdict(result).items() if name not in ("run", "arrays")}
        metadata = {"run": result.run.spec, "record": json.dumps(record)}
        # safetensors writes the buffer behind a strided array, not its values.
        arrays = {name: np.ascontiguousarray(values) for name, values in result.arrays.items()}
        content = save(arrays, metadata | {"sha256": checksum(arrays, metadata)})
        write_file(self.path(result.run), content)

    def load(self, run: Run) -> Result | None:
        """Return a run's result, or None if it is missing; a damaged file is reported and moved aside."""
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
            with suppress(FileNotFoundError):  # another driver has just moved it
                path.rename(aside)
            warnings.warn(f"{path}: damaged ({error}); set aside as {aside}, the run is computed again", stacklevel=2)
            return None

    def holds(self, run: Run) -> bool:
        """Whether a run's result exists and is undamaged; it is read once for this, as long as it does not change."""
        path = self.path(run)
        if (path, file_state(path)) not in KNOWN and self.load(run) is not None:
            KNOWN.add((path, file_state(path)))
        return (path, file_state(path)) in KNOWN


def file_state(path: Path) -> tuple[int, int]:
    """Return the size and modification time of a file; zeros if it is missing."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


def why(path: Path) -> str:
    """Return the reason that `RunStore.save_failure` wrote to a file; empty if the run was computed since."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(path.read_text(encoding="utf-8"))["why"])
    return ""


def checksum(arrays: dict[str, np.ndarray[Any, Any]], metadata: dict[str, str]) -> str:
    """Return the SHA-256 of a result's arrays and metadata."""
    digest = sha256("\n".join(metadata[name] for name in sorted(metadata)).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}\n".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def read_result(path: Path, run: Run) -> Result:
    """Read a result, and check that it is undamaged and belongs to the run."""
    with safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata() or {})
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata.pop("sha256", "") != checksum(arrays, metadata):
        raise ValueError("its checksum does not fit")
    if metadata["run"] != run.spec:
        raise ValueError("it is the result of another run")
    return replace(Result(run, arrays, 0, 0.0, {}), **json.loads(metadata["record"]))
