"""A study that is over in seconds, for the tests that disturb one: `python small_study.py DATA OUT [WORKERS]`."""

import sys
from pathlib import Path

from brats_al_utils.findings.evidence import evaluate
from brats_al_utils.queries.sampling import RANDOM, TOP
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.stages import results_of, train
from brats_al_utils.study.study import Study

SETTINGS: dict[str, object] = {"image_size": 64, "per_patient": 4, "start": "scratch", "epochs": 2, "n_runs": 2}
SETTINGS |= {"committee_rates": [0.001, 0.0005]}
ARMS = [Arm("all", "scratch", 2), Arm("random", "scratch", 2, RANDOM, 0.5), Arm("top", "scratch", 2, TOP, 0.5)]
RUNS = 2 * (2 + len(ARMS))


def small_study(data: Path, out: Path, workers: str = "") -> Study:
    return open_study("smoke", data, out, SETTINGS, "cpu", workers)


def main(data: str, out: str, workers: str = "") -> None:
    study = small_study(Path(data), Path(out), workers)
    print(f"opened {study.slices.folder}", flush=True)
    evaluate(study, results_of(study, train(study, ARMS))).to_csv(Path(out) / "table.csv", index=False)
    print("done", flush=True)


if __name__ == "__main__":  # a worker imports this module anew
    main(*sys.argv[1:])
