"""The published numbers anew, from what a bundle holds, by code that shares nothing with `findings/`.

Pairs of slices are compared one by one; a person's part is what is summed over its pairs. So the chain from a bundle to
README is held: here the code to the bundle, in test_make.py the files under figures/ to the code, and in
test_readme_numbers.py README to these files.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from brats_al_utils.beyond.bundles.published import unpack_study
from brats_al_utils.beyond.bundles.verification import arms_with_sets
from brats_al_utils.findings import evidence
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import Results, advance, results_of
from brats_al_utils.study.study import Study
from brats_al_utils.study.unpacked import open_unpacked

ROOT = Path(__file__).parents[1]
Array = np.ndarray[Any, Any]


def opened(name: str, out: Path, arms: list[tuple[str, float]]) -> tuple[Study, dict[str, Arm], Results]:
    unpack_study(ROOT / "published" / f"{name}.bundle", out / name)
    study = open_unpacked(out / name)
    every = {(arm.name, arm.share): arm for arm in arms_with_sets(study) if arm.dataset == "imbalanced"}
    chosen = {f"{name} {share}": every[name, share] for name, share in arms}
    return study, chosen, results_of(study, advance(study, list(chosen.values())))


def pairs(
    study: Study, results: Results, arm: Arm, number: int, unit: str = "slice", shown: str = "probability/test"
) -> tuple[Array, Array, Array]:
    """Whether each positive slice, or person by the mean of the slices, beats each negative one, and whose they are."""
    result = results[arm, number]
    table = study.slice_set(arm.dataset).table.iloc[list(result.run.test)]
    score, label, person = result.arrays[shown], table["label"].to_numpy(), table["patient_id"].to_numpy()
    if unit == "patient":
        names, first = np.unique(person, return_index=True)
        score = np.array([score[person == name].mean() for name in names])
        label, person = label[first], names
    high, low = score[label == 1][:, None], score[label == 0][None, :]
    return (high > low) + 0.5 * (high == low), person[label == 1], person[label == 0]


def recomputed(study: Study, results: Results, arms: list[Arm], unit: str = "slice") -> dict[str, float]:
    """The AUC of an arm, or by how much it exceeds the mean of others, with limits across persons, and across both."""
    gains, of_class = [], []
    for number in range(study.profile.n_runs):
        won, *persons = pairs(study, results, arms[0], number, unit)
        if len(arms) > 1:
            won = won - np.mean([pairs(study, results, other, number, unit)[0] for other in arms[1:]], axis=0)
        gains.append(won.mean())
        moved: dict[tuple[int, str], float] = {}
        for axis, names in enumerate(persons):
            unbiased = np.sqrt(len(set(names)) / (len(set(names)) - 1))
            for name in set(names):
                kind = 2 if name in set(persons[1 - axis]) else axis  # a person with slices of both classes counts once
                rows = won.take(np.flatnonzero(names == name), axis)
                moved[kind, name] = moved.get((kind, name), 0.0) + unbiased * (rows - won.mean()).sum() / won.size
        for kind in {kind for kind, _ in moved}:
            own = [value for (of, _), value in moved.items() if of == kind]
            of_class.append((kind, np.square(own).sum(), len(own) - 1))
    runs, found = len(gains), {"mean": float(np.mean(gains))}
    # Five folds, one cycle: every person is in one run, so that what persons add is the sum of the folds' over runs^2.
    kinds = sorted({kind for kind, *_ in of_class})
    parts = [sum(value for of, value, _ in of_class if of == kind) / runs**2 for kind in kinds]
    freedom = [sum(degrees for of, _, degrees in of_class if of == kind) for kind in kinds]
    welch = sum(parts) ** 2 / sum(part**2 / degrees for part, degrees in zip(parts, freedom, strict=True))
    half = t.ppf(0.975, welch) * np.sqrt(sum(parts))
    found |= {"patients_low": found["mean"] - half, "patients_high": found["mean"] + half}
    # Across both: the spread of the runs, which holds that of their persons; never less than theirs; four degrees.
    half = t.ppf(0.975, runs - 1) * np.sqrt(max(np.var(gains, ddof=1) / runs, sum(parts)))
    return found | {"both_low": found["mean"] - half, "both_high": found["mean"] + half}


STUDIES = [
    ("open", [("proposed", 0.3), ("baseline", 1.0), ("random", 0.3), ("random at 51%", 0.51), ("0%-30%", 0.3)]),
    ("pituitary", [("proposed", 0.3), ("baseline", 1.0), ("random", 0.3)]),
    ("lgg_curves", [("proposed", 0.4), ("random", 0.4)]),  # persons with slices of both classes
]


@pytest.mark.parametrize(("name", "arms"), STUDIES)
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


def published(study: str, table: str, **where: object) -> "pd.Series[Any]":
    """The one row of a published table from which README's sentences are written."""
    rows = pd.read_csv(ROOT / "figures" / "published" / study / f"{table}.csv")
    for column, value in where.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]


