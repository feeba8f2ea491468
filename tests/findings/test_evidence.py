"""What is known of a committee before it is trained."""

import pytest

from brats_al_utils import InputError
from brats_al_utils.findings.evidence import committee_uncertainty
from brats_al_utils.study.plan import planned
from brats_al_utils.study.profile import PROFILES


def test_a_committee_that_is_not_trained_has_no_uncertainty() -> None:
    with pytest.raises(InputError, match="not trained yet: call train with the arms first"):
        committee_uncertainty(planned(PROFILES["smoke"]), "imbalanced", 0)
