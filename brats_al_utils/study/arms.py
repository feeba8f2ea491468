"""The ways of training that are compared, and which of them each notebook compares."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from brats_al_utils import InputError
from brats_al_utils.networks.network import starts_of
from brats_al_utils.phantoms.outliers import KINDS
from brats_al_utils.queries.sampling import OF_CLASSES, PAYS_ALL, WINDOWS, annotated_share
from brats_al_utils.study.profile import BUDGET, Profile

ALL = "all"
"""In place of a strategy: every training slice."""

DATASETS = ("imbalanced", "balanced")
"""Slice sets of the same patients: section 2.2.1, and section 3.4."""


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
        One of ``DATASETS``, or a set with planted outliers: see `planted_name`.
    network : str
        One of `network.NETWORKS` that is trained in place of the profile's, which still chooses the slices.
    freeze : bool
        Keep the convolutional layers as they are, whatever the profile says.
    with_labelled : bool
        Train on every slice that was annotated, not on the chosen ones alone.
    iterative : bool
        Start from a random share of the training slices (`Profile.iteration_share`) and add as many with each query,
        chosen by networks trained on all that is annotated so far; without it the query is one-shot, as in the paper.
    length : str
        One of `profile.LENGTHS` in place of the profile's.
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
    iterative: bool = False
    length: str = ""


def planted_name(kind: str, dose: float) -> str:
    """Return the name of the set in which a share of the training data are outliers of a kind (`outliers.KINDS`)."""
    return f"{100 * dose:g}% {kind}"


def planted_outliers(dataset: str) -> tuple[str, float] | None:
    """Return the kind and the dose that a data set's name says, or None if nothing is planted in it."""
    match = re.fullmatch(r"([\d.]+)% (\w+)", dataset)
    return (match[2], float(match[1]) / 100) if match else None


