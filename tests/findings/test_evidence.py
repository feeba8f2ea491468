"""What is known of a committee before it is trained."""

import pytest

from brats_al_utils import InputError
from brats_al_utils.beyond.cost import counted_study
from brats_al_utils.study.profile import PROFILES
from brats_al_utils.study.stages import committee_pool


def test_a_committee_that_is_not_trained_has_no_uncertainty() -> None:
    with pytest.raises(InputError, match="not trained yet"):
        committee_pool(counted_study(PROFILES["smoke"]), "imbalanced", 0)
