"""What a study has decided of its planned contrasts: a made-up one, of which only a part is there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import made_up, write_cohort
from sklearn.metrics import roc_auc_score

from brats_al_utils.beyond.arms import first_planned
from brats_al_utils.beyond.arms import planned as contrasts
from brats_al_utils.beyond.comparison import planned, uncertain
from brats_al_utils.beyond.comparison.pilot import lengths, plateau
from brats_al_utils.findings.outcomes import NOT_JUDGED, NOT_YET
from brats_al_utils.study.arms import proposed, ranges
from brats_al_utils.study.opening import open_study
from brats_al_utils.study.stages import Results, advance, committee, plan
from brats_al_utils.study.study import Study

FOLDS = 3
SETTINGS = {"classes": "malignant,benign", "folds": FOLDS, "n_runs": 2 * FOLDS, "image_size": 64, "epochs": 4}
SKILL = {"random at 51%": 2.0, "baseline": 3.0, "all annotated slices": 2.0}
"""How far apart an arm's scores of the two classes lie; others 1."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A person has images of both classes; one of two cycles is trained, and neither ranges nor iterative queries."""
    root = tmp_path_factory.mktemp("planned")
    study = open_study("open", write_cohort(root / "data", masked=False, both=True), root, SETTINGS)
    arms = first_planned(study.profile)
    study.store.folder.mkdir(parents=True, exist_ok=True)
    label = study.slices.table["label"].to_numpy()
    for _ in range(2):  # the committees, then what is trained on their choice
        for row in advance(study, arms):
            if row.known and row.number < FOLDS + 1:
                result, random = made_up(row.run), np.random.default_rng(int(row.run.key[:8], 16))
                skill = SKILL.get(row.arm.name, 1.0) * label[list(row.run.test)]
                score = 1 / (1 + np.exp(-skill - random.normal(size=len(row.run.test))))
                loss = np.full(row.run.settings.epochs, 0.1 if row.arm.name != "placebo" else 0.9)
                arrays = result.arrays | {"probability/test": score, "train_loss": loss}
                study.store.save(replace(result, arrays=arrays))
    return study


@pytest.fixture(scope="module")
def results(study: Study) -> Results:
    return planned.stored(study)


def test_only_whole_cycles_and_what_is_there_are_judged(study: Study, results: Results) -> None:
    assert {number for _, number in results} == set(range(FOLDS + 1))
    table = planned.decided(study, results).set_index(["arm", "other"])
    others = ["random at 51%", "random", "placebo", "random at 51%", "random"]
    assert list(table.index) == [*zip(["proposed"] * 3 + ["all annotated slices", "baseline"], others, strict=True)]
    assert table["n_runs"].eq(FOLDS).all() and table["planned"].eq(2 * FOLDS).all()
    assert table["auc_difference"].iloc[0] < -0.05 < 0.05 < table["auc_difference"]["baseline", "random"]
    assert table["learned"].tolist() == [True, True, False, True, True]
    assert set(table["outcome"]) == {NOT_YET}, "one of two cycles"
    said = planned.said(table.reset_index())
    assert all("not decided yet. 3 of 6 planned runs:" in line for line in said)
    whole = replace(study, profile=replace(study.profile, n_runs=FOLDS))
    table = planned.decided(whole, results)
    judged, not_judged = planned.said(table)[1:3]
    assert judged.endswith("adjusted by Holm.") and not_judged.split(": ")[1].startswith("not judged, as")
    assert "Holm" not in not_judged, "there is no interval"
    outcomes = table.set_index(["arm", "other"])["outcome"]
    assert NOT_YET not in set(outcomes) and outcomes["proposed", "placebo"] == NOT_JUDGED
    assert planned.decided(study, {}).empty


