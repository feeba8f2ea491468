"""What a query strategy is given."""

import numpy as np
import pytest

from brats_al_utils import InputError
from brats_al_utils.queries.pool import Pool, Views, drawn


def views_of(size: int) -> Views:
    rng = np.random.default_rng(0)
    return Views(rng.random(size), rng.random((size, 3)))


def test_ranking_by_hand() -> None:
    pool = Pool(np.array([5, 3, 8, 1]), np.array([0.2, 0.9, 0.2, 0.5]))
    assert pool.ranking.tolist() == [3, 1, 5, 8]
    assert pool.between(0.25, 0.75).tolist() == [1, 5]


def test_scores_that_differ_by_rounding_are_equals() -> None:
    pool = Pool(np.array([5, 3, 8, 1]), np.array([0.1 + 0.2, 0.3, 0.3 + 1e-15, 0.3 + 1e-11]))
    assert pool.ranking.tolist() == [1, 3, 5, 8]


def test_by_id_moves_everything_along() -> None:
    views = views_of(3)
    pool = Pool(np.array([5, 3, 8]), np.array([0.5, 0.3, 0.8]), np.array(["e", "c", "h"]), views, np.zeros((2, 3)))
    ordered = pool.by_id()
    assert ordered.ids.tolist() == [3, 5, 8]
    assert ordered.score.tolist() == [0.3, 0.5, 0.8]
    assert ordered.patient is not None
    assert ordered.patient.tolist() == ["c", "e", "h"]
    assert ordered.views is not None
    for name in ("probability", "features"):
        np.testing.assert_array_equal(getattr(ordered.views, name), getattr(views, name)[[1, 0, 2]])
    assert ordered.known is pool.known
    assert Pool(pool.ids, pool.score).by_id().views is None


def test_a_draw_does_not_depend_on_the_order_but_on_seed_and_name() -> None:
    source = np.arange(50)
    assert drawn(source, 20, 0).tolist() == drawn(source[::-1], 20, 0).tolist()
    assert drawn(source, 20, 0).tolist() != drawn(source, 20, 1).tolist()
    assert drawn(source, 20, 0).tolist() != drawn(source, 20, 0, "placebo draw").tolist()


def test_refusals() -> None:
    with pytest.raises(InputError, match="a budget of 4 slices from 3, expected 1 to 3: lower the budget"):
        drawn(np.arange(3), 4, 0)
    good = views_of(3)
    with pytest.raises(InputError, match="a view is not finite"):
        Views(good.probability * np.nan, good.features)
