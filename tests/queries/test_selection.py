"""What a selection asks, and what it gives before and after the networks have answered."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.queries.pool import Pool, Views
from brats_al_utils.queries.sampling import NEEDS_SCORE, NEEDS_VIEWS, STRATEGIES
from brats_al_utils.queries.selection import Opinions, Question, iterative, one_shot
from brats_al_utils.seeds import integer

SIZE = 200
IDS = np.arange(0, 2 * SIZE, 2)
PATIENTS = np.array([f"p{number // 10:02}" for number in range(SIZE)])
POOL = Pool(IDS, np.zeros(SIZE), PATIENTS, label=np.arange(SIZE) % 4 // 3)  # a quarter of the slices is positive
SCORE = np.linspace(1, 0, SIZE)  # the first slices are the most uncertain
NAMES = sorted(STRATEGIES)


def seeds(source: str) -> int:
    return integer(7, source)


def answers(question: Question) -> Opinions:
    """Answer as networks do that are the surer of a slice the higher its id."""
    if question.views is None:
        return Opinions(uncertainty=SCORE)
    rng = np.random.default_rng(0)
    probability = 0.5 + 0.5 * (1 - SCORE)
    copies = np.clip(probability + rng.normal(0, 0.01, (8, SIZE)), 0, 1)
    features = rng.normal(size=(SIZE, 8)).astype(np.float32)
    return Opinions(views=Views(probability, copies, copies, features, np.arange(SIZE) % 2))


def nothing(question: Question) -> None:
    return None


@pytest.mark.parametrize("strategy", NAMES)
@pytest.mark.parametrize("ask", [answers, nothing])
def test_one_shot(strategy: str, ask: Callable[[Question], Opinions | None]) -> None:
    """Every strategy gives its budget, asks at most one question, and is settled once that is answered."""
    selected = one_shot(strategy, POOL, 60, 40, seeds, ask)
    asks = strategy in NEEDS_SCORE or strategy in NEEDS_VIEWS
    assert len(set(selected.chosen)) == 40
    assert set(selected.chosen) <= set(IDS)
    assert len(selected.labelled) == 60 * asks
    assert len(selected.questions) == asks
    assert selected.settled == (ask is answers or not asks)
    for question in selected.questions:
        assert question == Question(tuple(selected.labelled), NEEDS_VIEWS.get(strategy), settled=True)
    assert len(selected.annotated) == len(set(selected.labelled) | set(selected.chosen))


def test_a_range_of_each_class_knows_the_labels_and_the_answer() -> None:
    """Of the 150 negative and 50 positive slices, the 45 and 15 of which the committee is least sure."""
    label = np.arange(SIZE) % 4 // 3
    expected = [*IDS[label == 0][:45], *IDS[label == 1][:15]]
    chosen = one_shot("window 0%-30% of each class", POOL, 60, 60, seeds, answers).chosen
    assert chosen.tolist() == sorted(expected)


def test_one_shot_goes_by_the_answer() -> None:
    np.testing.assert_array_equal(one_shot("top", POOL, 60, 40, seeds, answers).chosen, IDS[:40])
    middle = one_shot("middle", POOL, 60, 160, seeds, answers).chosen
    np.testing.assert_array_equal(middle, IDS[20:180], "all that is left without a tenth at either end")


@pytest.mark.parametrize("strategy", ["random", "middle", "entropy", "coreset"])
def test_iterative(strategy: str) -> None:
    """Each query asks networks trained on all that is annotated so far, and adds other slices."""
    selected = iterative(strategy, POOL, [20, 20, 30], seeds, answers)
    assert selected.settled
    assert len(selected.chosen) == 70
    assert not len(selected.labelled), "all that is annotated is trained on"
    if strategy != "random":
        first, second = (set(question.labelled) for question in selected.questions)
        assert [len(first), len(second)] == [20, 40]
        assert first < second < set(selected.chosen)
        assert all(question.settled for question in selected.questions)
    if strategy == "entropy":
        # The least sure of those that were left.
        left = [number for number in IDS if number not in first]
        assert second - first == set(left[:20])


def test_iterative_before_the_answers() -> None:
    """The first question can be answered now; the second stands on stand-ins, and both give as many slices."""
    selected = iterative("entropy", POOL, [20, 20, 30], seeds, nothing)
    assert [question.settled for question in selected.questions] == [True, False]
    assert not selected.settled
    assert len(selected.chosen) == 70

    def half(question: Question) -> Opinions | None:
        return answers(question) if len(question.labelled) == 20 else None

    selected = iterative("entropy", POOL, [20, 20, 30], seeds, half)
    assert [question.settled for question in selected.questions] == [True, True]
    assert not selected.settled


def test_stand_ins_of_two_strategies_differ() -> None:
    """Otherwise a plan would take the runs of both for one."""
    named = {strategy: tuple(one_shot(strategy, POOL, 60, 40, seeds, nothing).chosen) for strategy in NEEDS_VIEWS}
    assert len(set(named.values())) == len(named)


@given(first=st.integers(1, SIZE), budget=st.integers(-2, SIZE + 5))
def test_a_budget_that_cannot_be_drawn_is_refused(first: int, budget: int) -> None:
    for strategy in ("random", "middle", "entropy"):
        most = {"middle": SIZE * 8 // 10, "entropy": SIZE - first}.get(strategy, SIZE)  # a competitor adds
        for ask in (answers, nothing):
            if 0 < budget <= most:
                assert len(one_shot(strategy, POOL, first, budget, seeds, ask).chosen) == budget
            else:
                with pytest.raises(InputError, match="budget"):
                    one_shot(strategy, POOL, first, budget, seeds, ask)
