"""The query strategies of others, beside which `sampling.STRATEGIES` holds the paper's own and their controls.

Each takes a `Pool` in ascending order of its ids, a budget and a seed, and returns ids. `by_uncertainty` has those that
ask what the query network predicts, `by_features` those that ask what it sees.

Not here: margin sampling (with two classes it is `by_uncertainty.entropy`), and gradient-guided sampling (Dai et al.
2020, section 2.1.2). That moves labelled images along the gradient of a segmentation loss, on the manifold of a
variational autoencoder trained on all images, and takes the images nearest to where they arrive. It asks for a second
network, with choices of its own that no published number of this classification checks, and for gradients in image
space: not a few lines, and its result would be about those choices.
"""

from collections.abc import Callable

from brats_al_utils.beyond.competitors.by_features import badge, coreset, medal, probcover, typiclust
from brats_al_utils.beyond.competitors.by_uncertainty import aift, bald, entropy, reverse
from brats_al_utils.queries.pool import Array, Pool

COMPETITORS: dict[str, Callable[[Pool, int, int], Array]] = {
    strategy.__name__: strategy
    for strategy in (entropy, bald, coreset, badge, typiclust, probcover, aift, medal, reverse)
}
