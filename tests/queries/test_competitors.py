"""What each strategy of others chooses, by hand or by another implementation; their contract is in test_sampling."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from brats_al_utils import InputError
from brats_al_utils.queries.competitors import COMPETITORS, projected
from brats_al_utils.queries.pool import Pool, Views

Array = np.ndarray[Any, Any]


def pool_of(known: Array | None = None, **given: Array) -> Pool:
    """Return a pool of ids from 10 on whose views say nothing but what is given."""
    name, values = next(iter(given.items()))
    size = values.shape[name in ("dropout", "augmented")]
    half = np.full(size, 0.5)
    nothing = {"probability": half, "dropout": half[None], "augmented": half[None], "label": np.zeros(size, int)}
    views = Views(**{"features": np.zeros((size, 1))} | nothing | given)
    return Pool(np.arange(10, 10 + size), np.zeros(size), views=views, known=known)


def chosen(strategy: str, pool: Pool, budget: int, seed: int = 0) -> list[int]:
    return [int(slice_id) for slice_id in COMPETITORS[strategy](pool, budget, seed)]


def blobs(*sizes: int) -> Array:
    """Return features in blobs of up to nine along axes of their own: in each, one in the middle of the others."""
    parts = []
    for axis, size in enumerate(sizes):
        around = np.zeros((size, len(sizes) + 4))
        around[:, axis] = 1
        around[1:, len(sizes) :] = np.concatenate([np.eye(4), -np.eye(4)])[: size - 1] * 0.02
        parts.append(around)
    return np.concatenate(parts)


def test_entropy_and_margin_by_hand() -> None:
    pool = pool_of(probability=np.array([0.99, 0.52, 0.3, 0.05, 0.41]))
    for strategy in ("entropy", "margin"):
        assert chosen(strategy, pool, 3) == [11, 14, 12]


def test_margin_is_entropy_with_two_classes() -> None:
    pool = pool_of(probability=np.random.default_rng(0).random(100))
    assert chosen("entropy", pool, 40) == chosen("margin", pool, 40)


def test_bald_asks_where_passes_disagree() -> None:
    """All passes unsure: entropy ln 2, information 0. Half of them sure of either grade: information near ln 2."""
    dropout = np.array([[0.5, 0.99, 0.9], [0.5, 0.01, 0.8], [0.5, 0.99, 0.9], [0.5, 0.01, 0.8]])
    assert chosen("bald", pool_of(dropout=dropout), 3) == [11, 12, 10]


def test_bald_is_entropy_of_the_mean_less_mean_of_the_entropies() -> None:
    dropout = np.random.default_rng(0).uniform(0.01, 0.99, (20, 50))

    def entropy(p: Array) -> Array:
        return np.asarray(-p * np.log(p) - (1 - p) * np.log(1 - p))

    information = entropy(dropout.mean(0)) - entropy(dropout).mean(0)
    pool = pool_of(dropout=dropout)
    assert chosen("bald", pool, 20) == (10 + np.argsort(-information)[:20]).tolist()


def test_coreset_is_greedy_k_center() -> None:
    rng = np.random.default_rng(0)
    features, known = rng.standard_normal((40, 5)), rng.standard_normal((3, 5))
    centers, expected = list(known), []
    for _ in range(12):
        distance = np.min([np.linalg.norm(features - center, axis=1) for center in centers], axis=0)
        expected.append(int(np.argmax(distance)))
        centers.append(features[expected[-1]])
    assert chosen("coreset", pool_of(features=features, known=known), 12) == sorted(10 + row for row in expected)


def test_badge_takes_one_of_each_group_of_gradients_and_none_twice() -> None:
    """Large gradients in two directions; where the network is sure there is none, whatever the features."""
    features = blobs(5, 5, 5) * 100
    probability = np.repeat([0.45, 0.55, 1.0], 5)
    for seed in range(5):
        rows = np.array(chosen("badge", pool_of(probability=probability, features=features), 3, seed)) - 10
        assert sorted(rows // 5) == [0, 1, 2]
    everything = chosen("badge", pool_of(probability=probability, features=features), 15)
    assert sorted(everything) == list(range(10, 25))


def test_badge_starts_at_the_largest_gradient() -> None:
    """0.4 * 3 = 1.2 against 0.5 * 2 = 1.0 and 0.1 * 9 = 0.9."""
    pool = pool_of(probability=np.array([0.5, 0.4, 0.9]), features=np.array([[2.0], [3.0], [9.0]]))
    assert chosen("badge", pool, 1) == [11]


@pytest.mark.parametrize("seed", range(3))
def test_typiclust_takes_the_middle_of_each_cluster_that_has_no_label_yet(seed: int) -> None:
    features = blobs(7, 8, 9)
    assert sorted(chosen("typiclust", pool_of(features=features), 3, seed)) == [10, 17, 25]
    assert sorted(chosen("typiclust", pool_of(features=features, known=features[1:2]), 2, seed)) == [17, 25]


def test_probcover_covers_the_largest_blob_first() -> None:
    features = blobs(4, 9, 6)
    blob = np.repeat([0, 1, 2], [4, 9, 6])
    rows = [np.array(chosen("probcover", pool_of(features=features), budget)) - 10 for budget in (1, 2, 3)]
    assert [sorted(set(blob[row])) for row in rows] == [[1], [1, 2], [0, 1, 2]]
    known = np.array(chosen("probcover", pool_of(features=features, known=features[6:7]), 2)) - 10
    assert sorted(blob[known]) == [0, 2]


def test_aift_asks_where_copies_are_uncertain_or_at_odds() -> None:
    """H + H + 2 (KL + KL), in nats: 2 ln 2 = 1.39 where both are 0.5; 0.65 + 4 * 0.8 ln 9 = 7.68 for 0.9 and 0.1."""
    augmented = np.array([[0.5, 0.9, 0.99], [0.5, 0.1, 0.98]])
    assert chosen("aift", pool_of(augmented=augmented), 3) == [11, 10, 12]


def test_medal_is_the_farthest_on_average_of_the_uncertain_half() -> None:
    rng = np.random.default_rng(0)
    features, known, probability = rng.standard_normal((40, 5)), rng.standard_normal((4, 5)), rng.random(40)
    left = np.argsort(abs(probability - 0.5))[:20].tolist()
    labelled, expected = list(known), []
    for _ in range(10):
        mean = [np.mean([np.linalg.norm(features[row] - other) for other in labelled]) for row in left]
        expected.append(left.pop(int(np.argmax(mean))))
        labelled.append(features[expected[-1]])
    pool = pool_of(probability=probability, features=features, known=known)
    assert chosen("medal", pool, 10) == [10 + row for row in expected]
    without = replace(pool, known=None)
    assert chosen("medal", without, 1) == chosen("entropy", pool, 1)
    assert sorted(chosen("medal", without, 30)) == sorted(chosen("entropy", pool, 30))


def test_reverse_removes_of_each_grade_what_the_network_believes_least() -> None:
    """4,440 of 68,640 are 6.5 %: 2 of 31 HGG and 1 of 16 LGG, though the network takes every slice for HGG."""
    belief = np.concatenate([np.linspace(0.99, 0.69, 31), np.linspace(0.98, 0.68, 16)])
    copies = belief + np.array([[-0.01], [0.0], [0.01]])
    copies[0, 0], copies[1, 0] = 0.0, 0.2  # one copy of the first slice still looks right: mean 0.4
    pool = pool_of(augmented=copies, label=np.repeat([1, 0], [31, 16]))
    for seed in range(5):
        order = chosen("reverse", pool, 47, seed)
        assert order[44:] == [40, 41, 10]
    assert len({tuple(chosen("reverse", pool, 3, seed)) for seed in range(20)}) > 1


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("strategy", COMPETITORS)
def test_alike_slices_fill_the_budget_too(strategy: str) -> None:
    """A network that has collapsed says the same of all."""
    pool = pool_of(probability=np.ones(12), dropout=np.ones((4, 12)), augmented=np.ones((4, 12)))
    assert len(set(chosen(strategy, pool, 7))) == 7


@pytest.mark.parametrize("strategy", COMPETITORS)
def test_without_views_it_is_refused(strategy: str) -> None:
    with pytest.raises(InputError, match="the pool has no views, expected what a query network says of it"):
        chosen(strategy, Pool(np.arange(5), np.zeros(5)), 2)


def test_the_projection_keeps_lengths_and_distances() -> None:
    """Exactly, where the features lie in 30 of 300 dimensions."""
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((100, 30)) @ rng.standard_normal((30, 300)) + 5).astype(np.float32)
    pool = pool_of(features=features[:80], known=features[80:])
    projection = projected(pool, 0)
    assert projection.shape == (100, 64)
    np.testing.assert_allclose(projection @ projection.T, features.astype(float) @ features.T.astype(float), rtol=1e-6)
    assert projected(pool, 0, known=False).shape == (80, 64)
    few = pool_of(features=features[:9])
    assert few.views is not None
    np.testing.assert_array_equal(projected(few, 0), few.views.features)
