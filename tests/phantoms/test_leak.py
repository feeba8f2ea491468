"""Whether what is not tumour tells the class, by each rule of intensity."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from brats_al_utils.beyond.phantoms.phantom import _GRID_CENTRE, Patient, draw_patient, render
from brats_al_utils.cohorts.intensity import scale_intensity
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.findings.comparison import intervals, patient_pairs
from brats_al_utils.networks.training import auc

PATIENTS = 260  # 201 HGG, 59 LGG
SPACING = 4  # coarser than what is written to files, and enough for halves
CHANNELS = ("t1", "t1ce", "t2")


@dataclass(frozen=True)
class Seen:
    """A rendered patient: statistics of the healthy half by rule, and the tumour's voxels."""

    patient: Patient
    healthy: dict[str, list[float]]
    volume: int


def scaled_by(rule: str, voxels: np.ndarray, sequence: str) -> np.ndarray:
    """Return a volume scaled by the package's rule, or by one of those that leak."""
    if rule == "mode":
        return scale_intensity(voxels, sequence)
    inside = voxels[voxels > 0]
    ends = np.percentile(inside, (0.5, 99.5)), inside.mean() + np.array([-3, 3]) * inside.std()
    low, high = ends[rule == "zscore"]
    return np.where(voxels > 0, np.clip((voxels - low) / (high - low), 0, 1), 0).astype(np.float32)


def see(index: int) -> Seen:
    patient = draw_patient(0, index)
    volumes, labels = render(patient, SPACING)
    x = np.arange(labels.shape[0]) * SPACING + (SPACING - 1) / 2
    other_half = ((x - _GRID_CENTRE[0]) * (patient.seat[0] - _GRID_CENTRE[0]) < 0)[:, None, None]
    healthy = other_half & (labels == 0) & (volumes["t1"] > 0)
    statistics: dict[str, list[float]] = {}
    for rule in ("mode", "percentile", "zscore"):
        halves = [scaled_by(rule, volumes[name], name)[healthy] for name in CHANNELS]
        statistics[rule] = [f(half) for half in halves for f in (np.mean, np.std)]
        statistics[rule] += [float(q) for half in halves for q in np.percentile(half, (10, 50, 90))]
    return Seen(patient, statistics, int(np.count_nonzero(labels)))


@pytest.fixture(scope="module")
def seen() -> Iterator[list[Seen]]:
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        yield list(pool.map(see, range(PATIENTS)))


def interval(seen: list[Seen], score: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval, across patients, of the AUC of a score of each patient."""
    rows = [(str(s.patient.index), GRADES.index(s.patient.grade)) for s in seen]
    frame = pd.DataFrame(rows, columns=["patient_id", "label"]).assign(score=score, arm="", seed=0)
    (row,) = intervals(patient_pairs(frame, "patient")).to_dict("records")
    return row["patients_low"], row["patients_high"]


@pytest.mark.long
@pytest.mark.parametrize(("rule", "leaks"), [("mode", False), ("percentile", True), ("zscore", True)])
def test_the_healthy_half_tells_the_class_unless_scaled_by_the_mode(seen: list[Seen], rule: str, leaks: bool) -> None:
    """A logistic regression on the half without tumour; each patient's score is from folds that it is not in."""
    label = np.array([GRADES.index(s.patient.grade) for s in seen])
    statistics = np.array([s.healthy[rule] for s in seen])
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    score = cross_val_predict(model, statistics, label, cv=folds, method="decision_function")
    low, high = interval(seen, score)
    print(f"{rule}: {auc(label, score):.3f} ({low:.3f} to {high:.3f})")
    assert (low > 0.5) == leaks
    assert leaks or high > 0.5


@pytest.mark.long
def test_the_volume_of_the_tumour_does_not_tell_the_class(seen: list[Seen]) -> None:
    low, high = interval(seen, np.array([s.volume for s in seen]))
    assert low < 0.5 < high
