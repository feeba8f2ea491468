"""What a query strategy is given: the slices that could be labelled, and what is known of each."""

from dataclasses import dataclass, replace

import numpy as np

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.seeds import generator


class BudgetError(InputError):
    """A budget that its source cannot give."""


PRECISION = 12
"""Decimals to which scores are compared. What differs by less may differ by rounding alone, which is another on another
machine (libraries disagree about the last digit of a logarithm): these are equals, taken by rising id."""


@dataclass(frozen=True)
class Views:
    """What a query network, trained on the slices labelled already, says of n candidates.

    Attributes
    ----------
    probability : np.ndarray [n] of float
        P(HGG).
    features : np.ndarray [n, D] of float
        Features of the penultimate layer.
    """

    probability: Array
    features: Array

    def __post_init__(self) -> None:
        """Refuse numbers that say nothing: features are stored in 16 bits, which a damaged network's exceed."""
        if not all(np.isfinite(values).all() for values in vars(self).values()):
            raise InputError("a view is not finite: the query network's outputs are damaged")

    def at(self, rows: Array) -> "Views":
        """Return the views of some rows."""
        return Views(self.probability[rows], self.features[rows])


@dataclass(frozen=True)
class Pool:
    """The slices that could be labelled.

    Attributes
    ----------
    ids : np.ndarray [n] of int
        Without repeats, in any order.
    score : np.ndarray [n] of float
        Uncertainty of each, from the committee.
    patient : np.ndarray [n] of str, optional
        The patient of each slice.
    views : Views, optional
        What the query network says of each.
    known : np.ndarray [m, D] of float, optional
        Features of the slices labelled already, for strategies that keep away from them.
    label : np.ndarray [n] of int, optional
        Class label of each (1 positive), for those that are diagnoses and no usable strategies.
    """

    ids: Array
    score: Array
    patient: Array | None = None
    views: Views | None = None
    known: Array | None = None
    label: Array | None = None

    @property
    def ranking(self) -> Array:
        """The ids by falling uncertainty, those of equals ascending."""
        return ranked(self.ids, self.score)

    @property
    def seen(self) -> Views:
        """What the query network says.

        Raises
        ------
        InputError
            If there are no views.
        """
        if self.views is None:
            raise InputError("the pool has no views, expected what a query network says of it: train that first")
        return self.views

    def between(self, low: float, high: float) -> Array:
        """Return the ids of a window of the ranking, by rank share: 0 is the most uncertain, 1 the least."""
        size = round(len(self.ids) * round(high - low, 6))
        start = min(round(len(self.ids) * low), len(self.ids) - size)
        return self.ranking[start : start + size]

    def at(self, rows: Array) -> "Pool":
        """Return the pool of some rows, by number or as a mask."""
        parts = {name: getattr(self, name) for name in ("ids", "score", "patient", "label")}
        kept = {name: values[rows] for name, values in parts.items() if values is not None}
        return replace(self, **kept, views=self.views and self.views.at(rows))

    def without(self, ids: Array) -> "Pool":
        """Return the pool without some slices, whose features are known then."""
        kept = ~np.isin(self.ids, ids)
        return replace(self.at(kept), known=None if self.views is None else self.views.features[~kept])

    def by_id(self) -> "Pool":
        """Return the pool with its slices in ascending order, so that no strategy depends on it."""
        return self.at(np.argsort(self.ids))


def ranked(ids: Array, utility: Array) -> Array:
    """Return ids by falling utility, compared to ``PRECISION`` decimals; those of equals ascending.

    Parameters
    ----------
    ids : np.ndarray [n] of int
    utility : np.ndarray [n] of float
    """
    return np.asarray(ids[np.lexsort((ids, -np.round(utility.astype(np.float64), PRECISION)))])


def drawn(source: Array, budget: int, seed: int, name: str = "sample draw") -> Array:
    """Draw a budget at random; the order of the source does not matter, another name gives another draw.

    Raises
    ------
    InputError
        If the budget is larger than the source.
    """
    check_budget(source, budget)
    return np.asarray(generator(seed, name).permutation(np.sort(source))[:budget])


def check_budget(source: Array, budget: int) -> None:
    """Refuse a budget that its source cannot give."""
    if not 0 < budget <= len(source):
        raise BudgetError(
            f"a budget of {budget} slices from {len(source)}, expected 1 to {len(source)}: lower the budget"
        )