def test_as_many_slices_at_random_by_hand(study: Study) -> None:
    """The AUC rises by 0.02 from 30 % to all, so by half of that from 30 % to the square root of 0.3."""
    rows = [
        ("proposed", "random at 51%", -0.02, -0.04, 0.0),
        ("proposed", "random", 0.01, 0.0, 0.02),
        ("proposed", "placebo", 0.01, 0.0, 0.02),
        ("baseline", "random", 0.02, 0.01, 0.03),
    ]
    table = pd.DataFrame(rows, columns=["arm", "other", "auc_difference", "decided_low", "decided_high"])
    found = planned.drawn_at_random(study, table)[["at_random", "at_random_low", "at_random_high"]]
    assert found.iloc[0].tolist() == pytest.approx([0.51 * 0.3, 0.51 * 0.3**2, 0.51])
    assert found.iloc[1].tolist() == pytest.approx([0.3**0.5, 0.3, 1.0])
    assert found.iloc[2:].isna().all(axis=None)
    assert planned.drawn_at_random(study, table.assign(decided_low=-0.01))["at_random"].isna().all(), "no rise is shown"


def test_each_attack_has_its_answer(study: Study, results: Results) -> None:
    table = planned.attacks(study, results, planned.decided(study, results)).set_index("attack")["found"]
    learned, number, share, site, place, persons, updates, ceiling, chance = table
    assert "of as many slices: " in number and "(looked" not in number
    assert share.count("%") == 3 and "(proposed)" in share
    assert "AUC of 0." in place
    assert learned.startswith("Not these: placebo.")
    assert site == "The cohort names one site."
    assert "both classes" in persons
    assert updates.startswith("Yes") and "(baseline)" in updates
    assert "AUC of 0.9" in ceiling
    assert "3 of 6 planned runs" in chance


