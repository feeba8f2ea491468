"""What each network can start from: the verb ``weights``."""

from dataclasses import replace

from brats_al_utils.networks.network import NETWORKS, SHUFFLED, starts_of
from brats_al_utils.networks.weights import TRUNKS, Weights, imagenet_weights, trunk_weights


def weights() -> list[Weights]:
    """Return what is known of the weights of each network and start."""
    found = []
    for network in NETWORKS:
        sources = {
            "imagenet": imagenet_weights(network),
            "scratch": Weights(network, "scratch", "random numbers", "", None, True),
            **({"imagenet-trunk": trunk_weights(network)} if network in TRUNKS else {}),
        }
        for start in starts_of(network):
            found.append(replace(sources[start.removesuffix(SHUFFLED)], start=start))
    return found
