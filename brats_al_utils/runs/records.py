"""List the runs of a store without reading their arrays. Without torch."""

import json
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from brats_al_utils.runs.run import PREDICTED
from brats_al_utils.runs.store import RunStore


def records(store: RunStore) -> Iterator[dict[str, Any]]:
    """Yield a record of every run in a store, without its arrays.

    Each has key, state (done, failed or damaged) and run, in which ids are counted: see `with_counted_ids`. A finished
    run also has best_epoch, seconds and facts; a failed one has name and why.
    """
    key = "[0-9a-f]" * 64  # no copies, as Dropbox makes them
    for path in sorted(store.folder.glob(f"{key}.safetensors")):
        try:
            with safe_open(path, framework="numpy") as file:
                metadata, aucs = dict(file.metadata() or {}), file.get_tensor("validation_auc")
            facts = {"state": "done", "run": with_counted_ids(metadata["run"])} | json.loads(metadata["record"])
            facts |= {"validation_auc": float(aucs[facts["best_epoch"] - 1])}
        except (SafetensorError, OSError, ValueError, LookupError):
            facts = {"state": "damaged"}
        yield {"key": path.stem} | facts
    for path in sorted((store.folder / "failed").glob(f"{key}.json")):
        with suppress(FileNotFoundError):  # it has just been computed
            content = path.read_text(encoding="utf-8", errors="replace")
            try:
                record = json.loads(content)
                facts = {"state": "failed"} | record | {"run": with_counted_ids(json.dumps(record["run"]))}
            except (ValueError, LookupError, TypeError):
                facts = {"state": "damaged"}
            yield {"key": path.stem} | facts


def seconds_taken(path: Path) -> float:
    """Return how long the run took whose result is in a file; zero if the file does not say it."""
    with suppress(SafetensorError, OSError, ValueError, KeyError, TypeError), safe_open(path, "numpy") as file:
        return float(json.loads(file.metadata()["record"])["seconds"])
    return 0.0


def with_counted_ids(spec: str) -> dict[str, Any]:
    """Return a run's fields, with each list of ids replaced by its length and the first 16 digits of its SHA-256."""
    values = json.loads(spec)
    for part in ("training", *PREDICTED):
        ids = np.array(values[part], np.int64)
        values[part] = {"slices": len(ids), "sha256": sha256(ids.tobytes()).hexdigest()[:16]}
    return dict(values)
