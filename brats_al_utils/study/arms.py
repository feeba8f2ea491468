"""The arms, or ways of training, that the paper compares, and those of each notebook."""

from dataclasses import dataclass
from typing import Any

from brats_al_utils.queries.sampling import ALL, MIDDLE, OF_CLASSES, PLACEBO, RANDOM, WINDOWS, Strategy
from brats_al_utils.study.profile import BUDGET, Profile

DATASETS = ("imbalanced", "balanced")
"""Slice sets of the same patients: section 2.2.1, and section 3.4."""


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Attributes
    ----------
    name : str
        Name in the tables.
    start : str
        One of `network.STARTS`.
    epochs : int
    strategy : Strategy
        The query strategy that chooses the slices to train on.
    share : float
        Budget of the strategy, as a share of the training slices.
    dataset : str
        One of ``DATASETS``.
    network : str
        One of `network.NETWORKS` to train in place of the profile's; the profile's network still chooses the slices.
    freeze : bool
        Whether the convolutional layers are frozen, whatever the profile says.
    with_labelled : bool
        Whether it trains on all annotated slices rather than on the chosen ones alone.
    iterative : bool
        Whether querying is iterative: it starts from a random share of the training slices (`Profile.iteration_share`),
        and each query adds as many, chosen by networks trained on all slices annotated so far. Otherwise the query is
        one-shot, as in the paper.
    length : str
        One of `profile.LENGTHS` in place of the profile's.
    """

    name: str
    start: str
    epochs: int
    strategy: Strategy = ALL
    share: float = 1.0
    dataset: str = "imbalanced"
    network: str = ""
    freeze: bool = False
    with_labelled: bool = False
    iterative: bool = False
    length: str = ""

    @property
    def trains_on_annotated(self) -> bool:
        """Whether it trains on all annotated slices rather than on the chosen ones alone."""
        return self.with_labelled or self.strategy.adds_to_labelled


def pretrained(
    profile: Profile,
    name: str,
    strategy: Strategy = ALL,
    share: float = 0.0,
    dataset: str = DATASETS[0],
    start: str = "",
    **more: Any,
) -> Arm:
    """Return an arm with the profile's initialisation, or another, and number of epochs.

    Its share is ``BUDGET`` by default; without a strategy it trains on all slices.
    """
    share = share or (1.0 if strategy is ALL else BUDGET)
    return Arm(name, start or profile.start, profile.epochs, strategy, share, dataset, **more)


def transfer(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 01: ImageNet's weights against random ones (section 3.1)."""
    return [Arm("pretrained", profile.start, profile.epochs), Arm("scratch", "scratch", profile.scratch_epochs)]


def ranges(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 02: the eight ranges of the uncertainty ranking (section 3.2)."""
    return [pretrained(profile, name.removeprefix("window "), window) for name, window in WINDOWS.items()]


def class_share(profile: Profile) -> list[Arm]:
    """Return the most uncertain range, the same range with the pool's class share, and as many random slices.

    A diagnosis: if the range fails because one class is rare in it, the second arm does as well as the third; if its
    slices are outliers, the second fails as well.
    """
    return [
        ranges(profile)[0],
        pretrained(profile, "0%-30% of each class", OF_CLASSES),
        pretrained(profile, "random", RANDOM),
    ]


def proposed(profile: Profile, dataset: str = DATASETS[0]) -> list[Arm]:
    """Return the arms of notebooks 03 and 04: the proposed method and the baseline (sections 3.3 and 3.4)."""
    return [
        pretrained(profile, "proposed", MIDDLE, dataset=dataset),
        pretrained(profile, "baseline", dataset=dataset),
    ]


def curves(profile: Profile, dataset: str = DATASETS[0]) -> list[Arm]:
    """Return the proposed method, random sampling and the placebo at the profile's budgets (section 3.5)."""
    return [
        pretrained(profile, name, strategy, share, dataset)
        for name, strategy in (("proposed", MIDDLE), ("random", RANDOM), ("placebo", PLACEBO))
        for share in profile.budgets
    ]


def budgets(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 05: the curves and the baselines of both sets, or of one (section 3.5)."""
    datasets = DATASETS if profile.balanced else DATASETS[:1]
    return [
        *(arm for dataset in datasets for arm in curves(profile, dataset)),
        *(pretrained(profile, "baseline", dataset=dataset) for dataset in datasets),
    ]


def scorecard(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 06: all of the paper's."""
    return [
        *transfer(profile),
        *(pretrained(profile, name, window) for name, window in WINDOWS.items()),
        *budgets(profile),
        *([pretrained(profile, "frozen convolutions", freeze=True)] if profile.start != "scratch" else []),
    ]
