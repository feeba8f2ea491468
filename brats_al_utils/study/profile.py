"""The scientific settings of a study, and the profiles: smoke, demo, design, open, lgg and paper."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import yaml

from brats_al_utils import InputError
from brats_al_utils.beyond.competitors.competitors import COMPETITORS
from brats_al_utils.cohorts.folds import FEWEST_FOLDS
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.networks.network import NETWORKS, starts_of
from brats_al_utils.networks.training import ARITHMETICS, Settings
from brats_al_utils.queries.uncertainty import AGGREGATES, PAIRS

SOURCES = ("labelled subset", "sample draw", "weights", "batch order")
"""What varies from run to run, each by its own seed; slices and split have theirs in `slices.SliceRule`."""

BUDGET_BASES = ("training", "paper")

LENGTHS = ("epochs", "updates")
"""How long an arm trains: passes over its own slices, or as many updates as the baseline makes in as many epochs."""

BUDGET = 0.3
"""Share of the training slices that a strategy chooses, unless the budget is what varies (section 2.2.4)."""


@dataclass(frozen=True)
class Profile:
    """The scientific settings of a study; the defaults are those of the paper (sections 2.2.1 and 3.1).

    Attributes
    ----------
    name : str
        smoke (does it run?), demo (a synthetic cohort, in minutes), design (the paper's patients as phantoms, with a
        test set large enough to know the truth: notebook 08), open (the open cohort of Cheng), lgg (the LGG set of
        Buda) or paper.
    patients, test_patients, spacing, phantom_seed : int
        The synthetic cohort of a study without data: patients (0: there is none), further patients who are its test set
        (half of either grade; 0: it is split off), voxel size in mm (1 or 2), seed.
    per_patient, test_slices, min_tumour_mm2, channels, intensity, image_size, slice_seed, split_seed
        See `slices.SliceRule`.
    network : str
        One of `network.NETWORKS`.
    start : str
        One of `network.STARTS` that the network has, for every arm that is not trained from scratch.
    freeze : bool
        Keep the pretrained convolutional layers as they are.
    epochs, scratch_epochs : int
        With a pretrained start, and from scratch.
    length : str
        One of ``LENGTHS``. With ``updates`` every arm makes the updates of the baseline, and looks at the validation
        set as often.
    batch_size, learning_rate, momentum, weight_decay
        Of the optimiser.
    scratch_learning_rate : float
        From scratch; 0: ``learning_rate``, as in the paper.
    arithmetic : str
        One of `training.ARITHMETICS`.
    threads : int
        Of the processor for each training: the last bits of its numbers depend on it.
    committee_rates : tuple of float
        The members' learning rates (section 2.2.4).
    labelled_share : float
        Share of the training slices that the committee is trained on (section 2.2.4).
    pairs, aggregate : str
        Of the uncertainty: see `uncertainty.score`.
    budget_base : {"training", "paper"}
        What the budgets are shares of: the training slices, or, as in Table 5, all slices where the set is balanced.
    budgets : tuple of float
        Shares of the training slices at which the curves of section 3.5 are drawn, ``BUDGET`` and others.
    competitors : tuple of str
        Strategies of others that notebook 07 compares, of `competitors.COMPETITORS`.
    iterative : bool
        Whether it also lets strategies choose in rounds, each with networks trained on what was chosen before.
    iteration_share : float
        Share of the training slices that is annotated at random before the first of these queries, and that each query
        adds until ``BUDGET`` is annotated.
    other_networks : tuple of str
        Of `network.NETWORKS`, trained on this one's choice (notebook 07); none: that is left out.
    doses : tuple of float
        Shares of the training data that are planted outliers, on a synthetic cohort (notebook 07); none: no planting.
    n_runs : int
        Runs of each arm.
    folds : int
        1: every run has the same split. K, at least 3: run r tests fold r mod K, see `folds.fold_split`.
    classes : tuple of str
        Positive and negative class of a table of images; none for its only two labels, see `table.read_table`.
    task : str
        What is told apart where a cohort knows several answers: see `readers.read_cohort`.
    hold : tuple of str
        Sources of chance (``SOURCES``) that keep the first run's seed in every run.
    seed : int
        Of the first run; the others follow.
    """

    name: str
    patients: int = 0
    test_patients: int = 0
    spacing: int = 1
    phantom_seed: int = 0
    per_patient: int = 20
    test_slices: int = 2
    min_tumour_mm2: float = 0.0
    channels: tuple[str, ...] = ("t1", "t1ce", "t2")
    intensity: str = "mode"
    image_size: int = 224
    slice_seed: int = 0
    split_seed: int = 0
    network: str = "alexnet"
    start: str = "imagenet"
    freeze: bool = False
    epochs: int = 30
    scratch_epochs: int = 80
    length: str = LENGTHS[0]
    batch_size: int = 16
    learning_rate: float = 0.001
    scratch_learning_rate: float = 0.0
    momentum: float = 0.8
    weight_decay: float = 0.0001
    arithmetic: str = ARITHMETICS[0]
    threads: int = 1
    committee_rates: tuple[float, ...] = (0.001, 0.0005, 0.0001)
    labelled_share: float = 0.3
    pairs: str = "ordered"
    aggregate: str = "sum"
    budget_base: str = "training"
    budgets: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    competitors: tuple[str, ...] = tuple(COMPETITORS)
    iterative: bool = True
    iteration_share: float = 0.1
    other_networks: tuple[str, ...] = ("alexnet", "googlenet", "resnet18")
    doses: tuple[float, ...] = (0.0, 0.05, 0.1)
    n_runs: int = 10
    folds: int = 1
    classes: tuple[str, ...] = ()
    task: str = ""
    hold: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no study can be made with."""
        expected = {
            "network": (self.network in NETWORKS, f"one of {', '.join(NETWORKS)}"),
            "start": (
                self.start in starts_of(self.network),
                f"one of {', '.join(starts_of(self.network))} for {self.network}",
            ),
            "arithmetic": (self.arithmetic in ARITHMETICS, f"one of {', '.join(ARITHMETICS)}"),
            "spacing": (self.spacing in (1, 2), "1 or 2 mm"),
            **{
                name: (getattr(self, name) >= least, f"at least {least}")
                for name, least in {
                    "epochs": 1,
                    "scratch_epochs": 1,
                    "batch_size": 1,
                    "threads": 1,
                    "n_runs": 1,
                    "patients": 0,
                }.items()
            },
            **{
                name: (getattr(self, name) >= 0, "not negative")
                for name in ("seed", "slice_seed", "split_seed", "phantom_seed")
            },
            "test_patients": (
                self.test_patients == 0
                or (self.test_patients >= 2 and self.test_patients % 2 == 0 and self.patients > 0 and self.folds == 1),
                "0, or with patients and without folds an even number: half of them are of either grade",
            ),
            "length": (self.length in LENGTHS, f"one of {', '.join(LENGTHS)}"),
            "scratch_learning_rate": (0 <= self.scratch_learning_rate < np.inf, "0, or a positive number"),
            "momentum": (0 <= self.momentum < 1, "a number from 0 to below 1"),
            "weight_decay": (0 <= self.weight_decay < np.inf, "a number that is not negative"),
            "committee_rates": (
                len(set(self.committee_rates)) == len(self.committee_rates) > 1
                and all(0 < rate < np.inf for rate in self.committee_rates),
                "two or more positive numbers, each another: members that are equal never disagree",
            ),
            "labelled_share": (0 < self.labelled_share <= 1, "a share above 0 and up to 1"),
            "folds": (
                self.folds == 1 or self.folds >= FEWEST_FOLDS,
                f"1 (every run has the same split) or at least {FEWEST_FOLDS}",
            ),
            "n_runs": (
                self.n_runs >= 1 and self.n_runs % self.folds == 0,
                "at least 1"
                + f", a multiple of folds ({self.folds}), so that every patient is tested as often" * (self.folds > 1),
            ),
            "pairs": (self.pairs in PAIRS, f"one of {', '.join(PAIRS)}"),
            "aggregate": (self.aggregate in AGGREGATES, f"one of {', '.join(AGGREGATES)}"),
            "budget_base": (self.budget_base in BUDGET_BASES, f"one of {', '.join(BUDGET_BASES)}"),
            "classes": (
                len(set(self.classes)) == len(self.classes) in (0, 2),
                "none, or the positive and the negative class",
            ),
            "hold": (set(self.hold) <= set(SOURCES), f"none or some of {', '.join(SOURCES)}"),
            "budgets": (
                len(set(self.budgets)) == len(self.budgets) > 1
                and BUDGET in self.budgets
                and all(0 < share < 1 for share in self.budgets),
                f"{BUDGET:g} and other shares between 0 and 1, each another",
            ),
            "iteration_share": (
                0 < self.iteration_share <= BUDGET / 2
                and round(BUDGET / self.iteration_share, 6) == round(BUDGET / self.iteration_share),
                f"{BUDGET:g} divided by a whole number of at least 2, as 0.05 or 0.1",
            ),
            "competitors": (
                len(set(self.competitors)) == len(self.competitors) > 0 and set(self.competitors) <= set(COMPETITORS),
                f"one or more of {', '.join(COMPETITORS)}, each once",
            ),
            "other_networks": (
                len(set(self.other_networks)) == len(self.other_networks) and set(self.other_networks) <= set(NETWORKS),
                f"none or some of {', '.join(NETWORKS)}, each once",
            ),
            "doses": (
                len(set(self.doses)) == len(self.doses) and all(0 <= dose <= 1 for dose in self.doses),
                "none or some shares from 0 to 1, each another",
            ),
            "learning_rate": (0 < self.learning_rate < np.inf, "a positive number"),
        }
        for name, (good, what) in expected.items():
            if not good:
                raise InputError(f"{name} is {getattr(self, name)!r}, expected {what}")
        self.slice_rule()

    def slice_rule(self, balanced: bool = False) -> SliceRule:
        """Return the rule of the imbalanced or the balanced set."""
        names = {field.name for field in fields(SliceRule)} - {"balanced"}
        return SliceRule(balanced=balanced, **{name: getattr(self, name) for name in names})

    def training_settings(self, epochs: int, learning_rate: float | None = None) -> Settings:
        """Return the hyperparameters of a training of this many epochs, at the profile's or another learning rate."""
        rate = learning_rate or self.learning_rate
        return Settings(epochs, self.batch_size, rate, self.momentum, self.weight_decay, self.arithmetic, self.threads)

    def rate(self, start: str) -> float:
        """Return the learning rate of an arm with this initialisation."""
        return self.scratch_learning_rate * (start == "scratch") or self.learning_rate

    def labelled_slices(self, training: int) -> int:
        """Return how many of so many training slices the committee is trained on (section 2.2.4, step 1).

        Raises
        ------
        InputError
            If that is none.
        """
        count = round(self.labelled_share * training)
        if not count:
            raise InputError(
                f"labelled_share is {self.labelled_share:g}, which is none of the {training} training slices, expected "
                f"at least {1 / training:.2g}: the committee is trained on them"
            )
        return count

    @property
    def changes(self) -> dict[str, Any]:
        """The settings that differ from those of the profile of this name, as JSON has them: a tuple is a list."""
        usual = asdict(PROFILES[self.name])
        changed = {name: value for name, value in asdict(self).items() if value != usual[name]}
        return dict(json.loads(json.dumps(changed)))  # papermill would pass a tuple on as text

    def with_settings(self, settings: Mapping[str, object]) -> "Profile":
        """Return the profile with some settings changed.

        Parameters
        ----------
        settings : mapping of str to object
            Values of the field's type, or text that says one: ``{"epochs": 6}``, ``{"learning_rate": "1e-4"}``,
            ``{"doses": "0, 0.2"}``.

        Raises
        ------
        InputError
            If a name is unknown or a value is not of its type.
        """
        types = get_type_hints(Profile)
        names = [name for name in types if name != "name"]
        for name in settings:
            if name not in names:
                raise InputError(f"no setting is called {name!r}, expected one of {', '.join(names)}")
        return replace(self, **{name: parse(name, value, types[name]) for name, value in settings.items()})