RANGES = [(f"{low}%-{low + 30}%", 0.3) for low in range(0, 80, 10)]
REAL_ARM = ("proposed", 0.3)
AT_51, UPDATES = ("random at 51%", 0.51), ("proposed, equal updates", 0.3)
OTHERS = ("random", 0.3), AT_51, ("baseline", 1.0)
EQUAL = ("baseline", 1.0), ("random at 51%, equal updates", 0.51)
RIVALS = [(name, 0.3) for name in ("entropy", "coreset", "badge", "typiclust")]


def at_budgets(name: str, *shares: float) -> list[Any]:
    """Of one study: the method and random sampling at some budgets."""
    pairs = [(("proposed", share), [("random", share)], {"share": share}) for share in shares]
    return [(name, "budget_gains", *pair) for pair in pairs]


READ: list[Any] = [
    *(("open", "tests", REAL_ARM, [other], {}) for other in OTHERS),
    ("open", "controls", ("all annotated slices", 0.3), [AT_51], {}),
    ("open", "teaches_worst", RANGES[0], RANGES[1:], {}),
    *(("open", "equal_updates", UPDATES, [other], {}) for other in EQUAL),
    ("pituitary", "budget_gains", REAL_ARM, [("random", 0.3)], {"dataset": "imbalanced", "share": 0.3}),
    *at_budgets("pituitary_few", 0.01, 0.02, 0.05, 0.1, 0.3),
    ("pituitary_few", "budget_gains", ("proposed", 0.01), [("placebo", 0.01)], {"share": 0.01}),
    *at_budgets("lgg_curves", 0.1, 0.2, 0.4, 0.6, 0.8),
    *(("lgg_curves", "competitors", rival, [("random at 60%", 0.6)], {}) for rival in RIVALS),
    ("lgg_curves", "table2_gains", ("pretrained", 1.0), [("scratch", 1.0)], {"part": "test"}),
]
"""What README's sentences on real persons say: the file, the arm, and those whose mean it is compared with."""


@pytest.mark.parametrize(("name", "table", "arm", "others", "where"), READ)
def test_what_readme_says(name: str, table: str, arm: Any, others: Any, where: dict[str, Any], tmp_path: Path) -> None:
    study, chosen, results = opened(name, tmp_path, [arm, *others])
    other = others[0][0] if len(others) == 1 else f"mean of {len(others)} others"
    by_person = len(others) == 1 and not name.startswith("lgg")  # whose persons have slices of both classes
    for unit in ("slice", "patient") if by_person else ("slice",):
        row = published(name, table, arm=arm[0], other=other, unit=unit, **where)
        found = recomputed(study, results, list(chosen.values()), unit)
        said = row[["auc_difference", "both_low", "both_high"]].tolist()
        assert said == pytest.approx([found[name] for name in ("mean", "both_low", "both_high")], abs=1e-6)


def test_whether_the_most_uncertain_slices_fail_for_their_class_share(tmp_path: Path) -> None:
    names = ["0%-30%", "0%-30% of each class", "random"]
    study, chosen, results = opened("lgg", tmp_path, [(name, 0.3) for name in names])
    aucs = np.array([[pairs(study, results, arm, run)[0].mean() for arm in chosen.values()] for run in range(20)])
    for place, name in enumerate(names[:2]):
        row = published("lgg", "class_share", arm=name, other="random")
        assert row["auc_difference"] == pytest.approx((aucs[:, place] - aucs[:, 2]).mean(), abs=1e-6)
    row = published("lgg", "class_share", arm=names[1], other=names[0])
    assert row["auc_difference"] == pytest.approx((aucs[:, 1] - aucs[:, 0]).mean(), abs=1e-6)


def test_the_room_that_all_slices_leave_the_strategies_of_others(tmp_path: Path) -> None:
    study, chosen, results = opened("lgg_curves", tmp_path, [("baseline", 1.0), ("random at 60%", 0.6)])
    whole, some = (np.mean([pairs(study, results, arm, run)[0].mean() for run in range(5)]) for arm in chosen.values())
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"all slices train to {100 * (whole - some):.1f} points more than 60 % at random" in text


SECONDARY = 6
"""Contrasts of docs/lgg_study.md besides the primary one; those that are not trained yet count, as the least sure."""

DECIDED = sorted(path.parent.name for path in (ROOT / "figures" / "published").glob("*/outcomes.csv"))