def test_folds_of_other_sizes_are_said(study: Study, results: Results) -> None:
    place = next(place for place in results if place[0].name == "proposed")
    run = results[place].run
    most = len(run.training)
    shorter = results | {place: replace(results[place], run=replace(run, training=run.training[: most // 2]))}
    assert planned.fewer(study, shorter).startswith(f"proposed trains on {most // 2} to {most} slices by fold, random")


def test_runs_that_have_not_learned_among_others_are_counted(study: Study, results: Results) -> None:
    place = next(place for place in results if place[0].name == "proposed")
    arrays = results[place].arrays
    guess = replace(results[place], arrays=arrays | {"train_loss": np.full_like(arrays["train_loss"], 9.0)})
    found = planned.learned(study, results | {place: guess})
    assert found.startswith(f"Not these: placebo. All but 1 of {FOLDS + 1} runs of proposed")


def test_a_committee_that_has_learned_nothing_is_said(study: Study) -> None:
    members = [member for number in range(FOLDS + 1) for member in committee(study, "imbalanced", number)]
    for loss, learned in ((9.0, 1), (0.1, len(members))):
        for member in members[1:]:
            result = study.store.load(member)
            assert result
            study.store.save(replace(result, arrays=result.arrays | {"train_loss": np.full(4, loss)}))
        assert planned.of_committees(study) == f"Of the networks of the committee, {learned} of {len(members)} have."
    for row in advance(study, [contrasts(study.profile)[-1][0]], runs=1):
        if row.known:
            result = made_up(row.run)
            study.store.save(replace(result, arrays=result.arrays | {"train_loss": np.full(4, 9.0)}))
    assert planned.of_committees(study).endswith("; of the networks of the committees of several queries, 0 of 3 have.")


def test_the_hospital_is_asked_within_sites(study: Study, results: Results) -> None:
    """Persons of two sites: pairs of one site are about half of all pairs."""
    slices = study.slices
    site = np.where(np.arange(len(slices.table)) // 4 % 2, "A", "B")
    opened = {"imbalanced": replace(slices, table=slices.table.assign(site=site))}
    (method, (other,)), *_ = contrasts(study.profile)
    said = planned.within(replace(study, opened=opened), planned.in_whole_cycles(study, results, [method, other]))
    assert "worse" in said and "AUC 0." in said


def test_a_slice_lies_so_far_from_its_tumours_end() -> None:
    """Of 1 to 7, slices 3 to 5 have tumour; of a patient with one slice nothing is known."""
    z = np.arange(1, 8)
    table = pd.DataFrame({"patient_id": [*"aaaaaaab"], "z": [*z, 4], "position": [*(z - 3) / 2, 0.0]})
    assert uncertain.depth(table).tolist() == pytest.approx([-2, -1, 0, 1, 0, -1, -2, np.nan], nan_ok=True)


def test_what_the_ranges_hold(study: Study) -> None:
    untaught = {"test_auc": np.nan, "taught_runs": np.nan}
    table = uncertain.in_ranges(study, range(FOLDS)).set_index("arm").assign(**untaught)
    assert len(table) == 9 and table.index[0] == "0%-30%"
    everything = table.iloc[-1]
    # The labelled 30 % of 24 slices a run; a third of the persons have no malignant image, of others half are.
    assert everything["labelled_share"] == pytest.approx(0.3, abs=0.02)
    assert everything["positive_share"] == pytest.approx(1 / 3, abs=0.1) and everything["sites_apart"] == 0
    assert table["first_last"].isna().all(), "images of no volume"
    said = uncertain.said(table.reset_index())
    assert len(said) == 3 and "tumour" not in " ".join(said)
    slices = study.opened["imbalanced"]
    one_class = replace(study, opened={"imbalanced": replace(slices, table=slices.table.assign(label=0))})
    table = uncertain.in_ranges(one_class, [0]).assign(**untaught)
    assert table["committee_auc"].isna().all()
    assert "AUC" not in " ".join(uncertain.said(table))


def test_what_each_range_has_taught(study: Study, results: Results) -> None:
    """Ranges of whole cycles alone: four runs of the baseline's results stand for each, of three is the mean."""
    assert planned.taught(study, results).empty
    baseline = proposed(study.profile)[1]
    of_each = {(arm, number): results[baseline, number] for arm in ranges(study.profile) for number in range(FOLDS + 1)}
    table = planned.taught(study, results | of_each).set_index("arm")
    assert len(table) == 9 and table["taught_runs"].eq(FOLDS).all()
    label = study.slices.table["label"].to_numpy()
    some = [results[baseline, number] for number in range(FOLDS)]
    by_hand = [roc_auc_score(label[list(of.run.test)], of.arrays["probability/test"]) for of in some]
    assert table["test_auc"].tolist() == pytest.approx([np.mean(by_hand)] * 9)
    facts = uncertain.in_ranges(study, range(FOLDS)).merge(table.reset_index(), how="left")
    assert f"on all {np.mean(by_hand):.2f} (3 runs)" in uncertain.said(facts)[-1]


def test_contrasts_are_those_of_the_protocol(study: Study) -> None:
    arms = contrasts(study.profile)
    assert len(arms) == 7 and len(arms[5][1]) == 7
    assert planned.RUNS == {("lgg", "tumour"): 20, ("lgg", "grade"): 10}
    assert all(row.arm.iterative for row in plan(study, [arms[6][0]]))


CURVES = [([0.8, 0.9, 0.9015, 0.89], 2), ([0.8, 0.9, 0.903, 0.9], 3), ([0.9, 0.8], 1), ([0.7, 0.8, 0.9], 3)]


@pytest.mark.parametrize(("curve", "epoch"), CURVES)
def test_the_plateau_is_the_first_epoch_that_no_later_one_exceeds_by_much(curve: list[float], epoch: int) -> None:
    assert plateau(pd.Series(curve, range(1, len(curve) + 1))) == epoch


def test_lengths_are_of_means_across_runs() -> None:
    aucs = {(1, 1): 0.8, (1, 2): 0.7, (2, 1): 0.6, (2, 2): 0.9}  # by seed and epoch
    rows = [("random", 0.001, *place, 0.5, auc) for place, auc in aucs.items()]
    table = lengths(pd.DataFrame(rows, columns=["arm", "rate", "seed", "epoch", "train_loss", "validation_auc"]))
    (row,) = table.to_dict("records")
    assert row == {"arm": "random", "rate": 0.001, "epochs": 2, "validation_auc": pytest.approx(0.8), "train_loss": 0.5}