PROFILES = {
    "smoke": Profile(
        "smoke",
        patients=12,
        spacing=2,
        per_patient=4,
        image_size=64,
        start="imagenet-trunk",
        epochs=1,
        scratch_epochs=2,
        budgets=(0.1, 0.3, 0.8),
        competitors=("typiclust", "badge"),
        other_networks=("resnet18",),
        doses=(0.0, 0.1),
        n_runs=2,
    ),
    "demo": Profile(
        "demo",
        patients=120,
        test_patients=100,
        spacing=2,
        per_patient=2,
        test_slices=1,
        image_size=64,
        start="imagenet-trunk",
        epochs=4,
        scratch_epochs=8,
        learning_rate=0.005,
        committee_rates=(0.005, 0.0025, 0.0005),
        budgets=(0.1, 0.3),
        competitors=("typiclust",),
        iterative=False,
        other_networks=(),
        doses=(),
        n_runs=3,
    ),
    "design": Profile(
        "design",
        patients=269,
        test_patients=1000,
        spacing=2,
        per_patient=5,
        image_size=64,
        start="imagenet-trunk",
        epochs=6,
        scratch_epochs=16,
        learning_rate=0.005,
        committee_rates=(0.005, 0.0025, 0.0005),
    ),
    "open": Profile(
        "open",
        image_size=96,
        start="imagenet-trunk",
        epochs=6,
        scratch_epochs=30,
        budgets=(0.1, 0.2, 0.3, 0.4, 0.6, 0.8),
        competitors=("entropy", "coreset", "badge", "typiclust"),
        other_networks=("resnet18",),
        n_runs=5,
        folds=5,
        classes=("glioma", "meningioma"),
    ),
    "lgg": Profile(
        "lgg",
        image_size=96,
        start="imagenet-trunk",
        epochs=6,
        scratch_epochs=30,
        budgets=(0.1, 0.2, 0.3, 0.4, 0.6, 0.8),
        competitors=("entropy", "coreset", "badge", "typiclust"),
        other_networks=("resnet18",),
        n_runs=20,
        folds=5,
        task="tumour",
        length="updates",
        iteration_share=0.05,
    ),
    "paper": Profile("paper"),
}


