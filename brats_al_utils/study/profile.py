"""The scientific settings of a study, and the profiles in ``profiles.yaml``."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any
from unicodedata import normalize

import yaml
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from brats_al_utils import InputError, nearest
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.cohorts.split import FEWEST_FOLDS
from brats_al_utils.cohorts.volumes import SEQUENCES
from brats_al_utils.networks.network import NETWORKS, starts_of
from brats_al_utils.networks.training import ARITHMETICS, Settings
from brats_al_utils.queries.uncertainty import AGGREGATES, PAIRS

BUDGET_BASES = ("training", "paper")

LENGTHS = ("epochs", "updates")
"""The length of a training: epochs of its own slices, or the updates that the baseline makes in as many epochs."""

COMPETITORS = ("entropy", "coreset", "badge", "typiclust")
"""Names of the competitors: strategies of others."""

BUDGET = 0.3
"""Share of the training slices that a strategy chooses (section 2.2.4), except where budgets are compared."""


def several(value: object) -> object:
    """Return comma-separated values as a list; a value with a comma or a bracket stands in quotes.

    The list may stand in brackets, as in Python and YAML: (0.0, 0.2), ['t1', 't2', 'flair'].
    """
    if not isinstance(value, str):
        return value
    text = normalize("NFC", value).strip()  # as labels of a table
    if text[:1] == "(" and closes(text) == len(text) - 1:
        text = text[1:-1]
    try:
        return yaml.load(text if text[:1] == "[" else f"[{text}]", Loader=yaml.BaseLoader)  # noqa: S506 (text alone)
    except yaml.YAMLError:
        return value


def closes(text: str) -> int:
    """Return the place at which the first bracket of a text closes; -1 if it does not close."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return place
    return -1


def no_truth_value(value: object) -> object:
    """Refuse True and False in place of a number."""
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


def one_of(*names: str) -> AfterValidator:
    """Return the constraint that a value is one of some names."""

    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return value

    return AfterValidator(check)


