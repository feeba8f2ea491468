"""Levels that are counted give what numpy gives."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brats_al_utils.beyond.releases.images import percentiles


@given(
    arrays(st.sampled_from([np.int16, np.uint8, np.uint16, np.int32, np.uint32]), st.integers(2, 200)),
    st.tuples(st.floats(0, 100), st.floats(0, 100)),
)
def test_counted_percentiles_are_numpy_s_to_the_bit(values: np.ndarray[Any, Any], shares: tuple[float, ...]) -> None:
    np.testing.assert_array_equal(percentiles(values, shares), np.percentile(values.astype(np.int64), shares))
