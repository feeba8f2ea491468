"""In what a study departs from the paper's protocol, as far as the paper states it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from brats_al_utils.findings.paper import PATIENTS
from brats_al_utils.study.profile import PROFILES, Profile

RELEASE = "2019"
"""Of BraTS: the paper's cohort."""

STATED = {
    "start": "initialisation",
    "network": "network",
    "freeze": "frozen convolutional layers",
    "epochs": "epochs",
    "scratch_epochs": "epochs from random initialisation",
    "batch_size": "batch size",
    "learning_rate": "learning rate",
    "momentum": "momentum",
    "weight_decay": "weight decay",
    "committee_rates": "learning rates of the committee",
    "labelled_share": "share labelled at first",
    "image_size": "image size",
    "per_patient": "slices a patient",
    "min_tumour_mm2": "smallest tumour area",
    "channels": "channels",
}
"""Settings whose value the paper states (sections 2.2.1, 2.2.4, 3.1), in words. What it leaves open, such as
intensities, seeds, pairs of the uncertainty or what varies from run to run, is no departure, whatever is chosen."""

PRETRAINED_ONLY = ("start", "freeze", "epochs")
"""Settings that do not touch a network trained from random initialisation."""


@dataclass(frozen=True)
class Departures:
    """In what a study departs from the paper.

    Attributes
    ----------
    cohort : str
        Which patients it has, if others than the paper's.
    synthetic : bool
        Whether they are phantoms.
    settings : mapping of str to str
        Setting of the profile: what is otherwise, in words.
    """

    cohort: str = ""
    synthetic: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    def of(self, scratch: bool = False) -> tuple[str, ...]:
        """Return every departure in words, or those that touch a network trained from random initialisation."""
        return (*([self.cohort] if self.cohort else []), *self.settings_of(scratch))

    def settings_of(self, scratch: bool = False) -> tuple[str, ...]:
        """Return the settings that depart in words, or those that touch a network from random initialisation."""
        return tuple(text for name, text in self.settings.items() if not (scratch and name in PRETRAINED_ONLY))


def departures(profile: Profile, release: str, patients: Mapping[str, int], synthetic: bool) -> Departures:
    """Return every departure of a study from the paper's protocol.

    Parameters
    ----------
    profile : Profile
    release : str
        Of BraTS, such as 2019.
    patients : mapping of str to int
        Patients of each class of which slices were cut.
    synthetic : bool
        Whether they are phantoms.
    """
    papers = PROFILES["paper"]
    settings = {
        name: f"{words}: {shown(getattr(profile, name))}, the paper's {shown(getattr(papers, name))}"
        for name, words in STATED.items()
        if getattr(profile, name) != getattr(papers, name)
    }
    counts = " + ".join(f"{count} {name}" for name, count in sorted(patients.items()))
    cohort = ""
    if synthetic:
        cohort = f"cohort: synthetic, {counts} patients"
    elif release != RELEASE:
        cohort = f"cohort: {'of an unknown release' if release == 'unknown' else f'BraTS {release}'}, {counts} patients"
    elif dict(patients) != PATIENTS:
        papers_counts = " + ".join(f"{count} {name}" for name, count in PATIENTS.items())
        cohort = f"cohort: {counts} patients of BraTS {release}, the paper's {papers_counts}"
    return Departures(cohort, synthetic, settings)


def shown(value: object) -> str:
    """Return a setting's value as a reader writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