@pytest.mark.parametrize("name", DECIDED)
def test_what_the_planned_contrasts_have_decided(name: str, tmp_path: Path) -> None:
    table = pd.read_csv(ROOT / "figures" / "published" / name / "outcomes.csv")
    shares, found = {"random at 51%": 0.51, "baseline": 1.0}, {}
    for _, row in table.iterrows():
        others = [row["other"]] if not row["other"].startswith("mean") else [of for of, _ in RANGES[1:]]
        arms = [(arm, shares.get(arm, 0.3)) for arm in (row["arm"], *others)]
        study, chosen, results = opened(name, tmp_path, arms)
        won = [[pairs(study, results, arm, run)[0].mean() for arm in chosen.values()] for run in range(row["n_runs"])]
        gains = [first - np.mean(rest) for first, *rest in won]
        found[row["arm"], row["other"]] = gain = np.mean(gains)
        assert row["auc_difference"] == pytest.approx(gain, abs=1e-6)
        low, high = row["decided_low"], row["decided_high"]
        ends = "better" if low > 0 else "worse" if high < 0 else "as good" if max(-low, high) < 0.02 else "undecided"
        ends = ends if row["learned"] and pd.notna(low) else "not judged"
        assert row["outcome"] == (ends if row["n_runs"] == row["planned"] else "not decided yet")
    # Along the logarithm of their number: from 30 % to all, the AUC rises by what the baseline exceeds random sampling.
    rises = (table.query("arm == 'baseline' and other == 'random'")["decided_low"] > 0).any()
    assert table["at_random"].notna().any() == rises
    for _, row in table.dropna(subset="at_random").iterrows():
        doublings = found[row["arm"], row["other"]] / found["baseline", "random"] * np.log2(1 / 0.3)
        assert row["at_random"] == pytest.approx(shares.get(row["other"], 0.3) * 2**doublings, rel=1e-4)
    family = table[table["family"].eq("secondary") & table["learned"]].dropna(subset="p_both").sort_values("p_both")
    tested = SECONDARY - (table["family"].eq("secondary").sum() - len(family))
    family = family[family["outcome"] != "not decided yet"]  # these count as the least sure
    largest = 0.0  # by Holm: the smallest times how many are planned, the next times one less, never falling
    for place, (_, row) in enumerate(family.iterrows()):
        largest = max(largest, row["p_both"] * (tested - place))
        assert row["p_holm"] == pytest.approx(min(largest, 1), abs=1e-5)


def test_the_auc_with_the_tumour_hidden(tmp_path: Path) -> None:
    study, chosen, results = opened("open", tmp_path, [("baseline", 1.0)])
    (arm,) = chosen.values()
    row = published("open", "table2_arms", arm="pretrained")
    for column, shown in (("auc_mean", "probability/test"), ("hidden_mean", "audit/tumour_hidden")):
        aucs = [pairs(study, results, arm, number, shown=shown)[0].mean() for number in range(study.profile.n_runs)]
        assert row[column] == pytest.approx(np.mean(aucs), abs=1e-6)


def test_what_test_sets_of_the_papers_size_print(tmp_path: Path) -> None:
    """51 and 15 patients, drawn with replacement: other draws than those of the table."""
    study, chosen, results = opened("design", tmp_path, [("proposed", 0.3), ("baseline", 1.0)])
    method, baseline = chosen.values()
    gains = []
    for number in range(study.profile.n_runs):
        won, *persons = pairs(study, results, method, number)
        gains.append(won - pairs(study, results, baseline, number)[0])
    whose = [np.unique(names, return_inverse=True)[1] for names in persons]
    slices = [np.eye(of.max() + 1)[of].T for of in whose]  # [patients, slices]
    of_pairs, count = (slices[0] @ each @ slices[1].T for each in (np.mean(gains, axis=0), np.ones_like(gains[0])))
    row = published("design", "design", arm="proposed", other="baseline")
    assert row["gain"] == pytest.approx(of_pairs.sum() / count.sum(), abs=1e-6)
    random, drawn = np.random.default_rng(1), []
    for _ in range(4000):
        rows = np.ix_(*(random.integers(0, size, many) for size, many in zip(of_pairs.shape, (51, 15), strict=True)))
        drawn.append(of_pairs[rows].sum() / count[rows].sum())
    assert row[["drawn_low", "drawn_high"]].tolist() == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.004)


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


@pytest.mark.parametrize("name", [("baseline", 1.0), ("proposed", 0.3), ("random", 0.3)])
def test_the_within_site_auc_of_the_open_cohort(name: tuple[str, float], tmp_path: Path) -> None:
    """Numeric ids against numeric ids: MR ids are gliomas alone."""
    study, chosen, results = opened("open", tmp_path, [name])
    (arm,), aucs = chosen.values(), []
    for number in range(study.profile.n_runs):
        won, high, _ = pairs(study, results, arm, number)
        aucs.append(won[[not name.startswith("MR") for name in high]].mean())
    table = evidence.within_sites(study, results)
    assert table["within"].item() == pytest.approx(float(np.mean(aucs)), abs=1e-12)
    assert published("open", "within_site", arm=name[0])["within"] == pytest.approx(np.mean(aucs), abs=1e-6)
