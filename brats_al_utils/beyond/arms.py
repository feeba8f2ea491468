"""The ways of training that the paper does not compare, and which of them each further notebook compares."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from brats_al_utils import InputError
from brats_al_utils.beyond.competitors.competitors import COMPETITORS
from brats_al_utils.beyond.competitors.controls import DROP_BOTTOM, DROP_TOP, MIDDLE_PATIENTS, RANDOM_PATIENTS, SPREAD
from brats_al_utils.networks.network import starts_of
from brats_al_utils.queries.sampling import MIDDLE, PLACEBO, RANDOM, Strategy
from brats_al_utils.study.arms import (
    DATASETS,
    Arm,
    budgets,
    class_share,
    curves,
    pretrained,
    proposed,
    ranges,
    scorecard,
    transfer,
)
from brats_al_utils.study.profile import BUDGET, Profile


def design(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 08: those of Tables 2 and 3, random sampling and the placebo."""
    controls = [pretrained(profile, strategy.name, strategy) for strategy in (RANDOM, PLACEBO)]
    return [*transfer(profile), *proposed(profile), *controls]


def explored(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 09, all of them other notebooks' too: both ends of the ranking and three samplers."""
    return [*proposed(profile)[:1], *design(profile)[-2:], ranges(profile)[0], ranges(profile)[-1]]


def main_arms(profile: Profile) -> list[Arm]:
    """Return what the paper compares, and its controls: proposed, random, placebo, baseline, scratch."""
    method, baseline = proposed(profile)
    samplers = [pretrained(profile, strategy.name, strategy) for strategy in (RANDOM, PLACEBO)]
    return [method, *samplers, baseline, transfer(profile)[1]]


def main_pairs(profile: Profile) -> list[tuple[Arm, Arm]]:
    """Return the proposed method with each that it is compared with."""
    method, random, placebo, baseline, _ = main_arms(profile)
    return [(method, other) for other in (random, placebo, baseline, reference(profile, method))]


def controls(profile: Profile) -> list[Arm]:
    """Return controls of the proposed method: its own sampler, one tail dropped, whole patients, and others."""
    return [
        *proposed(profile)[:1],
        pretrained(profile, "placebo", PLACEBO),
        pretrained(profile, "only the top dropped", DROP_TOP),
        pretrained(profile, "only the bottom dropped", DROP_BOTTOM),
        pretrained(profile, "all annotated slices", MIDDLE, with_labelled=True),
        pretrained(profile, "whole patients, proposed", MIDDLE_PATIENTS),
        pretrained(profile, "whole patients, random", RANDOM_PATIENTS),
        pretrained(profile, "at most one slice a patient", SPREAD, 1 / profile.per_patient),
    ]


def equal_updates(profile: Profile) -> list[tuple[Arm, Arm]]:
    """Return the proposed method, trained for as many updates as the baseline, with what it is compared with.

    That is random sampling of as many annotated slices, trained as long, and the baseline. None where the setting is
    off, or every arm is trained so.
    """
    if not profile.equal_updates or profile.length == "updates":
        return []
    method, baseline = proposed(profile)
    longer = [
        replace(arm, name=f"{arm.name}, equal updates", length="updates")
        for arm in (method, reference(profile, method))
    ]
    return [(longer[0], longer[1]), (longer[0], baseline)]


def named(profile: Profile) -> list[Strategy]:
    """Return the strategies of others that a profile names."""
    return [COMPETITORS[name] for name in profile.competitors]


def one_shot(profile: Profile) -> list[Arm]:
    """Return the strategies of others, one-shot.

    Raises
    ------
    InputError
        If too few slices are left to choose from.
    """
    if any(each.annotated_share(BUDGET, profile.labelled_share) > 1 for each in named(profile)):
        raise InputError(
            f"labelled_share is {profile.labelled_share:g}, expected {1 - BUDGET:g} at most: the competitors choose "
            f"{BUDGET:.0%} of the slices among the others"
        )
    return [pretrained(profile, strategy.name, strategy) for strategy in named(profile)]


def iterative(profile: Profile) -> list[Arm]:
    """Return the proposed method, random sampling and the strategies of others, iterative, if the setting is on."""
    if not profile.iterative:
        return []
    queried = {"proposed": MIDDLE, "random": RANDOM}
    queried |= {strategy.name: strategy for strategy in named(profile)}
    return [pretrained(profile, f"{name}, iterative", strategy, iterative=True) for name, strategy in queried.items()]


def reused(profile: Profile) -> list[Arm]:
    """Return what tells how the pretrained weights are reused: frozen layers, and weights in random order."""
    if profile.start not in ("imagenet", "imagenet-trunk"):
        return []
    return [
        pretrained(profile, "frozen convolutions", freeze=True),
        pretrained(profile, "shuffled weights", start=f"{profile.start}-shuffled"),
    ]


def others(profile: Profile) -> list[tuple[Arm, Arm]]:
    """Return other networks trained on the slices that the profile's network chose, each with random sampling."""
    found = []
    for network in profile.other_networks:
        if network != profile.network:
            start = profile.start if profile.start in starts_of(network) else "scratch"
            names = {f"{network}, {profile.network}'s choice": MIDDLE, f"{network}, random": RANDOM}
            chosen, random = (
                pretrained(profile, name, strategy, network=network, start=start) for name, strategy in names.items()
            )
            found.append((chosen, random))
    return found


def reference(profile: Profile, arm: Arm) -> Arm:
    """Return what an arm is compared with: random sampling of as many slices as it is expected to have annotated."""
    return random_at(profile, annotated_share(profile, arm))


def with_references(profile: Profile, arms: Iterable[Arm]) -> list[tuple[Arm, Arm]]:
    """Return some arms, each with its `reference`."""
    return [(arm, reference(profile, arm)) for arm in arms]


def worth(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 07: the paper's, its curves, and controls."""
    pairs = [*main_pairs(profile), *with_references(profile, controls(profile)), *equal_updates(profile)]
    return distinct([*main_arms(profile), *curves(profile), *in_pairs(pairs)])


def competitors(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 11: strategies of others, one-shot and iterative."""
    return distinct(in_pairs(with_references(profile, [*one_shot(profile), *iterative(profile)])))


def seen(profile: Profile) -> list[Arm]:
    """Return the arms of notebook 12: the paper's, other weights, and other networks."""
    return distinct([*main_arms(profile), *reused(profile), *in_pairs(others(profile))])


def in_pairs(pairs: Iterable[tuple[Arm, Arm]]) -> list[Arm]:
    """Return all arms of some pairs, the first of each pair first."""
    first, second = zip(*pairs, strict=True) if (pairs := list(pairs)) else ((), ())
    return [*first, *second]


def annotated_share(profile: Profile, arm: Arm) -> float:
    """Return the share of the training slices that an arm is expected to have annotated."""
    return arm.share if arm.iterative else arm.strategy.annotated_share(arm.share, profile.labelled_share)


def planned(profile: Profile) -> list[tuple[Arm, list[Arm]]]:
    """Return the contrasts of docs/lgg_study.md, the primary one first: an arm less another, or the mean of several."""
    method, baseline = proposed(profile)
    random, placebo = (pretrained(profile, strategy.name, strategy) for strategy in (RANDOM, PLACEBO))
    as_many = reference(profile, method)
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
    return distinct(each for arm, others in planned(profile)[:-2] for each in (arm, *others))


def random_at(profile: Profile, share: float) -> Arm:
    """Return the arm that trains on a random share of the training slices; on all of them, it is the baseline.

    Shares that differ by less than a name tells are one arm.
    """
    share = float(f"{share:.3g}")
    if share >= 1:
        return pretrained(profile, "baseline")
    return pretrained(profile, "random" if share == BUDGET else f"random at {100 * share:.3g}%", RANDOM, share)


NOTEBOOKS: dict[str, Callable[[Profile], list[Arm]]] = {
    "00_cohort": lambda profile: [],
    "01_transfer_vs_scratch": transfer,
    "02_uncertainty_ranges": lambda profile: [*ranges(profile), *class_share(profile)[1:]],
    "03_proposed_vs_baseline": proposed,
    "04_balanced_set": lambda profile: proposed(profile, DATASETS[1]),
    "05_random_vs_uncertainty": budgets,
    "06_scorecard": scorecard,
    "07_worth_the_annotations": worth,
    "08_could_the_paper_tell": design,
    "09_explore": explored,
    "11_competitors": competitors,
    "12_what_networks_see": seen,
    "13_planned_contrasts": first_planned,
}
"""What each notebook compares."""


def arms_of(profile: Profile, names: Iterable[str]) -> list[Arm]:
    """Return the arms of some notebooks, each once."""
    return distinct(arm for name in names for arm in NOTEBOOKS[name](profile))


def distinct(arms: Iterable[Arm]) -> list[Arm]:
    """Return arms without those that were there before."""
    return list(dict.fromkeys(arms))
