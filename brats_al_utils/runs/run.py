"""One training: its specification and its result. Without torch, for those who only read results."""

import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # it imports torch
    from brats_al_utils.networks.training import Settings

PROTOCOL = 3
"""Part of every run's key, increased when the same run no longer gives the same result."""

PREDICTED = ("validation", "test", "pool")
"""Sets of slices whose probabilities a run stores."""

VIEWS = ("features",)
"""Further outputs that a run can store of its pool, each of which takes a pass over it."""


@dataclass(frozen=True)
class Run:
    """Everything that determines the result of one training, and nothing that only determines where and how fast.

    Attributes
    ----------
    data : str
        Fingerprint of the slice set.
    training, validation, test : tuple of int
        Ids of slices in it.
    pool : tuple of int
        Further slices whose probabilities are stored: of a committee member, the whole training set.
    start : str
        One of `network.STARTS`.
    freeze : bool
        Whether the convolutional layers are frozen.
    settings : Settings
        Hyperparameters.
    weights_seed, order_seed : int
        Seeds of the random weights, and of batch order and dropout.
    network : str
        One of `network.NETWORKS`.
    views : tuple of str
        Some of ``VIEWS``: further outputs for the pool that are stored, see `Result`.
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
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # asdict would copy every id
        settings = asdict(self.settings)
        if not settings["epoch_updates"]:  # this field is newer than published keys
            del settings["epoch_updates"]
        return json.dumps(values | {"settings": settings}, sort_keys=True, separators=(",", ":"))

    @cached_property
    def key(self) -> str:
        """SHA-256 of ``spec``: the name of the run's file."""
        return sha256(self.spec.encode()).hexdigest()

    @property
    def images(self) -> int:
        """Image passes of the training, without evaluation."""
        return self.settings.epochs * self.epoch_images

    @property
    def epoch_images(self) -> int:
        """Image passes of an epoch of training; where its length is in updates, those of full batches."""
        return self.settings.epoch_updates * self.settings.batch_size or len(self.training)

    @property
    def evaluation_images(self) -> int:
        """Largest number of image passes of the evaluation: a validation AUC of 1 or a kept last epoch saves some."""
        validation, test, pool = (len(self.ids(part)) for part in PREDICTED)
        return self.settings.epochs * validation + 4 * test + (1 + len(self.views)) * pool

    def ids(self, part: str) -> np.ndarray[Any, Any]:
        """Return the ids of the slices of a part, or of the pool."""
        return np.array(getattr(self, part), np.int64)


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes
    ----------
    run : Run
    arrays : dict of str to np.ndarray
        ``train_loss`` and ``validation_auc`` [epochs]: see `training.History`; ``probability/validation``,
        ``probability/test`` and ``probability/pool`` [slices]: P(positive) at the kept epoch; ``probability/test_last``
        [slices]: after the last epoch; ``audit/tumour_hidden`` and ``audit/tumour_alone`` [slices]: of the test slices
        at the kept epoch, where every slice has a mask, see `audit.audit_predictions`. All float64. With views, of the
        pool's n slices then ``views/features`` [n, D] as float16: see `training.features`.
    best_epoch : int
        The kept epoch, counted from 1.
    seconds : float
        Wall-clock time of the training and its evaluations.
    facts : dict of str to str
        Device, threads, versions, git commit. A result from a bundle, which holds some of the arrays, also has
        ``sha256``, the checksum of all of them: see `store.checksum`.
    """

    run: Run
    arrays: dict[str, np.ndarray[Any, Any]]
    best_epoch: int
    seconds: float
    facts: dict[str, str]
