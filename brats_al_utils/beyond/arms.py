"""The ways of training that the paper does not compare, and which of them each further notebook compares."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from brats_al_utils import InputError
from brats_al_utils.beyond.competitors.competitors import COMPETITORS
from brats_al_utils.beyond.competitors.controls import DROP_BOTTOM, DROP_TOP, MIDDLE_PATIENTS, RANDOM_PATIENTS, SPREAD
from brats_al_utils.networks.network import starts_of
from brats_al_utils.queries.sampling import MIDDLE, PLACEBO, RANDOM, Strategy
from brats_al_utils.study import arms
from brats_al_utils.study.arms import Arm, curves, pretrained, proposed, ranges, transfer
from brats_al_utils.study.profile import BUDGET, Profile


def design(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 08: those of Tables 2 and 3, random sampling and the placebo."""
    controls = [pretrained(profile, strategy.name, strategy) for strategy in (RANDOM, PLACEBO)]
    return [*transfer(profile), *proposed(profile), *controls]


def explored(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 09, all of them other notebooks' too: both ends of the ranking and three samplers."""
    return [*proposed(profile)[:1], *design(profile)[-2:], ranges(profile)[0], ranges(profile)[-1]]


@dataclass(frozen=True)
class Beyond:
    """The arms of notebook 07, by what they are compared for.

    Attributes
    ----------
    main, curves, controls, competitors, iterative, transfer, others : list of Arm
        What the paper compares; its curves; controls of the proposed method; strategies of others, one-shot and
        iterative; other weights; other networks that train on this one's choice.
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
    references: dict[Arm, Arm]

    @property
    def every(self) -> list[Arm]:
        """All of them, each once."""
        groups = [self.main, self.curves, self.controls, self.competitors, self.iterative, self.transfer]
        groups += [self.others, list(self.references.values())]
        return list(dict.fromkeys(arm for group in groups for arm in group))

    @property
    def main_pairs(self) -> list[tuple[Arm, Arm]]:
        """The proposed method with each that it is compared with."""
        method, random, placebo, baseline, _ = self.main
        return [(method, other) for other in (random, placebo, baseline, self.references[method])]

    def pairs(self, group: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
        """Return some arms, each with its reference."""
        return [(arm, self.references[arm]) for arm in group]


def beyond(profile: Profile) -> Beyond:
    """Return the arms of notebook 07."""
    own = profile.network
    competitors = usable(profile)
    main = [
        *proposed(profile)[:1],
        pretrained(profile, "random", RANDOM),
        pretrained(profile, "placebo", PLACEBO),
        *proposed(profile)[1:],
        Arm("scratch", "scratch", profile.scratch_epochs),
    ]
    controls = [
        *proposed(profile)[:1],
        pretrained(profile, "placebo", PLACEBO),
        pretrained(profile, "only the top dropped", DROP_TOP),
        pretrained(profile, "only the bottom dropped", DROP_BOTTOM),
        pretrained(profile, "all annotated slices", MIDDLE, with_labelled=True),
        pretrained(profile, "whole patients, proposed", MIDDLE_PATIENTS),
        pretrained(profile, "whole patients, random", RANDOM_PATIENTS),
        pretrained(profile, "at most one slice a patient", SPREAD, 1 / profile.per_patient),
    ]
    one_shot = [
        pretrained(profile, strategy.name, strategy)
        for strategy in competitors
        if strategy.annotated_share(BUDGET, profile.labelled_share) <= 1
    ]
    if not one_shot:
        raise InputError(
            f"competitors is {', '.join(profile.competitors)}, none of which can be used with {own} and a "
            f"labelled_share of {profile.labelled_share:g}: name others, as reverse"
        )
    queried = {"proposed": MIDDLE, "random": RANDOM}
    queried |= {strategy.name: strategy for strategy in competitors if not strategy.needs_every_label}
    iterative = [
        pretrained(profile, f"{name}, iterative", strategy, iterative=True)
        for name, strategy in queried.items()
        if profile.iterative
    ]
    weights = [
        pretrained(profile, "frozen convolutions", freeze=True),
        pretrained(profile, "shuffled weights", start=f"{profile.start}-shuffled"),
    ]
    others = [
        pretrained(
            profile,
            f"{network}, {name}",
            strategy,
            network=network,
            start=profile.start if profile.start in starts_of(network) else "scratch",
        )
        for network in profile.other_networks
        if network != own
        for name, strategy in ((f"{own}'s choice", MIDDLE), ("random", RANDOM))
    ]
    return Beyond(
        main=main,
        curves=curves(profile),
        controls=controls,
        competitors=one_shot,
        iterative=iterative,
        transfer=weights if profile.start in ("imagenet", "imagenet-trunk") else [],
        others=others,
        references={arm: random_at(profile, annotated(profile, arm)) for arm in [*controls, *one_shot, *iterative]},
    )


def usable(profile: Profile) -> list[Strategy]:
    """Return the competitors that a profile names, but for BALD with a network that has no dropout."""
    named = [COMPETITORS[name] for name in profile.competitors]
    return [strategy for strategy in named if "dropout" not in strategy.views or profile.network != "resnet18"]


def annotated(profile: Profile, arm: Arm) -> float:
    """Return the share of the training slices that an arm is expected to have annotated."""
    return arm.share if arm.iterative else arm.strategy.annotated_share(arm.share, profile.labelled_share)


def planned(profile: Profile) -> list[tuple[Arm, list[Arm]]]:
    """Return the contrasts of docs/lgg_study.md, the primary one first: an arm less another, or the mean of several."""
    method, baseline = proposed(profile)
    random, placebo = (pretrained(profile, strategy.name, strategy) for strategy in (RANDOM, PLACEBO))
    as_many = random_at(profile, annotated(profile, method))
    everything = pretrained(profile, "all annotated slices", MIDDLE, with_labelled=True)
    most_uncertain, *other_ranges = ranges(profile)
    return [
        (method, [as_many]),
        (method, [random]),
        (method, [placebo]),
        (everything, [as_many]),
        (baseline, [random]),
        (most_uncertain, other_ranges),
        (pretrained(profile, "proposed, iterative", MIDDLE, iterative=True), [random]),
    ]


def first_planned(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 13: of the planned contrasts all but those of the ranges and of iterative querying.

    Those are shown too where they are stored.
    """
    return list(dict.fromkeys(each for arm, others in planned(profile)[:-2] for each in (arm, *others)))


def random_at(profile: Profile, share: float) -> Arm:
    """Return the arm that trains on a random share of the training slices; on all of them, it is the baseline."""
    if share >= 1:
        return pretrained(profile, "baseline")
    return pretrained(profile, "random" if share == BUDGET else f"random at {100 * share:.3g}%", RANDOM, share)


NOTEBOOKS: dict[str, Callable[[Profile], list[Arm]]] = arms.NOTEBOOKS | {
    "07_beyond_the_paper": lambda profile: beyond(profile).every,
    "08_could_the_paper_tell": design,
    "09_explore": explored,
    "13_planned_contrasts": first_planned,
}
"""What each notebook compares."""


def arms_of(profile: Profile, names: Iterable[str]) -> list[Arm]:
    """Return the arms of some notebooks, each once."""
    return list(dict.fromkeys(arm for name in names for arm in NOTEBOOKS[name](profile)))