def parse(name: str, value: object, kind: Any) -> Any:
    """Return a setting's value in its type, from that type or from text (YAML reads ``1e-4`` as text)."""
    several = get_origin(kind) is tuple
    of = get_args(kind)[0] if several else kind
    wrong = InputError(f"{name} is {value!r}, expected {of.__name__}{', or several with commas between' * several}")
    if several:
        # Text may be what Python or YAML would write: (0.0, 0.2), ['t1', 't2', 'flair'].
        parts = [part for part in value.strip(" ()[]").split(",") if part] if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise wrong
        return tuple(parse(name, part.strip(" '\"") if isinstance(part, str) else part, of) for part in parts)
    if isinstance(value, str) and kind is bool:
        if value.lower() not in ("true", "false"):
            raise wrong
        return value.lower() == "true"
    if isinstance(value, str):
        try:
            return kind(value.strip())
        except ValueError as error:
            raise wrong from error
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise wrong
    return value


def mapping_of(settings: Mapping[str, object] | str) -> Mapping[str, object]:
    """Return settings as a mapping; as text they are JSON or YAML, as `papermill -p settings` passes them on.

    Raises
    ------
    InputError
        If they are neither.
    """
    try:
        found = yaml.safe_load(settings) or {} if isinstance(settings, str) else settings
    except yaml.YAMLError:
        found = settings
    if not isinstance(found, Mapping):
        raise InputError(f'settings is {settings!r}, expected names with values, as in {{"epochs": 6}}')
    return found


def profile_of(name: str, settings: Mapping[str, object] | str | None = None) -> Profile:
    """Return a profile by name, with some settings changed.

    Raises
    ------
    InputError
        If there is no such profile, or a setting cannot be used.
    """
    if name not in PROFILES:
        raise InputError(f"profile is {name!r}, expected one of {', '.join(PROFILES)}")
    return PROFILES[name].with_settings(mapping_of(settings or {}))
