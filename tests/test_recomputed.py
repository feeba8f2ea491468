"""The published numbers anew, from what a bundle holds, by code that shares nothing with `findings/`.

Pairs of slices are compared one by one; a person's part is what is summed over its pairs. So the chain from a bundle to
README is held: here the code to the bundle, in test_make.py the files under figures/ to the code, and in
test_readme_numbers.py README to these files.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from brats_al_utils.beyond.bundles.published import unpack_study
from brats_al_utils.beyond.bundles.verification import arms_with_sets
from brats_al_utils.beyond.comparison import further_evidence
from brats_al_utils.findings import evidence
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import Results, results_of, train
from brats_al_utils.study.study import Study
from brats_al_utils.study.unpacked import open_unpacked

ROOT = Path(__file__).parents[1]
Array = np.ndarray[Any, Any]


def opened(name: str, out: Path, arms: list[tuple[str, float]]) -> tuple[Study, dict[str, Arm], Results]:
    unpack_study(ROOT / "published" / f"{name}.bundle", out / name)
    study = open_unpacked(out / name)
    every = {(arm.name, arm.share): arm for arm in arms_with_sets(study) if arm.dataset == "imbalanced"}
    chosen = {f"{name} {share}": every[name, share] for name, share in arms}
    return study, chosen, results_of(study, train(study, list(chosen.values())))


def pairs(study: Study, results: Results, arm: Arm, number: int) -> tuple[Array, Array, Array]:
    """Whether each positive slice beats each negative one, and whose they are."""
    result = results[arm, number]
    table = study.slice_set(arm.dataset).table.iloc[list(result.run.test)]
    score, label, person = result.arrays["probability/test"], table["label"].to_numpy(), table["patient_id"].to_numpy()
    high, low = score[label == 1][:, None], score[label == 0][None, :]
    return (high > low) + 0.5 * (high == low), person[label == 1], person[label == 0]


def recomputed(study: Study, results: Results, arms: list[Arm]) -> dict[str, float]:
    """The AUC of an arm, or by how much it exceeds another's, with limits across persons, and across both."""
    gains, of_class = [], []
    for number in range(study.profile.n_runs):
        won, *persons = pairs(study, results, arms[0], number)
        if len(arms) > 1:
            won = won - pairs(study, results, arms[1], number)[0]
        gains.append(won.mean())
        for axis, names in enumerate(persons):
            moved = [
                (won.take(np.flatnonzero(names == name), axis) - won.mean()).sum() / won.size for name in set(names)
            ]
            of_class.append((axis, len(moved) / (len(moved) - 1) * np.square(moved).sum(), len(moved) - 1))
    runs, found = len(gains), {"mean": float(np.mean(gains))}
    # Five folds, one cycle: every person is in one run, so that what persons add is the sum of the folds' over runs^2.
    parts = [sum(value for axis, value, _ in of_class if axis == kind) / runs**2 for kind in (0, 1)]
    freedom = [sum(degrees for axis, _, degrees in of_class if axis == kind) for kind in (0, 1)]
    own = sum(parts) ** 2 / sum(part**2 / degrees for part, degrees in zip(parts, freedom, strict=True))
    half = t.ppf(0.975, own) * np.sqrt(sum(parts))
    found |= {"patients_low": found["mean"] - half, "patients_high": found["mean"] + half}
    # Across both: the spread of the runs, which holds that of their persons; never less than theirs; four degrees.
    half = t.ppf(0.975, runs - 1) * np.sqrt(max(np.var(gains, ddof=1) / runs, sum(parts)))
    return found | {"both_low": found["mean"] - half, "both_high": found["mean"] + half}


@pytest.mark.parametrize(
    ("name", "arms"),
    [
        ("open", [("proposed", 0.3), ("baseline", 1.0), ("random", 0.3), ("random at 51%", 0.51), ("0%-30%", 0.3)]),
        ("pituitary", [("proposed", 0.3), ("baseline", 1.0), ("random", 0.3)]),
    ],
)
def test_gains_of_the_published_studies(name: str, arms: list[tuple[str, float]], tmp_path: Path) -> None:
    study, chosen, results = opened(name, tmp_path, arms)
    first, *others = chosen.values()
    table = evidence.contrasts(study, results, [(first, other) for other in others]).query("unit == 'slice'")
    for (_, row), other in zip(table.iterrows(), others, strict=True):
        found = recomputed(study, results, [first, other])
        assert row["auc_difference"] == pytest.approx(found.pop("mean"), abs=1e-12)
        assert row[list(found)].tolist() == pytest.approx(list(found.values()), abs=1e-9)
    runs = evidence.evaluate(study, results).query("unit == 'slice' and part == 'test'")
    for arm in chosen.values():
        mean = recomputed(study, results, [arm])["mean"]
        assert runs.loc[runs["arm"] == arm.name, "auc"].mean() == pytest.approx(mean, abs=1e-12)


def test_an_arm_has_learned_by_its_losses(tmp_path: Path) -> None:
    study, chosen, results = opened("open", tmp_path, [("scratch", 1.0), ("baseline", 1.0)])
    learned: dict[str, list[bool]] = {}
    for (arm, _), result in results.items():
        share = study.slice_set(arm.dataset).table["label"].to_numpy()[list(result.run.training)].mean()
        guess = -share * np.log(share) - (1 - share) * np.log(1 - share)
        kept = int(np.nanargmax(result.arrays["validation_auc"]))
        learned.setdefault(arm.name, []).append(bool(result.arrays["train_loss"][kept] <= 0.98 * guess))
    assert learned == {"scratch": [False] * 5, "baseline": [True] * 5}
    runs = evidence.evaluate(study, results)
    assert not runs.loc[runs["arm"] == "scratch", "learned"].any()
    assert evidence.unlearned_arms(study, results) == {"scratch"}
    table = evidence.contrasts(study, results, [(chosen["baseline 1.0"], chosen["scratch 1.0"])])
    assert not table["learned"].any()


def test_the_within_site_auc_of_the_open_cohort(tmp_path: Path) -> None:
    """Numeric ids against numeric ids: MR ids are gliomas alone."""
    study, chosen, results = opened("open", tmp_path, [("baseline", 1.0)])
    (arm,), aucs = chosen.values(), []
    for number in range(study.profile.n_runs):
        won, high, _ = pairs(study, results, arm, number)
        aucs.append(won[[not name.startswith("MR") for name in high]].mean())
    table = further_evidence.within_sites(study, results)
    assert table["within"].item() == pytest.approx(float(np.mean(aucs)), abs=1e-12)
