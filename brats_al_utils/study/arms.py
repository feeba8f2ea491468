"""The ways of training that a section compares."""

import re
from dataclasses import dataclass

from brats_al_utils.queries.sampling import NEEDS_SCORE, NEEDS_VIEWS

ALL = "all"
"""In place of a strategy: every training slice."""

ROUND_SHARE = 0.1
"""Of the training slices: what is labelled at random at first, and what each round of querying adds."""


@dataclass(frozen=True)
class Arm:
    """One of the ways of training that a section compares.

    Attributes
    ----------
    name : str
        As in the tables.
    start : str
        One of `network.STARTS`.
    epochs : int
    strategy : str
        ``all`` to train on every training slice, or one of `sampling.STRATEGIES`.
    share : float
        Budget of the strategy, as a share of the training slices.
    dataset : str
        One of `study.DATASETS`, or a set with planted outliers: see `outliers.planted_name`.
    network : str
        One of `network.NETWORKS` that is trained in place of the profile's, which still chooses the slices.
    freeze : bool
        Keep the convolutional layers as they are, whatever the profile says.
    with_labelled : bool
        Train on every label that was paid for, not on the chosen slices alone.
    in_rounds : bool
        Start from a random tenth of the training slices and add a tenth a round, each time chosen by networks trained
        on what is labelled so far; without it, all is chosen at once, as in the paper.
    """

    name: str
    start: str
    epochs: int
    strategy: str = ALL
    share: float = 1.0
    dataset: str = "imbalanced"
    network: str = ""
    freeze: bool = False
    with_labelled: bool = False
    in_rounds: bool = False

    @property
    def needs_score(self) -> bool:
        """Whether a committee's uncertainty is needed to choose its slices."""
        return self.strategy in NEEDS_SCORE

    @property
    def needs_views(self) -> bool:
        """Whether a query network is needed to choose its slices."""
        return self.strategy in NEEDS_VIEWS

    @property
    def rounds(self) -> int:
        """How many times a share of the training slices is labelled before it is trained."""
        return round(self.share / ROUND_SHARE) if self.in_rounds else 1


def planted_name(kind: str, dose: float) -> str:
    """Return the name of the set in which a share of the training data are outliers of a kind (`outliers.KINDS`)."""
    return f"{100 * dose:g}% {kind}"


def planted_outliers(dataset: str) -> tuple[str, float] | None:
    """Return the kind and the dose that a data set's name says, or None if nothing is planted in it."""
    match = re.fullmatch(r"([\d.]+)% (\w+)", dataset)
    return (match[2], float(match[1]) / 100) if match else None
