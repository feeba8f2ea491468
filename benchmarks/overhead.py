"""What a study takes beside training: `python benchmarks/overhead.py`.

Overhead is everything of a `brats-al run` but the training and evaluation passes: the wall time less what the runs in
its store would take if all workers had one all the time, which is the sum of their ``seconds`` over the number of
workers. It is the synthetic cohort, the slices, the kernels, statistics and figures, and workers that wait. A study is
run into a temporary folder, by as many workers as by default; or ``--out`` and ``--seconds`` name the folder and the
wall time of one that is finished, and was run here without a break.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parent / "results"


def run(profile: str, out: Path) -> float:
    """Run a study in a new folder and return its wall time in seconds."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "brats_al_utils", "run", "--profile", profile, "--out", str(out)]
    subprocess.run(command, check=True)  # noqa: S603
    return time.perf_counter() - started


def training(out: Path) -> pd.DataFrame:
    """Return a row for each run of a study: ended (Unix time) and seconds."""
    from brats_al_utils.runs.records import records
    from brats_al_utils.runs.store import RunStore
    from brats_al_utils.study.places import Places

    store = RunStore(Places.of("", out).runs)
    done = [record for record in records(store) if record["state"] == "done"]
    ended = [(store.folder / f"{record['key']}.safetensors").stat().st_mtime for record in done]
    return pd.DataFrame({"ended": ended, "seconds": [record["seconds"] for record in done]})


def notebooks(out: Path) -> pd.DataFrame:
    """Return a row for each executed notebook of a study: part (its name), started and ended (Unix time)."""
    from brats_al_utils.study.places import numbered

    rows = []
    for path in numbered(out / "outputs" / "notebooks"):
        timing = json.loads(path.read_text(encoding="utf-8"))["metadata"]["papermill"]
        started, ended = (pd.Timestamp(timing[name]).timestamp() for name in ("start_time", "end_time"))
        rows.append({"part": path.stem, "started": started, "ended": ended})
    return pd.DataFrame(rows)


def parts(wall: float, executed: pd.DataFrame, runs: pd.DataFrame, workers: int) -> pd.DataFrame:
    """Return where the time of a study went.

    Parameters
    ----------
    wall : float
        Seconds of the whole.
    executed, runs : pd.DataFrame
        See `notebooks` and `training`.
    workers : int
        That trained at a time.

    Returns
    -------
    pd.DataFrame
        part (each notebook, before and between them, and all), seconds, training (by busy workers), overhead (the
        rest), share (of the overhead in all the seconds of the study).
    """
    rows = []
    for part, started, ended in executed[["part", "started", "ended"]].itertuples(index=False):
        trained = runs.loc[runs["ended"].between(started, ended), "seconds"].sum() / workers
        rows.append({"part": part, "seconds": ended - started, "training": trained})
    inside = sum(row["seconds"] for row in rows)
    rows.append({"part": "before and between", "seconds": wall - inside, "training": 0.0})
    rows.append({"part": "all", "seconds": wall, "training": runs["seconds"].sum() / workers})
    table = pd.DataFrame(rows)
    table["overhead"] = table["seconds"] - table["training"]
    return table.assign(share=table["overhead"] / wall)


def main() -> None:
    """Measure, keep the measurements as CSV, and print them."""
    from brats_al_utils.runs.scheduler import workers_of

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--out", type=Path, help="folder of a finished study, with --seconds")
    parser.add_argument("--seconds", type=float, help="its wall time")
    options = parser.parse_args()
    if (options.out is None) != (options.seconds is None):
        parser.error("--out and --seconds go together")
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary) / "study"
        wall = options.seconds or run(options.profile, out)
        table = parts(wall, notebooks(out), training(out), workers_of("", "auto"))
    table.insert(0, "profile", options.profile)
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / "overhead.csv", index=False, float_format="%.4g", lineterminator="\n")
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
