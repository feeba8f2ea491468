"""Arms of notebook 07: one-shot and iterative selections, what they cost, and what is made of their results."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from conftest import write_case
from small_study import small_study

from brats_al_utils.findings import evidence
from brats_al_utils.networks.training import auc
from brats_al_utils.study.arms import Arm, planted_name, planted_outliers
from brats_al_utils.study.selections import labelled, opinions, selection
from brats_al_utils.study.study import Study
from brats_al_utils.study.trainer import Results, runs_of, train

EPOCHS = 1
ARMS = [
    Arm("random", "scratch", EPOCHS, "random", 0.3),
    Arm("proposed", "scratch", EPOCHS, "middle", 0.3),
    Arm("all annotated slices", "scratch", EPOCHS, "middle", 0.3, with_labelled=True),
    Arm("coreset", "scratch", EPOCHS, "coreset", 0.3),
    Arm("reverse", "scratch", EPOCHS, "reverse", 0.3),
    Arm("entropy, iterative", "scratch", EPOCHS, "entropy", 0.3, iterative=True),
    Arm("proposed, iterative", "scratch", EPOCHS, "middle", 0.3, iterative=True),
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
    yield train(study, ARMS)


def arm(name: str) -> Arm:
    return next(arm for arm in ARMS if arm.name == name)


def test_a_data_set_s_name_says_what_is_planted() -> None:
    assert planted_name("mislabelled", 0.05) == "5% mislabelled"
    assert planted_outliers("5% mislabelled") == ("mislabelled", 0.05)
    assert planted_outliers(planted_name("atypical", 0.0)) == ("atypical", 0.0)
    assert planted_outliers("imbalanced") is None


def test_each_query_adds_a_tenth_to_a_random_tenth(study: Study, results: Results) -> None:
    pool = study.ids("imbalanced", "training", 0)
    size = [round(0.1 * len(pool) * queries) for queries in (1, 2, 3)]
    for name in ("entropy, iterative", "proposed, iterative"):
        selected = selection(study, arm(name), 0)
        assert selected.settled
        first, second = (np.array(question.labelled) for question in selected.questions)
        assert [len(first), len(second), len(selected.chosen)] == size
        assert set(first) < set(second) < set(selected.chosen) < set(pool)
        assert results[arm(name), 0].run.training == tuple(selected.chosen)
        assert set(first) <= set(labelled(study, "imbalanced", 0)), "random budgets of one seed are nested"
    # What entropy adds is what the network trained on the first tenth is least sure of, among the others.
    question = selection(study, arm("entropy, iterative"), 0).questions[0]
    found = opinions(study, "imbalanced", 0, question)
    assert found is not None and found.views is not None
    others = ~np.isin(pool, question.labelled)
    added = np.isin(pool, selection(study, arm("entropy, iterative"), 0).questions[1].labelled) & others
    distance = np.abs(found.views.probability - 0.5)
    assert distance[added].max() <= distance[others & ~added].min()


def test_smaller_steps_of_iterative_querying(study: Study) -> None:
    small = replace(study, profile=study.profile.with_settings({"iteration_share": "0.05"}), selections={})
    selected = selection(small, arm("entropy, iterative"), 0)
    pool = len(study.ids("imbalanced", "training", 0))
    assert [len(question.labelled) for question in selected.questions] == [
        round(0.05 * pool * queries) for queries in range(1, 6)
    ]
    assert len(selected.chosen) == round(0.3 * pool)


def test_what_arms_are_trained_on_and_what_they_have_annotated(study: Study, results: Results) -> None:
    pool = study.ids("imbalanced", "training", 0)
    committee, chosen = labelled(study, "imbalanced", 1), selection(study, arm("proposed"), 1).chosen
    assert results[arm("proposed"), 1].run.training == tuple(chosen)
    assert results[arm("all annotated slices"), 1].run.training == tuple(np.union1d(committee, chosen))
    other = results[arm("another network"), 1].run
    assert (other.network, other.training) == ("resnet18", tuple(chosen)), "AlexNet chose for it"
    cost = {each.name: evidence.annotation_cost(study, each).set_index("seed").loc[1] for each in ARMS}
    assert cost["random"]["annotated"] == cost["random"]["chosen"] == round(0.3 * len(pool))
    both = len(set(committee) | set(chosen))
    assert cost["proposed"]["annotated"] == cost["all annotated slices"]["annotated"] == both
    coreset = selection(study, arm("coreset"), 1)
    assert cost["coreset"]["annotated"] == len(set(committee) | set(coreset.chosen))
    assert cost["reverse"]["annotated"] == len(pool)
    assert cost["entropy, iterative"]["annotated"] == cost["entropy, iterative"]["chosen"]


def test_a_plan_names_the_runs_that_are_made(study: Study, results: Results) -> None:
    """With everything stored, the plan's runs are the study's; with nothing stored, it counts as many."""
    planned = runs_of(study, ARMS)
    made = {path.stem for path in study.store.folder.glob("*.safetensors")}
    assert {run.key for run in planned} == made
    places = study.places.of("smoke", study.places.outputs / "nowhere")
    empty = replace(study, places=places, selections={})
    asked = runs_of(empty, ARMS)
    assert len(asked) == len(planned)
    assert len({run.key for run in asked}) == len(made)
    # How many chosen slices were labelled before is not known beforehand.
    assert sum(run.images for run in asked) == pytest.approx(sum(run.images for run in planned), rel=0.03)


def test_equal_updates_give_every_arm_those_of_the_baseline(study: Study) -> None:
    """Published keys have no such setting: where an epoch is a pass over the slices, it is not in them."""
    by_epochs = {run.key: run for run in runs_of(study, ARMS[:2])}
    by_updates = runs_of(replace(study, profile=replace(study.profile, length="updates")), ARMS[:2])
    arms = [replace(arm, length="updates") for arm in ARMS[:2]]
    training = len(study.ids("imbalanced", "training", 0))
    assert all("epoch_updates" not in run.spec for run in by_epochs.values())
    assert {run.settings.updates(len(run.training)) for run in by_updates} == {-(-training // 16)}
    assert not by_epochs.keys() & {run.key for run in by_updates}
    control = {run.key for run in runs_of(study, arms)}
    assert len(control & {run.key for run in by_updates}) == 2 * 2, "two arms' trainings, twice"
    assert len(control & by_epochs.keys()) == 2 * 2, "their committee is the study's"


def test_data_frames_of_the_evidence(study: Study, results: Results) -> None:
    some = {place: result for place, result in results.items() if place[0].name in ("random", "proposed")}
    table = evidence.interval_table(study, some)
    runs = evidence.evaluate(study, some).query("part == 'test'")
    for row in table.itertuples():
        expected = runs[(runs["arm"] == row.arm) & (runs["unit"] == row.unit)]["auc"].mean()
        assert row.auc_mean == pytest.approx(expected)
    gains = evidence.against(study, some, "random").query("unit == 'slice'")
    means = runs[runs["unit"] == "slice"].groupby("arm")["auc"].mean()
    assert gains["auc_difference"].item() == pytest.approx(means["proposed"] - means["random"])
    paid = evidence.annotated_runs(study, some)
    assert set(paid["strategy"]) == {"random", "proposed"}
    share = paid.set_index("strategy")["annotated"]
    assert share["random"].max() < share["proposed"].min()
    assert set(evidence.quality(study, some)["unit"]) == {"slice", "patient"}
    epochs = evidence.epochs_kept_and_last(study, some)
    result = some[arm("random"), 0]
    labels = study.slices.table["label"].to_numpy()[result.run.ids("test")]
    last = epochs[(epochs["arm"] == "random") & (epochs["seed"] == 0)]["test_last"].item()
    assert last == pytest.approx(auc(labels, result.arrays["probability/test_last"]))
    both = evidence.contrasts(study, results, [(arm("proposed"), arm("random")), (arm("coreset"), arm("random"))])
    for _, family in both.groupby("unit"):
        tested = family["p_patients"].dropna()  # a pair without variance has no test, and is not counted
        adjusted = family.sort_values("p_patients")["p_patients_holm"].iloc[0]
        expected = min(1.0, len(tested) * tested.min()) if len(tested) else np.nan
        assert adjusted == pytest.approx(expected, nan_ok=True), "of the pairs together"
    shown = evidence.audited(study, some)
    assert shown.groupby(["arm", "seed", "shown"]).ngroups == 2 * 2 * 3
    hidden = shown[(shown["arm"] == "random") & (shown["seed"] == 0) & (shown["shown"] == "tumour hidden")]["score"]
    assert hidden.tolist() == result.arrays["audit/tumour_hidden"].tolist()
    assert list(evidence.choices(study, ARMS[:2])["arm"]) == ["random", "proposed"]


def test_two_studies_with_other_settings_share_a_folder_unharmed(study: Study, results: Results) -> None:
    """Each finds its own results in the store, whatever the other has trained there."""
    some = [arm("random")]
    mine = evidence.evaluate(study, train(study, some))
    other = replace(study, profile=replace(study.profile, momentum=0.5), selections={})
    theirs = evidence.evaluate(other, train(other, some))
    assert set(theirs["key"]).isdisjoint(mine["key"])
    before = {path: path.stat().st_mtime_ns for path in study.store.folder.glob("*.safetensors")}
    assert evidence.evaluate(study, train(study, some)).equals(mine)
    assert evidence.evaluate(other, train(other, some)).equals(theirs)
    assert before == {path: path.stat().st_mtime_ns for path in study.store.folder.glob("*.safetensors")}
