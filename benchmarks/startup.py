"""How long what is started often takes to start, in fresh processes: `python benchmarks/startup.py`."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parent / "results"

CASES = {
    "python": ["-c", ""],
    "import brats_al_utils": ["-c", "import brats_al_utils"],
    "brats-al --help": ["-m", "brats_al_utils", "--help"],
    "brats-al run --help": ["-m", "brats_al_utils", "run", "--help"],
    "import torch": ["-c", "import torch"],
    "a notebook's imports": [
        "-c",
        "from brats_al_utils.findings import evidence, sentences\n"
        "from brats_al_utils.show import paper_figures, tables\n"
        "from brats_al_utils.study.opening import open_study\n"
        "from brats_al_utils.study.stages import train",
    ],
}
"""What Python is given; ``python`` itself and torch are there to compare with."""


def measure(repetitions: int = 9) -> pd.DataFrame:
    """Return one row for each start: case, repetition, seconds, cpu (of the cores).

    The first of each, with a cold disk, is not counted.
    """
    rows = []
    for repetition in range(repetitions + 1):
        for case, arguments in CASES.items():
            started, cpu = time.perf_counter(), sum(os.times()[2:4])
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)  # noqa: S603
            took = {"seconds": time.perf_counter() - started, "cpu": sum(os.times()[2:4]) - cpu}
            rows.append({"case": case, "repetition": repetition} | took)
    table = pd.DataFrame(rows)
    return table[table["repetition"] > 0].reset_index(drop=True)


def main() -> None:
    """Measure, keep the measurements as CSV, and print their summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the summary to this file as well")
    options = parser.parse_args()
    table = measure(options.repetitions)
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / "startup.csv", index=False, float_format="%.4g", lineterminator="\n")
    summary = (
        table.groupby("case", sort=False)
        .agg(seconds=("seconds", "median"), min=("seconds", "min"), max=("seconds", "max"), cpu=("cpu", "median"))
        .reset_index()
    )
    print(summary.round(3).to_string(index=False))
    if options.json:
        options.json.write_text(json.dumps(summary.to_dict(orient="records"), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
