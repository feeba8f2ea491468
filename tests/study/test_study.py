"""One-shot and iterative selections, what they cost, what is made of their results, and a study with folds."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from conftest import write_release
from small_study import small_study

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.beyond.comparison import further_evidence
from brats_al_utils.beyond.competitors import beside
from brats_al_utils.beyond.competitors.competitors import COMPETITORS
from brats_al_utils.findings import evidence
from brats_al_utils.findings.statistics import summarise
from brats_al_utils.networks.training import auc
from brats_al_utils.queries.pool import Pool
from brats_al_utils.queries.sampling import MIDDLE, RANDOM
from brats_al_utils.queries.selection import Selection
from brats_al_utils.study import stages
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import Results, Row, advance, plan, results_of, selections_of, train
from brats_al_utils.study.study import Study

EPOCHS = 1
ARMS = [
    Arm("random", "scratch", EPOCHS, RANDOM, 0.3),
    Arm("proposed", "scratch", EPOCHS, MIDDLE, 0.3),
    Arm("all annotated slices", "scratch", EPOCHS, MIDDLE, 0.3, with_labelled=True),
    Arm("coreset", "scratch", EPOCHS, COMPETITORS["coreset"], 0.3),
    Arm("entropy, iterative", "scratch", EPOCHS, COMPETITORS["entropy"], 0.3, iterative=True),
    Arm("proposed, iterative", "scratch", EPOCHS, MIDDLE, 0.3, iterative=True),
    Arm("another network", "scratch", EPOCHS, MIDDLE, 0.3, network="resnet18"),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    return small_study(write_release(root / "release", 8, 8), root / "out")  # two patients of each grade for the test


@pytest.fixture(scope="module")
def rows(study: Study) -> list[Row]:
    return train(study, ARMS)


@pytest.fixture(scope="module")
def results(study: Study, rows: list[Row]) -> Results:
    return results_of(study, rows)


def arm(name: str) -> Arm:
    return next(arm for arm in ARMS if arm.name == name)


def of(rows: list[Row], name: str, number: int = 0) -> list[Row]:
    """Return the rows of an arm in one run, one network that chooses for each stage, then its own training."""
    return [row for row in rows if (row.arm.name, row.number) == (name, number) and row.member < 2]


def chosen(rows: list[Row], name: str, number: int = 0) -> Selection:
    return selections_of(rows)[arm(name), number]


def elsewhere(study: Study) -> Study:
    """Return the study in another place, where nothing is stored."""
    return replace(study, places=study.places.of("smoke", study.places.outputs / "nowhere"))


def test_the_length_of_arms_on_two_sets_is_that_of_each(study: Study) -> None:
    table = study.slices.table
    fewer = replace(study.slices, table=table.assign(part=["training"] * 7 + ["test"] * (len(table) - 7)))
    opened, profile = study.opened | {"balanced": fewer}, replace(study.profile, batch_size=1)
    both = replace(study, opened=opened, profile=profile).caption([replace(ARMS[0], dataset="balanced"), ARMS[0]])
    assert f"1 epoch (updates on all slices: 7 or {(table['part'] == 'training').sum()})" in both


def test_stages_in_the_open(study: Study, rows: list[Row]) -> None:
    """A committee is known at once, what is trained on its choice when it has said what it makes of the slices."""
    planned = plan(study, [arm("proposed"), arm("random")], runs=1)
    places = [(row.stage, row.member, row.known) for row in planned]
    assert places == [(0, 1, True), (0, 2, True), (1, 0, False), (0, 0, True)]
    scores = stages.uncertainty(study, planned)
    (pool,) = scores.values()
    np.testing.assert_array_equal(pool.score, stages.committee_pool(study, "imbalanced", 0).score)
    chosen_now = stages.choose(study, planned, scores)
    assert all(row.known for row in chosen_now)
    ids = MIDDLE.choose(pool, round(0.3 * len(pool.ids)), study.seed(0, "sample draw"))
    assert chosen_now[2].run.training == tuple(ids) == of(rows, "proposed")[-1].run.training
    assert not all(row.known for row in stages.choose(study, planned, {})), "nobody has said anything"


def test_others_are_trained_during_a_slow_query(study: Study, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run's query ends only after the first run's choice was handed on, and the table is the same."""
    handed_on = threading.Event()

    def slow(given: Pool, budget: int, seed: int) -> Array:
        if seed == study.seed(1, "sample draw") and given.score.any():  # `begin` tries without scores
            assert handed_on.wait(60)
        return MIDDLE.rule(given, budget, seed)

    monkeypatch.setattr(beside, "QUICK", 0.1)
    planned = plan(study, [replace(arm("proposed"), strategy=replace(MIDDLE, rule=slow))])
    tables = beside.as_chosen(study, planned)
    assert [row.known for row in next(tables) if not row.member] == [True, False]
    handed_on.set()
    assert [row.run.key for row in next(tables)] == [row.run.key for row in rows if row.arm == arm("proposed")]


