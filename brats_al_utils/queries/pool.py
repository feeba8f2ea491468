"""The slices that a query strategy chooses from, and what is known of each."""

from dataclasses import dataclass, replace

import numpy as np

from brats_al_utils import InputError
from brats_al_utils.arrays import Array
from brats_al_utils.seeds import generator


class BudgetError(InputError):
    """A budget larger than the set of slices to choose from."""


PRECISION = 12
"""Decimals to which scores are compared. A smaller difference may be rounding, which differs between machines
(libraries disagree about the last digit of a logarithm): such scores are equal, and ordered by id."""


@dataclass(frozen=True)
class Views:
    """Outputs of a query network, trained on the slices labelled so far, for n candidates.

    Attributes
    ----------
    probability : np.ndarray [n] of float
        P(positive).
    features : np.ndarray [n, D] of float
        Features of the penultimate layer.
    """

    probability: Array
    features: Array

    def __post_init__(self) -> None:
        """Refuse numbers that are not finite: features are stored in 16 bits, too few for a damaged network's."""
        if not all(np.isfinite(values).all() for values in vars(self).values()):
            raise InputError("a view is not finite: the query network's outputs are damaged")

    def at(self, rows: Array) -> "Views":
        """Return some rows."""
        return Views(self.probability[rows], self.features[rows])


@dataclass(frozen=True)
class Pool:
    """The slices that could be labelled.

    Attributes
    ----------
    ids : np.ndarray [n] of int
        Unique, in any order.
    score : np.ndarray [n] of float
        The committee's uncertainty of each slice.
    patient : np.ndarray [n] of str, optional
        The patient of each slice.
    views : Views, optional
        Outputs of the query network for each slice.
    known : np.ndarray [m, D] of float, optional
        Features of the slices labelled so far, for strategies that avoid similar ones.
    label : np.ndarray [n] of int, optional
        Class label of each slice (1: positive), for strategies that are diagnoses and not usable in practice.
    """

    ids: Array
    score: Array
    patient: Array | None = None
    views: Views | None = None
    known: Array | None = None
    label: Array | None = None

    @property
    def ranking(self) -> Array:
        """The ids by falling uncertainty; equal ones by ascending id."""
        return ranked(self.ids, self.score)

    @property
    def seen(self) -> Views:
        """The outputs of the query network.

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
        """Return the pool without some slices, whose features become ``known``."""
        kept = ~np.isin(self.ids, ids)
        return replace(self.at(kept), known=None if self.views is None else self.views.features[~kept])


def ranked(ids: Array, utility: Array) -> Array:
    """Return ids by falling utility, compared to ``PRECISION`` decimals; equal ones by ascending id.

    Parameters
    ----------
    ids : np.ndarray [n] of int
    utility : np.ndarray [n] of float
    """
    return np.asarray(ids[np.lexsort((ids, -np.round(utility.astype(np.float64), PRECISION)))])


def drawn(source: Array, budget: int, seed: int, name: str = "sample draw") -> Array:
    """Draw a budget at random. The order of the source does not matter; another name gives another draw.

    Raises
    ------
    InputError
        If the budget is larger than the source.
    """
    check_budget(source, budget)
    return np.asarray(generator(seed, name).permutation(np.sort(source))[:budget])


def check_budget(source: Array, budget: int) -> None:
    """Refuse a budget of no slices, or of more than the source has."""
    if not 0 < budget <= len(source):
        raise BudgetError(
            f"a budget of {budget} slices from {len(source)}, expected 1 to {len(source)}: lower the budget"
        )