def transfer(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 01: ImageNet's weights against random ones (section 3.1)."""
    return [Arm("pretrained", profile.start, profile.epochs), Arm("scratch", "scratch", profile.scratch_epochs)]


def ranges(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 02: the eight ranges of the uncertainty ranking (section 3.2)."""
    return [pretrained(profile, name.removeprefix("window "), name) for name in WINDOWS]


def class_share(profile: Profile) -> list[Arm]:
    """Return the most uncertain range, the same range drawn to the pool's class share, and as many random slices.

    A diagnosis: if the range fails because one class is rare in it, the second does as well as the third; if its
    slices are outliers, it fails too.
    """
    return [
        ranges(profile)[0],
        pretrained(profile, "0%-30% of each class", OF_CLASSES),
        pretrained(profile, "random", "random"),
    ]


def proposed(profile: Profile, dataset: str = DATASETS[0]) -> list[Arm]:
    """Return the arms of notebook 03: the proposed method against training on everything (section 3.3)."""
    return [
        pretrained(profile, "proposed", "middle", dataset=dataset),
        pretrained(profile, "baseline", ALL, 1.0, dataset=dataset),
    ]


def balanced(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 04: those of notebook 03 on the balanced set (section 3.4)."""
    return proposed(profile, DATASETS[1])


def curves(profile: Profile, dataset: str = DATASETS[0]) -> list[Arm]:
    """Return the proposed method, random sampling and the placebo at the profile's budgets (section 3.5)."""
    return [
        pretrained(profile, name, strategy, share, dataset=dataset)
        for name, strategy in (("proposed", "middle"), ("random", "random"), ("placebo", "placebo"))
        for share in profile.budgets
    ]


def budgets(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 05: the curves of both sets, and what they are compared with (section 3.5)."""
    return [
        *(arm for dataset in DATASETS for arm in curves(profile, dataset)),
        *(pretrained(profile, "baseline", ALL, 1.0, dataset=dataset) for dataset in DATASETS),
    ]


def scorecard(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 06: all of the paper's."""
    return [
        *transfer(profile),
        *(pretrained(profile, name, name) for name in WINDOWS),
        *budgets(profile),
        *([pretrained(profile, "frozen convolutions", ALL, 1.0, freeze=True)] if profile.start != "scratch" else []),
    ]


def design(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 08: those of Tables 2 and 3, random sampling and the placebo."""
    controls = [pretrained(profile, name, name) for name in ("random", "placebo")]
    return [*transfer(profile), *proposed(profile), *controls]


def explored(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 09, all of them other notebooks' too: both ends of the ranking and three samplers."""
    return [*proposed(profile)[:1], *design(profile)[-2:], ranges(profile)[0], ranges(profile)[-1]]


def pretrained(
    profile: Profile,
    name: str,
    strategy: str,
    share: float = BUDGET,
    dataset: str = DATASETS[0],
    network: str = "",
    start: str = "",
    **more: Any,
) -> Arm:
    """Return an arm from the profile's initialisation, or another, trained for as many epochs."""
    return Arm(name, start or profile.start, profile.epochs, strategy, share, dataset, network, **more)


@dataclass(frozen=True)
class Beyond:
    """The arms of notebook 07, by what they are compared for.

    Attributes
    ----------
    main, curves, controls, competitors, iterative, transfer, others, planted : list of Arm
        What the paper compares; its curves; controls of the proposed method; strategies of others, one-shot and
        iterative; other weights; other networks that train on this one's choice; sets with planted outliers.
    references : dict of Arm to Arm
        What an arm is compared with: random sampling of as many slices as the arm is expected to have annotated.
    """

    main: list[Arm]
    curves: list[Arm]
    controls: list[Arm]
    competitors: list[Arm]
    iterative: list[Arm]
    transfer: list[Arm]
    others: list[Arm]
    planted: list[Arm]
    references: dict[Arm, Arm]

    @property
    def every(self) -> list[Arm]:
        """All of them, each once."""
        groups = [self.main, self.curves, self.controls, self.competitors, self.iterative, self.transfer]
        groups += [self.others, self.planted, list(self.references.values())]
        return list(dict.fromkeys(arm for group in groups for arm in group))

    @property
    def main_pairs(self) -> list[tuple[Arm, Arm]]:
        """The proposed method with each that it is compared with."""
        method, random, placebo, baseline, _ = self.main
        return [(method, other) for other in (random, placebo, baseline, self.references[method])]

    def pairs(self, group: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
        """Return some arms, each with its reference."""
        return [(arm, self.references[arm]) for arm in group]


def beyond(profile: Profile, synthetic: bool) -> Beyond:
    """Return the arms of notebook 07; outliers are planted only in a synthetic cohort that has no folds."""
    own = profile.network
    known = [name for name in profile.competitors if name != "bald" or own != "resnet18"]  # which has no dropout
    # A one-shot competitor adds its budget to what is labelled: there may be no room for both.
    fitting = [name for name in known if name in PAYS_ALL or profile.labelled_share + BUDGET <= 1]
    if not fitting:
        raise InputError(
            f"competitors is {', '.join(profile.competitors)}, none of which can be used with {own} and a "
            f"labelled_share of {profile.labelled_share:g}: name others, as reverse"
        )
    asked = {"proposed": "middle", "random": "random"} | {name: name for name in known if name not in PAYS_ALL}
    controls = [
        *proposed(profile)[:1],
        pretrained(profile, "placebo", "placebo"),
        pretrained(profile, "only the top dropped", "drop top"),
        pretrained(profile, "only the bottom dropped", "drop bottom"),
        pretrained(profile, "all annotated slices", "middle", with_labelled=True),
        pretrained(profile, "whole patients, proposed", "middle patients"),
        pretrained(profile, "whole patients, random", "random patients"),
        pretrained(profile, "at most one slice a patient", "spread", 1 / profile.per_patient),
    ]
    competitors = [pretrained(profile, name, name) for name in fitting]
    iterative = [
        pretrained(profile, f"{name}, iterative", strategy, iterative=True)
        for name, strategy in asked.items()
        if profile.iterative
    ]
    compared = [*controls, *competitors, *iterative]
    return Beyond(
        main=[
            *proposed(profile)[:1],
            pretrained(profile, "random", "random"),
            pretrained(profile, "placebo", "placebo"),
            *proposed(profile)[1:],
            Arm("scratch", "scratch", profile.scratch_epochs),
        ],
        curves=curves(profile),
        controls=controls,
        competitors=competitors,
        iterative=iterative,
        transfer=[
            pretrained(profile, "frozen convolutions", ALL, 1.0, freeze=True),
            pretrained(profile, "shuffled weights", ALL, 1.0, start=f"{profile.start}-shuffled"),
        ]
        if profile.start in ("imagenet", "imagenet-trunk")
        else [],
        others=[
            pretrained(
                profile,
                f"{network}, {name}",
                strategy,
                network=network,
                start=profile.start if profile.start in starts_of(network) else "scratch",
            )
            for network in profile.other_networks
            if network != own
            for name, strategy in ((f"{own}'s choice", "middle"), ("random", "random"))
        ],
        planted=[
            pretrained(profile, name, strategy, dataset=planted_name(kind, dose))
            for kind in KINDS
            for dose in profile.doses
            for name, strategy in (("tails dropped", "middle"), ("random", "random"))
            if synthetic and profile.folds == 1
        ],
        references={arm: random_at(profile, annotated(profile, arm)) for arm in compared},
    )


def annotated(profile: Profile, arm: Arm) -> float:
    """Return the share of the training slices that an arm is expected to have annotated."""
    return arm.share if arm.iterative else annotated_share(arm.strategy, arm.share, profile.labelled_share)


def random_at(profile: Profile, share: float) -> Arm:
    """Return the arm that trains on a random share of the training slices; on all of them, it is the baseline."""
    if share >= 1:
        return pretrained(profile, "baseline", ALL, 1.0)
    return pretrained(profile, "random" if share == BUDGET else f"random at {share:.0%}", "random", share)


NOTEBOOKS: dict[str, Callable[[Profile, bool], list[Arm]]] = {
    "00_cohort": lambda profile, synthetic: [],
    "01_transfer_vs_scratch": lambda profile, synthetic: transfer(profile),
    "02_uncertainty_ranges": lambda profile, synthetic: [*ranges(profile), *class_share(profile)[1:]],
    "03_proposed_vs_baseline": lambda profile, synthetic: proposed(profile),
    "04_balanced_set": lambda profile, synthetic: balanced(profile),
    "05_random_vs_uncertainty": lambda profile, synthetic: budgets(profile),
    "06_scorecard": lambda profile, synthetic: scorecard(profile),
    "07_beyond_the_paper": lambda profile, synthetic: beyond(profile, synthetic).every,
    "08_could_the_paper_tell": lambda profile, synthetic: design(profile),
    "09_explore": lambda profile, synthetic: explored(profile),
}
"""What each notebook compares, on a synthetic or another cohort."""
