"""How many threads the environment allows, and how many workers train, decide no number of a study."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

OF_NOTEBOOKS = {
    ("03",): {"table3", "table3_arms", "figure1", "annotation_cost_imbalanced"},
    ("01", "02"): {"table2", "table2_training", "figure2", "figure3", "figure4"},
}
"""Some of their tables: of a choice and what is trained on it; of every range and from scratch."""


@pytest.mark.long
@pytest.mark.parametrize("only", list(OF_NOTEBOOKS))
def test_tables_are_the_same_under_other_threads_and_workers(
    smoke: Path, tmp_path: Path, only: tuple[str, ...]
) -> None:
    """The smoke study has as many workers as cores; again with one worker and two threads for whoever takes them."""
    threads = {f"{library}_NUM_THREADS": "2" for library in ("OMP", "MKL", "OPENBLAS")}
    command = [sys.executable, "-m", "brats_al_utils", "run", "--profile", "smoke", "--out", str(tmp_path / "again")]
    command += ["--workers", "1", "--only", *only]
    done = subprocess.run(command, env=os.environ | threads, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    tables = sorted((tmp_path / "again").glob("*.csv"))
    assert OF_NOTEBOOKS[only] <= {path.stem for path in tables}
    for path in tables:
        assert path.read_bytes() == (smoke / path.name).read_bytes(), path.name