def test_an_arm_that_is_named_twice_has_one_committee(study: Study) -> None:
    once, twice = (plan(study, [arm("proposed")] * times) for times in (1, 2))
    assert [row.same for row in once] == [row.same for row in twice]


def test_networks_that_are_not_trained_choose_nothing(study: Study) -> None:
    nowhere = elsewhere(study)
    planned = plan(nowhere, [arm("proposed")])
    with pytest.raises(InputError, match="compute their runs first"):
        stages.uncertainty(nowhere, planned)
    with pytest.raises(InputError, match="not trained yet"):
        stages.committee_pool(nowhere, "imbalanced", 0)
    assert [row.known for row in advance(nowhere, [arm("proposed")])] == [row.known for row in planned]


def test_each_query_adds_a_tenth_to_a_random_tenth(study: Study, rows: list[Row]) -> None:
    pool = study.ids("imbalanced", "training", 0)
    size = [round(0.1 * len(pool) * queries) for queries in (1, 2, 3)]
    for name in ("entropy, iterative", "proposed, iterative"):
        there = of(rows, name)
        assert [row.stage for row in there] == [0, 1, 2]
        first, second, last = (set(row.run.training) for row in there)
        assert [len(first), len(second), len(last)] == size
        assert first < second < last < set(pool)
        assert last == set(chosen(rows, name).chosen)
        assert first <= set(stages.labelled(study, "imbalanced", 0)), "random budgets of one seed are nested"
    # What entropy adds is what the network trained on the first tenth is least sure of, among the others.
    first_row, second_row, _ = of(rows, "entropy, iterative")
    found = study.store.load(first_row.run)
    assert found is not None
    others = ~np.isin(pool, first_row.run.training)
    added = np.isin(pool, second_row.run.training) & others
    distance = np.abs(found.arrays["probability/pool"] - 0.5)
    assert distance[added].max() <= distance[others & ~added].min()


def test_smaller_steps_of_iterative_querying(study: Study) -> None:
    small = replace(study, profile=study.profile.with_settings({"iteration_share": "0.05"}))
    pool, stages = len(study.ids("imbalanced", "training", 0)), of(plan(small, ARMS), "entropy, iterative")
    assert [len(row.run.training) for row in stages[:-1]] == [round(0.05 * pool * queries) for queries in range(1, 6)]
    assert len(stages[-1].run.training) == round(0.3 * pool)


def test_what_arms_are_trained_on_and_what_they_have_annotated(study: Study, rows: list[Row], results: Results) -> None:
    pool = study.ids("imbalanced", "training", 0)
    committee, ids = stages.labelled(study, "imbalanced", 1), chosen(rows, "proposed", 1).chosen
    other = results[arm("another network"), 1].run
    assert (other.network, other.training) == ("resnet18", tuple(ids)), "AlexNet chose for it"
    cost = evidence.annotation_cost(study, rows, ARMS).query("seed == 1").set_index("arm")
    paid = cost["annotated"]
    assert paid["random"] == cost["chosen"]["random"] == round(0.3 * len(pool))
    assert paid["proposed"] == paid["all annotated slices"] == len(set(committee) | set(ids))
    assert paid["coreset"] == len(set(committee) | set(chosen(rows, "coreset", 1).chosen))
    assert paid["entropy, iterative"] == cost["chosen"]["entropy, iterative"]