def different(names: Collection[str] = (), least: int = 0) -> AfterValidator:
    """Return the constraint that values are different, at least ``least`` many, and of some names if any are given."""

    def check(values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(values) < least or len(set(values)) < len(values) or (names and not set(values) <= set(names)):
            what = f"different ones of {', '.join(names)}" if names else "different numbers"
            raise ValueError(f"{what}, at least {least}" if least else what)
        return values

    return AfterValidator(check)


Whole = Annotated[int, BeforeValidator(no_truth_value), Field(ge=0)]
Positive = Annotated[int, BeforeValidator(no_truth_value), Field(ge=1)]
Real = Annotated[float, BeforeValidator(no_truth_value), Field(ge=0)]
Rate = Annotated[float, BeforeValidator(no_truth_value), Field(gt=0)]
Share = Annotated[float, BeforeValidator(no_truth_value), Field(gt=0, le=1)]
Names = Annotated[tuple[str, ...], BeforeValidator(several)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True))
class Profile:
    """The scientific settings of a study; the defaults are those of the paper (sections 2.2.1 and 3.1).

    Attributes
    ----------
    name : str
        One of those in ``profiles.yaml``, which says what each is for.
    patients, test_patients, spacing, phantom_seed : int
        The synthetic cohort of a study without data: number of patients (0: none), of further patients who form the
        test set (half of them HGG; 0: the test set is split off), voxel size in mm (1 or 2), seed.
    per_patient, test_slices, min_tumour_mm2, channels, image_size, slice_seed, split_seed
        See `slices.SliceRule`.
    network : str
        One of `network.NETWORKS`.
    start : str
        Initialisation of every arm that is not trained from scratch: one of `network.starts_of` the network.
    freeze : bool
        Whether the pretrained convolutional layers are frozen.
    epochs, scratch_epochs : int
        Epochs of a pretrained network, and of one trained from scratch.
    length : str
        One of ``LENGTHS``. With ``updates`` every arm makes as many updates as the baseline, and computes the
        validation AUC as often.
    batch_size, learning_rate, momentum, weight_decay
        Settings of the optimiser.
    scratch_learning_rate : float
        Learning rate from scratch; 0: ``learning_rate``, as in the paper.
    arithmetic : str
        One of `training.ARITHMETICS`.
    threads : int
        Threads of the processor for each training, on which the last bits of its numbers depend.
    committee_rates : tuple of float
        The members' learning rates (section 2.2.4).
    labelled_share : float
        Share of the training slices that the committee is trained on (section 2.2.4).
    pairs, aggregate : str
        How the uncertainty is computed: see `uncertainty.score`.
    budget_base : {"training", "paper"}
        Whether budgets are shares of the training slices or, as in Table 5, of all slices in the balanced set.
    budgets : tuple of float
        Shares of the training slices at which the curves of section 3.5 are drawn, ``BUDGET`` and others.
    balanced : bool
        Whether these curves are drawn on the balanced set as well (Figure 8).
    competitors : tuple of str
        The competitors to compare, of ``COMPETITORS``.
    iterative : bool
        Whether iterative querying is compared as well (notebook 11).
    iteration_share : float
        Share of the training slices that is annotated at random before the first iterative query, and that each query
        adds until ``BUDGET`` is annotated.
    equal_updates : bool
        Whether notebook 07 also trains the proposed method and its reference for as many updates as the baseline.
    other_networks : tuple of str
        Networks of `network.NETWORKS` that are trained on the slices chosen by ``network`` (notebook 12).
    n_runs : int
        Runs of each arm.
    folds : int
        1: all runs have the same split. K (at least 3): run r tests fold r mod K, see `split.fold_split`.
    classes : tuple of str
        Positive and negative class of a table of images; none if it has two labels only, see `table.read_table`.
    task : str
        What is to be told apart, where a cohort has several kinds of labels: see `readers.read_cohort`.
    seed : int
        Seed of the first run; the next runs have the next integers.
    """

    name: str
    patients: Whole = 0
    test_patients: Whole = 0
    spacing: Annotated[int, Field(ge=1, le=2)] = 1
    phantom_seed: Whole = 0
    per_patient: Annotated[Positive, Field(ge=2)] = 20
    test_slices: Positive = 2
    min_tumour_mm2: Real = 0.0
    channels: Names = ("t1", "t1ce", "t2")
    image_size: Annotated[Positive, Field(ge=64, le=512)] = 224
    slice_seed: Whole = 0
    split_seed: Whole = 0
    network: Annotated[str, one_of(*NETWORKS)] = "alexnet"
    start: str = "imagenet"
    freeze: bool = False
    epochs: Positive = 30
    scratch_epochs: Positive = 80
    length: Annotated[str, one_of(*LENGTHS)] = LENGTHS[0]
    batch_size: Positive = 16
    learning_rate: Rate = 0.001
    scratch_learning_rate: Real = 0.0
    momentum: Annotated[Real, Field(lt=1)] = 0.8
    weight_decay: Real = 0.0001
    arithmetic: Annotated[str, one_of(*ARITHMETICS)] = ARITHMETICS[0]
    threads: Positive = 1
    committee_rates: Annotated[tuple[Rate, ...], BeforeValidator(several), different(least=2)] = (0.001, 0.0005, 0.0001)
    labelled_share: Share = 0.3
    pairs: Annotated[str, one_of(*PAIRS)] = "ordered"
    aggregate: Annotated[str, one_of(*AGGREGATES)] = "sum"
    budget_base: Annotated[str, one_of(*BUDGET_BASES)] = "training"
    budgets: Annotated[tuple[Annotated[Share, Field(lt=1)], ...], BeforeValidator(several), different(least=2)] = (
        0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8,
    )  # fmt: skip
    balanced: bool = True
    competitors: Annotated[Names, different(COMPETITORS, least=1)] = COMPETITORS
    iterative: bool = True
    iteration_share: Share = 0.1
    equal_updates: bool = True
    other_networks: Annotated[Names, different(tuple(NETWORKS))] = ("alexnet", "googlenet", "resnet18")
    n_runs: Positive = 10
    folds: Positive = 1
    classes: Annotated[Names, different()] = ()
    task: str = ""
    seed: Whole = 0

    @model_validator(mode="after")
    def check_together(self) -> "Profile":
        """Refuse values that do not fit together."""

        def expect(name: str, good: bool, what: str) -> None:
            if not good:
                raise InputError(f"{name} is {getattr(self, name)!r}, expected {what}")

        starts, channels = starts_of(self.network), set(self.channels) & set(SEQUENCES)
        expect("start", self.start in starts, f"one of {', '.join(starts)} for {self.network}")
        halves = self.test_patients % 2 == 0 and self.patients > 0 and self.folds == 1
        what = "0, or with patients and without folds an even number: half of them are of either grade"
        expect("test_patients", self.test_patients == 0 or halves, what)
        what = f"1 (every run has the same split) or at least {FEWEST_FOLDS}"
        expect("folds", self.folds == 1 or self.folds >= FEWEST_FOLDS, what)
        what = f"a multiple of folds ({self.folds}), so that every patient is tested as often"
        expect("n_runs", self.n_runs % self.folds == 0, what)
        expect("budgets", BUDGET in self.budgets, f"{BUDGET:g} among them")
        whole = self.iteration_share <= BUDGET / 2 and round(BUDGET / self.iteration_share, 6) % 1 == 0
        expect("iteration_share", whole, f"{BUDGET:g} divided by a whole number of at least 2, as 0.05 or 0.1")
        expect("channels", len(self.channels) == len(channels) == 3, f"three of {', '.join(SEQUENCES)}")
        expect("classes", len(self.classes) in (0, 2), "none, or the positive and the negative class")
        return self

    def slice_rule(self, balanced: bool = False) -> SliceRule:
        """Return the rule of the imbalanced or the balanced set."""
        names = {field.name for field in fields(SliceRule)} - {"balanced"}
        return SliceRule(balanced=balanced, **{name: getattr(self, name) for name in names})

    def training_settings(self, epochs: int, learning_rate: float | None = None) -> Settings:
        """Return the hyperparameters of a training with some epochs, at the profile's or another learning rate."""
        rate = learning_rate or self.learning_rate
        return Settings(epochs, self.batch_size, rate, self.momentum, self.weight_decay, self.arithmetic, self.threads)

    def rate(self, start: str) -> float:
        """Return the learning rate of an arm with this initialisation."""
        return (self.scratch_learning_rate if start == "scratch" else 0.0) or self.learning_rate

    def labelled_slices(self, training: int) -> int:
        """Return how many of some training slices the committee is trained on (section 2.2.4, step 1).

        Raises
        ------
        InputError
            If it is none.
        """
        count = round(self.labelled_share * training)
        if not count:
            raise InputError(
                f"labelled_share={self.labelled_share:g} selects 0 of {training} training slices, expected "
                f"at least {1 / training:.2g}: the committee is trained on them"
            )
        return count

    @property
    def changes(self) -> dict[str, Any]:
        """The settings that differ from those of the profile of this name, as values for JSON: lists, not tuples."""
        usual = asdict(PROFILES[self.name])
        changed = {name: value for name, value in asdict(self).items() if value != usual[name]}
        return dict(json.loads(json.dumps(changed)))  # papermill passes tuples on as text

    def with_settings(self, settings: Mapping[str, object]) -> "Profile":
        """Return the profile with some settings changed.

        Parameters
        ----------
        settings : mapping of str to object
            Values of the field's type, or text: ``{"epochs": 6}``, ``{"learning_rate": "1e-4"}``,
            ``{"budgets": "0.1, 0.3"}``.

        Raises
        ------
        InputError
            If a name is unknown or a value cannot be used.
        """
        names = [field.name for field in fields(self) if field.name != "name"]
        for name in settings:
            if name not in names:
                raise InputError(f"no setting is called {name!r}: {nearest(name, names)}")
        try:
            changed: dict[str, Any] = dict(settings)
            return replace(self, **changed)
        except ValidationError as error:
            raise InputError(refusal(error)) from None


def refusal(error: ValidationError) -> str:
    """Return the message on the first refused setting: its name, its value and what was expected."""
    first = error.errors()[0]
    what = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    where = next((str(part) for part in first["loc"]), "")
    return f"{where} is {first['input']!r}, expected {what}" if where else what


PROFILES = {
    name: Profile(name, **changed)
    for name, changed in yaml.safe_load(Path(__file__).with_name("profiles.yaml").read_text(encoding="utf-8")).items()
}


def mapping_of(settings: Mapping[str, object] | str) -> Mapping[str, object]:
    """Return settings as a mapping; text is JSON or YAML, as from `papermill -p settings`.

    Raises
    ------
    InputError
        If text is neither.
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
        raise InputError(f"profile is {name!r}, {nearest(name, PROFILES)}")
    return PROFILES[name].with_settings(mapping_of(settings or {}))
