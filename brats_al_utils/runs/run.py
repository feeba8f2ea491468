"""One training: what decides its result, and what it gave; without torch, for whoever only looks at results."""

import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # it comes with torch
    from brats_al_utils.networks.training import Settings

PROTOCOL = 3
"""Part of every run's key; raised when the same run no longer gives the same result."""

PREDICTED = ("validation", "test", "pool")
"""Slices of which a run stores the probability."""

VIEWS = ("features",)
"""What a run can store of its pool beside the probability, a pass over the pool each."""


@dataclass(frozen=True)
class Run:
    """Everything that decides the result of one training; what only decides where and how fast is not here.

    Attributes
    ----------
    data : str
        Fingerprint of the slice set.
    training, validation, test : tuple of int
        Ids of slices in it.
    pool : tuple of int
        Slices whose probability is stored as well: of a committee member, the whole training set.
    start : str
        One of `network.STARTS`.
    freeze : bool
        Whether the convolutional layers are kept as they are.
    settings : Settings
        Hyperparameters.
    weights_seed, order_seed : int
        Seeds of the random weights, and of batch order and dropout.
    network : str
        One of `network.NETWORKS`.
    views : tuple of str
        Some of ``VIEWS``: what more the network makes of the pool is stored, see `Result`.
    protocol : int
        See ``PROTOCOL``.
    """

    data: str
    training: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    pool: tuple[int, ...]
    start: str
    freeze: bool
    settings: "Settings"
    weights_seed: int
    order_seed: int
    network: str = "alexnet"
    views: tuple[str, ...] = ()
    protocol: int = PROTOCOL

    @property
    def spec(self) -> str:
        """The run as canonical JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # asdict copies each of the ids
        settings = asdict(self.settings)
        if not settings["epoch_updates"]:  # newer than published keys, which have none
            del settings["epoch_updates"]
        return json.dumps(values | {"settings": settings}, sort_keys=True, separators=(",", ":"))

    @cached_property
    def key(self) -> str:
        """SHA-256 of ``spec``: the name of the run's file."""
        return sha256(self.spec.encode()).hexdigest()

    @property
    def images(self) -> int:
        """Image passes of the training, evaluation not counted."""
        return self.settings.epochs * self.epoch_images

    @property
    def epoch_images(self) -> int:
        """Image passes of an epoch's training; where updates are counted, of full batches."""
        return self.settings.epoch_updates * self.settings.batch_size or len(self.training)

    @property
    def evaluation_images(self) -> int:
        """Image passes of the evaluation, at most: a validation AUC of 1 or a kept last epoch saves some."""
        validation, test, pool = (len(self.ids(part)) for part in PREDICTED)
        return self.settings.epochs * validation + 4 * test + (1 + len(self.views)) * pool

    def ids(self, part: str) -> np.ndarray[Any, Any]:
        """Return the ids of a part's slices, or of the pool's."""
        return np.array(getattr(self, part), np.int64)


@dataclass(frozen=True)
class Result:
    """What a run gave.

    Attributes
    ----------
    run : Run
    arrays : dict of str to np.ndarray
        ``train_loss`` and ``validation_auc`` [epochs]: see `training.History`; ``probability/validation``,
        ``probability/test`` and ``probability/pool`` [slices]: P(HGG) at the kept epoch; ``probability/test_last``
        [slices]: after the last epoch; ``audit/tumour_hidden`` and ``audit/tumour_alone`` [slices]: of the test slices
        at the kept epoch, where every slice has a mask, see `audit.audit_predictions`. All float64. With views, of the
        pool's n slices then ``views/features`` [n, D] as float16: see `training.features`.
    best_epoch : int
        The kept epoch, counted from 1.
    seconds : float
        Wall-clock time of the training and its evaluations.
    facts : dict of str to str
        Device, threads, versions, git commit; of a result that comes from a bundle, which holds some of its arrays,
        also ``sha256`` of all of them: see `store.checksum`.
    """

    run: Run
    arrays: dict[str, np.ndarray[Any, Any]]
    best_epoch: int
    seconds: float
    facts: dict[str, str]
