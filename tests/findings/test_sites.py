"""The site audit: by hand, on BraTS 2019's own mapping, on phantoms, and on the published open cohort."""

import os
from pathlib import Path

import brats2019_sites
import numpy as np
import pandas as pd
import pytest

from brats_al_utils.beyond.comparison import further_tables
from brats_al_utils.cohorts.mapping import read_mapping
from brats_al_utils.findings import sentences, sites
from brats_al_utils.findings.comparison import across_patients, intervals, patient_pairs

ROOT = Path(__file__).parents[2]
BRATS_2019 = ROOT / "brats_al_utils" / "findings" / "brats2019_sites.csv"
FOUR = pd.DataFrame({"patient_id": [*"abcdef"], "label": [1, 1, 1, 0, 0, 0], "site": [*"xxyyzz"]})


def test_the_audit_by_hand() -> None:
    counts = sites.site_table(FOUR).set_index("site")
    assert counts.loc["y"].to_numpy().tolist() == [1, 1, 1, 1]
    assert counts.loc["x"].to_numpy().tolist() == [2, 0, 2, 0]
    found = sites.audit(FOUR)
    # Shares 1, 1, 1/2 against 1/2, 0, 0: one pair of nine is a tie.
    assert found["auc"] == pytest.approx(8.5 / 9)
    # By the others of the site 1, 1, 0 against 1, 0, 0: two pairs win by each of two, two ties with the third's site.
    assert found["auc_validated"] == pytest.approx((4 + 2 * 0.5 + 0.5 + 2 * 0.5) / 9)
    assert (found["positives"], found["with_partner_positives"], found["with_partner_negatives"]) == (3, 1, 1)


def test_a_single_site_says_nothing_and_without_a_partner_there_is_nothing_within() -> None:
    found = sites.audit(FOUR.assign(site="one"))
    assert (found["auc"], found["auc_validated"], found["p"]) == (0.5, 0.5, 1)
    assert "one" in sentences.sites(found, ("LGG", "HGG"), "patients")
    row = sites.within_site(scores().assign(site=lambda rows: rows["label"].astype(str))).iloc[0]
    assert np.isnan(row[["within", "low", "high"]].astype(float)).all()
    assert (row["pairs_share"], row["positives"]) == (0, 0)


def cohort_with_sites(told: float, seed: int = 0) -> pd.DataFrame:
    """Patients of whom a share have the site of their class, and the others one at random."""
    random = np.random.default_rng(seed)
    label = np.repeat([1, 0], [60, 30])
    site = np.where(random.random(90) < told, label, random.integers(0, 4, 90)).astype(str)
    return pd.DataFrame({"patient_id": range(90), "label": label, "site": site})


def test_a_site_that_tells_the_class_is_named_and_another_is_not() -> None:
    told, clean = (sites.audit(cohort_with_sites(share)) for share in (0.5, 0.0))
    assert told["auc_validated"] > 0.65
    assert "tells the class" in sentences.sites(told, ("LGG", "HGG"), "patients")
    # In sample chance alone gives more than 0.5; cross-validated it does not, in the mean over cohorts.
    assert clean["auc"] > 0.5
    random, high = np.random.default_rng(0), np.arange(90) < 60
    for single in (0, 45):  # patients who share their site with nobody
        drawn = (np.append(random.integers(0, 4, 90 - single), np.arange(4, 4 + single)) for _ in range(400))
        several = [sites.left_out(random.permutation(site), high, ~high) for site in drawn]
        assert np.mean(several) == pytest.approx(0.5, abs=0.02)
    assert sum(sites.audit(cohort_with_sites(0.0, seed))["p"] < 0.05 for seed in range(20)) <= 3
    assert "not shown" in sentences.sites(clean | {"p": 0.4}, ("LGG", "HGG"), "patients")


