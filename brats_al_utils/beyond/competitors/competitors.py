"""The query strategies of others, and every strategy by its name.

`by_uncertainty` has the one that asks what the query network predicts, `by_features` those that ask what it sees. They
are those that a published study compares.

Not here: margin sampling (with two classes it is `by_uncertainty.entropy`), and gradient-guided sampling (Dai et al.
2020, section 2.1.2). That moves labelled images along the gradient of a segmentation loss, on the manifold of a
variational autoencoder trained on all images, and takes the images nearest to where they arrive. It asks for a second
network, with choices of its own that no published number of this classification checks, and for gradients in image
space: not a few lines, and its result would be about those choices.
"""

from brats_al_utils.beyond.competitors.by_features import badge, coreset, typiclust
from brats_al_utils.beyond.competitors.by_uncertainty import entropy
from brats_al_utils.beyond.competitors.controls import DROP_BOTTOM, DROP_TOP, MIDDLE_PATIENTS, RANDOM_PATIENTS, SPREAD
from brats_al_utils.queries.sampling import QUERY_NETWORK, SAMPLERS, Rule, Strategy

VIEWS: dict[Rule, tuple[str, ...]] = {
    entropy: (),
    coreset: ("features",),
    badge: ("features",),
    typiclust: ("features",),
}
"""The rules of others, each with the outputs of the query network that it goes by, beside the probability."""

COMPETITORS = {
    rule.__name__: Strategy(rule.__name__, rule, QUERY_NETWORK, views, adds_to_labelled=True)
    for rule, views in VIEWS.items()
}
"""Strategies of others, by name."""

CONTROLS = (DROP_TOP, DROP_BOTTOM, RANDOM_PATIENTS, MIDDLE_PATIENTS, SPREAD)

STRATEGIES = {strategy.name: strategy for strategy in (*SAMPLERS, *CONTROLS, *COMPETITORS.values())}
"""Every strategy that chooses some of the slices, by name."""
