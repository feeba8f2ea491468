"""Arms of notebook 07: slices chosen at once or in rounds, what they cost, and what is made of their results."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from conftest import write_case
from small_study import small_study

from brats_al_utils.findings import evidence
from brats_al_utils.networks.training import auc
from brats_al_utils.study.arms import Arm, planted_name, planted_outliers
from brats_al_utils.study.plan import PlannedStudy
from brats_al_utils.study.study import Results, Study

EPOCHS = 1
ARMS = [
    Arm("random", "scratch", EPOCHS, "random", 0.3),
    Arm("proposed", "scratch", EPOCHS, "middle", 0.3),
    Arm("all paid labels", "scratch", EPOCHS, "middle", 0.3, with_labelled=True),
    Arm("coreset", "scratch", EPOCHS, "coreset", 0.3),
    Arm("reverse", "scratch", EPOCHS, "reverse", 0.3),
    Arm("entropy, in rounds", "scratch", EPOCHS, "entropy", 0.3, in_rounds=True),
    Arm("proposed, in rounds", "scratch", EPOCHS, "middle", 0.3, in_rounds=True),
    Arm("another network", "scratch", EPOCHS, "middle", 0.3, network="resnet18"),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    for number in range(16):  # two patients of each grade for the test
        write_case(root / "release" / ("HGG" if number < 8 else "LGG") / f"Brats18_SITE0_{number}_1", number)
    return small_study(root / "release", root / "out")


@pytest.fixture(scope="module")
def results(study: Study) -> Iterator[Results]:
    yield study.train(ARMS)


def arm(name: str) -> Arm:
    return next(arm for arm in ARMS if arm.name == name)


def test_a_data_set_s_name_says_what_is_planted() -> None:
    assert planted_name("mislabelled", 0.05) == "5% mislabelled"
    assert planted_outliers("5% mislabelled") == ("mislabelled", 0.05)
    assert planted_outliers(planted_name("atypical", 0.0)) == ("atypical", 0.0)
    assert planted_outliers("imbalanced") is None


@pytest.mark.slow
def test_rounds_add_a_tenth_each_to_a_random_tenth(study: Study, results: Results) -> None:
    pool = study.slices.ids("training")
    for name in ("entropy, in rounds", "proposed, in rounds"):
        labelled = [study.after_rounds(arm(name), 0, rounds) for rounds in (1, 2, 3)]
        assert [len(ids) for ids in labelled] == [round(0.1 * len(pool) * rounds) for rounds in (1, 2, 3)]
        assert set(labelled[0]) <= set(labelled[1]) <= set(labelled[2]) <= set(pool)
        run = results[arm(name), 0].run
        assert run.training == tuple(labelled[2])
    first = study.after_rounds(arm("entropy, in rounds"), 0, 1)
    np.testing.assert_array_equal(first, study.after_rounds(arm("proposed, in rounds"), 0, 1))
    assert set(first) <= set(study.labelled("imbalanced", 0)), "random budgets of one seed are nested"
    # What entropy adds is what the network trained on the first tenth is least sure of, among the others.
    high = study.views(arm("entropy, in rounds"), 0, first).probability
    others = ~np.isin(pool, first)
    added = np.isin(pool, study.after_rounds(arm("entropy, in rounds"), 0, 2)) & others
    assert np.abs(high[added] - 0.5).max() <= np.abs(high[others & ~added] - 0.5).min()


@pytest.mark.slow
def test_what_arms_are_trained_on_and_what_they_pay_for(study: Study, results: Results) -> None:
    pool = study.slices.ids("training")
    labelled, chosen = study.labelled("imbalanced", 1), study.chosen(arm("proposed"), 1)
    assert results[arm("proposed"), 1].run.training == tuple(chosen)
    assert results[arm("all paid labels"), 1].run.training == tuple(np.union1d(labelled, chosen))
    other = results[arm("another network"), 1].run
    assert (other.network, other.training) == ("resnet18", tuple(chosen)), "AlexNet chose for it"
    cost = {each.name: study.label_cost(each).set_index("seed").loc[1] for each in ARMS}
    assert cost["random"]["paid"] == cost["random"]["chosen"] == round(0.3 * len(pool))
    assert cost["proposed"]["paid"] == cost["all paid labels"]["paid"] == len(set(labelled) | set(chosen))
    assert cost["coreset"]["paid"] == len(set(labelled) | set(study.chosen(arm("coreset"), 1)))
    assert cost["reverse"]["paid"] == len(pool)
    assert cost["entropy, in rounds"]["paid"] == cost["entropy, in rounds"]["chosen"]


@pytest.mark.slow
def test_a_plan_names_the_runs_that_are_made(study: Study, results: Results) -> None:
    """With everything stored, the plan's runs are the study's; with nothing stored, it counts as many."""
    planned = PlannedStudy.of(study)
    made = {path.stem for path in study.store.folder.glob("*.safetensors")}
    assert {run.key for run in planned.runs(ARMS)} == made
    empty = PlannedStudy.of(replace(study, places=study.places.of("smoke", study.places.outputs / "nowhere")))
    asked = empty.runs(ARMS)
    assert len(asked) == len(planned.runs(ARMS))
    assert len({run.key for run in asked}) == len(made)
    # How many chosen slices were labelled before is not known beforehand.
    assert sum(run.images for run in asked) == pytest.approx(sum(run.images for run in planned.runs(ARMS)), rel=0.03)


@pytest.mark.slow
def test_data_frames_of_the_evidence(study: Study, results: Results) -> None:
    some = {place: result for place, result in results.items() if place[0].name in ("random", "proposed")}
    table = evidence.interval_table(study, some)
    runs = study.evaluate(some).query("cohort == 'test'")
    for row in table.itertuples():
        expected = runs[(runs["arm"] == row.arm) & (runs["unit"] == row.unit)]["auc"].mean()
        assert row.auc_mean == pytest.approx(expected)
    gains = evidence.against(study, some, "random").query("unit == 'slice'")
    means = runs[runs["unit"] == "slice"].groupby("arm")["auc"].mean()
    assert gains["auc_difference"].item() == pytest.approx(means["proposed"] - means["random"])
    assert "- proposed: " in evidence.sentences(gains)
    paid = evidence.paid_runs(study, some)
    assert set(paid["strategy"]) == {"random", "proposed"}
    assert (
        paid.loc[paid["strategy"] == "random", "paid"] < paid.loc[paid["strategy"] == "proposed", "paid"].min()
    ).all()
    assert set(evidence.quality(study, some)["unit"]) == {"slice", "patient"}
    epochs = evidence.epochs_kept_and_last(study, some)
    result = some[arm("random"), 0]
    labels = study.slices.table["label"].to_numpy()[result.run.ids("test")]
    last = epochs[(epochs["arm"] == "random") & (epochs["seed"] == 0)]["test_last"].item()
    assert last == pytest.approx(auc(labels, result.arrays["probability/test_last"]))
    both = evidence.family([gains, gains])
    assert both["p_patients_holm"].tolist() == pytest.approx((2 * both["p_patients"]).clip(upper=1).tolist())
    assert list(evidence.choices(study, ARMS[:2])["arm"]) == ["random", "proposed"]