def scores(seed: int = 0, runs: int = 3) -> pd.DataFrame:
    random, patient = np.random.default_rng(seed), np.repeat(np.arange(40), 2)
    base = pd.DataFrame({"patient_id": patient, "label": 1 * (patient < 22), "site": [*"xxyy"] * 20, "arm": "a"})
    made = [base.assign(seed=run, score=np.round(random.normal(size=80) + base["label"], 1)) for run in range(runs)]
    return pd.concat(made, ignore_index=True)


def test_within_one_site_it_is_the_auc_and_its_interval() -> None:
    frame = scores().assign(site="x")
    row, whole = sites.within_site(frame).iloc[0], intervals(patient_pairs(frame, "slice")).iloc[0]
    assert row["within"] == pytest.approx(whole["auc_mean"])
    assert (row["low"], row["high"]) == pytest.approx((whole["patients_low"], whole["patients_high"]))
    assert (row["pairs_share"], row["positives"], row["negatives"]) == (1, 22, 18)
    text = further_tables.within_site(sites.within_site(frame), ("LGG", "HGG"), "patients")
    assert text.loc["a", "within a site"] == f"{row['within']:.3f}"


def test_within_sites_pairs_of_one_site_are_counted_alone() -> None:
    frame = scores(runs=1)
    frame["score"] += 10 * (frame["site"] == "x")  # the site moves every score, and no pair of one site
    won = count = 0.0
    for _, rows in frame.groupby("site"):
        high, low = (rows.loc[rows["label"] == kind, "score"].to_numpy() for kind in (1, 0))
        won += (high[:, None] > low).sum() + (high[:, None] == low).sum() / 2
        count += len(high) * len(low)
    row = sites.within_site(frame).iloc[0]
    assert row["within"] == pytest.approx(won / count)
    assert row["pairs_share"] == pytest.approx(count / (44 * 36))
    assert row["auc_mean"] < row["within"]


def test_within_sites_the_error_is_the_spread_of_drawing_patients() -> None:
    frame = scores(runs=1)
    random, drawn, score = np.random.default_rng(1), [], frame["score"].to_numpy().reshape(40, 2)
    site = frame["site"].to_numpy().reshape(40, 2)[:, 0]
    high, low = score[:22, None, :, None], score[None, 22:, None]
    won, same = ((high > low) + 0.5 * (high == low)).mean((2, 3)), site[:22, None] == site[22:]
    for _ in range(2000):
        first, second = (np.bincount(random.integers(0, count, count), minlength=count) for count in (22, 18))
        drawn.append(first @ (won * same) @ second / (first @ same @ second))
    assert across_patients(sites.within_pairs(frame)[0], "a").error == pytest.approx(np.std(drawn), rel=0.12)


def test_brats_2019_by_site_and_by_hospital() -> None:
    """The committed counts; without images the site's name gives 0.994, the hospital 0.887."""
    every = {by: rows for by, rows in sites.brats_2019().groupby("by")}
    for by, expected in (("site", (0.994, 28, 11)), ("hospital", (0.887, 84, 76))):
        found = sites.audit(every[by])
        assert round(found["auc"], 3) == expected[0]
        assert (found["with_partner_positives"], found["with_partner_negatives"]) == expected[1:]
        assert (found["positives"], found["negatives"]) == (259, 76)
        assert found["auc_validated"] == pytest.approx(expected[0], abs=0.02)


@pytest.mark.skipif("BRATS_AL_REAL_CASES" not in os.environ, reason="no BRATS_AL_REAL_CASES")
def test_the_counts_are_those_of_the_releases_own_mapping(tmp_path: Path) -> None:
    mapping = Path(os.environ["BRATS_AL_REAL_CASES"]) / "name_mapping_brats2019.csv"
    brats2019_sites.main(str(mapping), str(tmp_path))
    assert (tmp_path / BRATS_2019.name).read_bytes() == BRATS_2019.read_bytes()
    found = read_mapping(mapping)
    assert found is not None
    assert brats2019_sites.of_release(found)["hospital"].nunique() == 10
