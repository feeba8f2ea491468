"""The available initialisations of each network: the command ``weights``."""

from dataclasses import replace

from brats_al_utils.networks.network import NETWORKS, SHUFFLED, starts_of
from brats_al_utils.networks.weights import TRUNKS, Weights, imagenet_weights, trunk_weights


def weights() -> list[Weights]:
    """Return the source of the weights of each network and initialisation."""
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
