"""What the strategies that ask the query network's features choose, by hand or by another implementation."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from brats_al_utils.beyond.competitors.by_features import coordinates, on_grid, squared_distances
from brats_al_utils.beyond.competitors.competitors import STRATEGIES
from brats_al_utils.queries.pool import Pool, Views
from brats_al_utils.seeds import integer

Array = np.ndarray[Any, Any]


def pool_of(features: Array, probability: Array | None = None, known: Array | None = None) -> Pool:
    """Return a pool of ids from 10 on."""
    size = len(features)
    views = Views(np.full(size, 0.5) if probability is None else probability, features)
    return Pool(np.arange(10, 10 + size), np.zeros(size), views=views, known=known)


def chosen(strategy: str, pool: Pool, budget: int, seed: int = 0) -> list[int]:
    return [int(slice_id) for slice_id in STRATEGIES[strategy].rule(pool, budget, seed)]


def blobs(*sizes: int) -> Array:
    """Return features in blobs of up to nine along axes of their own: in each, one in the middle of the others."""
    parts = []
    for axis, size in enumerate(sizes):
        around = np.zeros((size, len(sizes) + 4))
        around[:, axis] = 1
        around[1:, len(sizes) :] = np.concatenate([np.eye(4), -np.eye(4)])[: size - 1] * 0.02
        parts.append(around)
    return np.concatenate(parts)


def like_a_network(size: int, seed: int = 0, width: int = 300) -> Array:
    """Return features as a layer of a network has them: not negative, many 0, float16, of few dimensions and noise."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((size, 20)) @ rng.standard_normal((20, width))
    return np.asarray(np.maximum(signal + rng.standard_normal((size, width)), 0).astype(np.float16), np.float32)


def test_a_grid_by_hand() -> None:
    """The largest is 5 * 2**15 = 0.625 * 2**18, so that 18 bits leave whole numbers."""
    assert on_grid(np.array([5 * 2.0**15, 2.4, 2.6, -0.4])).tolist() == [5 * 2**15, 2, 3, 0]
    values = np.random.default_rng(0).standard_normal(50)
    np.testing.assert_array_equal(on_grid(on_grid(values)), on_grid(values))
    assert np.abs(on_grid(values) - values).max() <= np.abs(values).max() * 2.0**-18
    assert on_grid(np.zeros(3)).tolist() == [0, 0, 0]


def test_distances_are_exact_in_whatever_order_they_are_added_up() -> None:
    """Against whole numbers of any size; the same features turned round give the same to the last bit."""
    features = on_grid(like_a_network(20, width=4096).astype(float) * 1.1)
    squared = squared_distances(features)
    step = float(np.min(np.abs(features[features != 0])))
    step = np.ldexp(1.0, int(np.frexp(np.abs(features).max())[1]) - 18)
    whole = [[int(value) for value in row] for row in features / step]
    for first, second in ((0, 1), (3, 3), (19, 4)):
        exact = sum((a - b) ** 2 for a, b in zip(whole[first], whole[second], strict=True))
        assert int(squared[first, second] / step**2) == exact
    order = np.random.default_rng(0).permutation(features.shape[1])
    np.testing.assert_array_equal(squared_distances(np.ascontiguousarray(features[:, order])), squared)
    np.testing.assert_array_equal(squared, squared.T)


def test_coordinates_of_length_one_are_a_grid_too() -> None:
    features = np.array([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0]])
    pool = pool_of(features[:2], known=features[2:])
    np.testing.assert_array_equal(coordinates(pool), features)
    unit = coordinates(pool, unit=True)
    np.testing.assert_allclose(unit, np.array([[0.6, 0.8], [0, 0], [0.6, 0.8]]), atol=2.0**-17)
    assert squared_distances(unit)[0, 2] == 0


@pytest.mark.parametrize("known", [1, 3])
def test_coreset_is_greedy_k_center(known: int) -> None:
    rng = np.random.default_rng(0)
    features, labelled = rng.standard_normal((40, 5)), rng.standard_normal((known, 5))
    centers, expected = list(labelled), []
    for _ in range(12):
        distance = np.min([np.linalg.norm(features - center, axis=1) for center in centers], axis=0)
        expected.append(10 + int(np.argmax(distance)))
        centers.append(features[expected[-1] - 10])
    assert chosen("coreset", pool_of(features, known=labelled), 12) == expected


def test_coreset_starts_anywhere_without_labels_and_goes_to_the_other_end() -> None:
    pool = pool_of(np.arange(11.0)[:, None])
    starts = {tuple(chosen("coreset", pool, 2, seed)) for seed in range(30)}
    assert len(starts) > 5
    assert all(second == (20 if first < 15 else 10) for first, second in starts if first != 15)


