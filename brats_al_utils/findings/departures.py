"""The departures of a study from the paper's protocol, as far as the paper states it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from brats_al_utils.cohorts.naming import cohort_name, people
from brats_al_utils.cohorts.slices import SliceSet
from brats_al_utils.findings.paper import PATIENTS
from brats_al_utils.study.profile import PROFILES, Profile

PAPERS_RELEASE = "2019"
"""The paper's cohort: a release of BraTS."""

STATED = {
    "start": "initialisation",
    "network": "network",
    "freeze": "frozen convolutional layers",
    "epochs": "epochs",
    "scratch_epochs": "epochs from random initialisation",
    "length": "length of a training in",
    "batch_size": "batch size",
    "learning_rate": "learning rate",
    "scratch_learning_rate": "learning rate from random initialisation (0: as any other)",
    "momentum": "momentum",
    "weight_decay": "weight decay",
    "committee_rates": "learning rates of the committee",
    "labelled_share": "share labelled at first",
    "image_size": "image size",
    "per_patient": "slices a patient",
    "min_tumour_mm2": "smallest tumour area",
    "channels": "channels",
}
"""Settings whose values the paper states (sections 2.2.1, 2.2.4, 3.1), in words. Choices that it leaves open, such as
intensities, seeds, pairs of the uncertainty or what varies from run to run, are no departures."""

BRATS_ONLY = ("per_patient", "channels")
"""Settings that a table of images does not use."""

OTHERS_ONLY = ("start", "freeze", "epochs", "length", "committee_rates", "labelled_share")
"""Settings that do not affect the network from random initialisation: it trains on all slices."""


@dataclass(frozen=True)
class Departures:
    """The departures of a study from the paper.

    Attributes
    ----------
    cohort : str
        The study's patients, if they are not the paper's.
    settings : mapping of str to str
        The departure in words, by setting of the profile.
    """

    cohort: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    def of(self, scratch: bool = False) -> tuple[str, ...]:
        """Return all departures in words, or those that affect a network from random initialisation."""
        return (*([self.cohort] if self.cohort else []), *self.settings_of(scratch))

    def settings_of(self, scratch: bool = False) -> tuple[str, ...]:
        """Return the departures of settings in words, or those that affect a network from random initialisation."""
        return tuple(text for name, text in self.settings.items() if not (scratch and name in OTHERS_ONLY))


def departures(profile: Profile, slices: SliceSet) -> Departures:
    """Return the departures of a study from the paper's protocol.

    Parameters
    ----------
    profile : Profile
    slices : SliceSet
        Its imbalanced slice set.
    """
    papers, tabled = PROFILES["paper"], people(slices) != "patients"
    settings = {
        name: f"{words}: {as_text(getattr(profile, name))}, the paper's {as_text(getattr(papers, name))}"
        for name, words in STATED.items()
        if getattr(profile, name) != getattr(papers, name) and not (tabled and name in BRATS_ONLY)
    }
    return Departures(other_cohort(slices), settings)


def other_cohort(slices: SliceSet) -> str:
    """Return the cohort of a slice set in words; empty if it is the paper's."""
    of_class = slices.table.groupby("class_name")["patient_id"]
    patients = (of_class.nunique() if slices.one_class_each else of_class.size()).to_dict()
    counts = " + ".join(f"{count} {name}" for name, count in sorted(patients.items()))
    counts = f"{counts} {people(slices) if slices.one_class_each else 'slices'}"
    release = slices.manifest["release"]
    if slices.synthetic:
        return f"cohort: synthetic, {counts}"
    if people(slices) != "patients":
        return f"cohort: {cohort_name(slices)}, {counts}"
    if release != PAPERS_RELEASE:
        return f"cohort: {'of an unknown release' if release == 'unknown' else slices.manifest['name']}, {counts}"
    if patients != PATIENTS:
        papers = " + ".join(f"{count} {name}" for name, count in PATIENTS.items())
        return f"cohort: {counts} of BraTS {release}, the paper's {papers}"
    return ""


def as_text(value: object) -> str:
    """Return the value of a setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