def test_a_plan_counts_the_runs_that_are_made(study: Study, rows: list[Row]) -> None:
    """With everything stored, all slices are known; with nothing stored, as many runs are counted."""
    made = {path.stem for path in study.store.folder.glob("*.safetensors")}
    assert {row.run.key for row in advance(study, ARMS)} == {row.run.key for row in rows} == made
    asked = plan(elsewhere(study), ARMS)
    assert len(asked) == len(rows)
    assert len({row.same for row in asked}) == len(made)
    # How many chosen slices were labelled before is not known beforehand.
    assert sum(row.run.images for row in asked) == pytest.approx(sum(row.run.images for row in rows), rel=0.03)


def test_data_frames_of_the_evidence(study: Study, rows: list[Row], results: Results) -> None:
    some = {place: result for place, result in results.items() if place[0].name in ("random", "proposed")}
    table = further_evidence.interval_table(study, some)
    runs = evidence.evaluate(study, some).query("part == 'test'")
    for row in table.itertuples():
        expected = runs[(runs["arm"] == row.arm) & (runs["unit"] == row.unit)]["auc"].mean()
        assert row.auc_mean == pytest.approx(expected)
    paid = further_evidence.annotated_runs(study, rows, some)
    assert set(paid["strategy"]) == {"random", "proposed"}
    share = paid.set_index("strategy")["annotated"]
    assert share["random"].max() < share["proposed"].min()
    assert set(further_evidence.quality(study, some)["unit"]) == {"slice", "patient"}
    epochs = further_evidence.epochs_kept_and_last(study, some)
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
    assert list(further_evidence.choices(study, rows, ARMS[:2])["arm"]) == ["random", "proposed"]


FOLDS = 3
FOLDED = [Arm("all", "scratch", 1), Arm("random", "scratch", 1, RANDOM, 0.5)]


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("folds")
    release = write_release(root / "release", 7, 7)  # folds of 2 and 3 patients of each class
    folded = small_study(release, root / "out", "2")
    return replace(folded, profile=replace(folded.profile, folds=FOLDS, n_runs=FOLDS))


def test_tables_know_the_folds(folded: Study) -> None:
    results = results_of(folded, train(folded, FOLDED))
    scores = evidence.scores(folded, results, "test")
    assert scores.groupby("seed")["fold"].unique().map(list).tolist() == [[0], [1], [2]]
    assert len(scores[scores["arm"] == "all"]) == len(folded.slices.table), "a cycle tests every slice once"
    # The interval across runs is wider than that of independent test sets: 1/3 + 1/1 for 1/3 (test over training).
    assert folded.redrawn == 1.0
    runs = evidence.evaluate(folded, results).query("part == 'test' and unit == 'slice'")
    runs = runs.assign(auc=0.5 + runs["auc"] / 100)  # no limit then meets 0 or 1
    widths = []
    for redrawn in (0.0, folded.redrawn):
        row = summarise(runs, redrawn=redrawn).set_index("arm").loc["all"]
        widths.append(row["runs_high"] - row["runs_low"])
    assert widths[1] == pytest.approx(2 * widths[0])
    assert "3 folds; 1 epoch (updates on all slices: 1)" in folded.caption(FOLDED)
    by_updates = replace(folded, profile=replace(folded.profile, length="updates"))
    assert "updates in every arm: 1 (1 epoch of all slices)" in by_updates.caption(FOLDED)
    # Training sets of unequal size are one point of a curve.
    everything = evidence.evaluate(folded, results)
    assert everything.loc[everything["arm"] == "all", "examples"].nunique() > 1
    points = summarise(evidence.with_mean_examples(everything), ("dataset", "share", "examples"), folded.redrawn)
    assert (points["n_runs"] == FOLDS).all()
    assert evidence.contrasts(folded, results, [(FOLDED[1], FOLDED[0])])["auc_difference"].notna().all()