def test_badge_takes_one_of_each_group_of_gradients_and_none_twice() -> None:
    """Large gradients in two directions; where the network is sure there is none, whatever the features."""
    features = blobs(5, 5, 5) * 100
    probability = np.repeat([0.45, 0.55, 1.0], 5)
    for seed in range(5):
        rows = np.array(chosen("badge", pool_of(features, probability), 3, seed)) - 10
        assert sorted(rows // 5) == [0, 1, 2]
    assert sorted(chosen("badge", pool_of(features, probability), 15)) == list(range(10, 25))


def test_badge_starts_at_the_largest_gradient_and_draws_by_squared_distance() -> None:
    """0.4 * 3 = 1.2 against 0.5 * 2 = 1.0 and 0.1 * 9 = 0.9."""
    pool = pool_of(np.array([[2.0], [3.0], [9.0]]), np.array([0.5, 0.4, 0.9]))
    assert chosen("badge", pool, 1) == [11]
    # From the slice at 3 (the largest gradient), 0 and 2 lie 3 and 1 away: nine draws of ten are 0. Binomial, 4 SD.
    pool = pool_of(np.array([[0.0], [2.0], [3.0]]), np.full(3, 0.5))
    second = [chosen("badge", pool, 2, seed)[1] for seed in range(1000)]
    assert second.count(10) == pytest.approx(900, abs=4 * np.sqrt(1000 * 0.9 * 0.1))


def plain_typiclust(features: Array, labelled: int, budget: int, seed: int) -> list[int]:
    """TypiClust as Hacohen et al. 2022 publish it, on features in order: the labelled ones, then the pool. Rows of it.

    Without what their code cannot do: a cluster must never be used up.
    """
    features = features / np.linalg.norm(features, axis=1, keepdims=True)
    count = min(labelled + budget, 500)
    kind = (
        KMeans(count, random_state=seed) if count <= 50 else MiniBatchKMeans(count, batch_size=5000, random_state=seed)
    )
    with threadpool_limits(1):
        # Theirs cluster in the order of the data set; here the pool comes first.
        cluster = np.roll(kind.fit_predict(np.roll(features, -labelled, axis=0)), labelled)
    table = pd.DataFrame({"cluster": cluster, "labelled": np.arange(len(features)) < labelled})
    table = table.groupby("cluster")["labelled"].agg(["size", "sum"])
    table = table[table["size"] > 5].sort_values(["sum", "size"], ascending=[True, False])
    cluster[:labelled] = -1
    rows: list[int] = []
    for turn in range(budget):
        members = np.flatnonzero(cluster == table.index[turn % len(table)])
        neighbours = min(20, len(members) // 2)
        typicality = np.ones(1)
        if neighbours:
            index = NearestNeighbors(n_neighbors=neighbours + 1, algorithm="brute").fit(features[members])
            distance = index.kneighbors(features[members])[0][:, 1:] ** 2
            typicality = 1 / (distance.mean(1) + 1e-5)
        rows.append(int(members[np.argmax(typicality)]))
        cluster[rows[-1]] = -1
    return [row - labelled for row in rows]


@pytest.mark.parametrize(("size", "labelled", "budget"), [(400, 20, 25), (600, 30, 40), (300, 0, 12)])
@pytest.mark.parametrize("seed", range(2))
def test_typiclust_is_that_of_its_authors(size: int, labelled: int, budget: int, seed: int) -> None:
    """By k-means of all slices (45 and 12 clusters) and of batches (70); clusters of equal order may change places."""
    features = like_a_network(size, seed)
    expected = plain_typiclust(features.astype(float), labelled, budget, integer(seed, "query"))
    found = chosen("typiclust", pool_of(features[labelled:], known=features[:labelled]), budget, seed)
    assert len(set(expected)) == len(set(found)) == budget
    assert len({row + 10 for row in expected} & set(found)) >= budget - 1


def test_typiclust_takes_the_middle_of_the_largest_clusters_without_labels() -> None:
    assert chosen("typiclust", pool_of(blobs(7, 8, 9)), 3) == [25, 17, 10]
    # Three clusters of 9, 8 and 7 slices, one of the largest labelled: its eight come last.
    features = blobs(9, 8, 7)
    assert chosen("typiclust", pool_of(features[1:], known=features[:1]), 2) == [18, 26]


def test_typiclust_goes_round_the_large_clusters_and_leaves_the_small_ones_for_last() -> None:
    """Nine clusters for a budget of nine: one of 9 and one of 6 slices, and seven slices on their own."""
    single = np.eye(15)[8:] * 1.0
    pool = pool_of(np.concatenate([single, np.pad(blobs(9, 6), ((0, 0), (0, 9)))]))
    turns = [row - 10 for row in chosen("typiclust", pool, 9)]
    assert [row >= 7 for row in turns] == [True] * 9
    assert [row < 16 for row in turns] == [True, False] * 4 + [True]
    assert sorted([row - 10 for row in chosen("typiclust", pool, 22)]) == list(range(22))
