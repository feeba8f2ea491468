"""What a run of a bundle and its repetition have in common."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from brats_al_utils.beyond.bundles.verification import VERDICTS, repeated
from brats_al_utils.runs.run import Result
from brats_al_utils.runs.store import checksum


@dataclass(frozen=True)
class MadeUpRun:
    """A run of six slices to validate and of none, or two, to test."""

    test: tuple[int, ...] = ()
    key: str = "k"
    data: str = "f"

    def ids(self, part: str) -> np.ndarray[Any, Any]:
        return np.array({"validation": [0, 1, 2, 3], "test": self.test}[part], np.int64)


@dataclass(frozen=True)
class Slices:
    fingerprint: str = "f"
    table: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"label": [0, 1, 0, 1, 0, 1]}))


@dataclass(frozen=True)
class MadeUpStudy:
    result: Result
    opened: dict[str, Slices] = field(default_factory=lambda: {"imbalanced": Slices()})

    @property
    def store(self) -> "MadeUpStudy":
        return self

    def load(self, run: object) -> Result:
        return self.result


@pytest.mark.parametrize(("test", "parts"), [((), ["validation"]), ((4, 5), ["validation", "test"])])
@pytest.mark.parametrize(("moved", "verdict"), [(0.0, 0), (1e-4, 1), (0.1, 2)])
def test_a_run_without_test_slices_is_compared_too(
    test: tuple[int, ...], parts: list[str], moved: float, verdict: int
) -> None:
    run: Any = MadeUpRun(test)
    arrays = {"probability/validation": np.array([0.1, 0.9, 0.8, 0.7]), "probability/test": np.array([0.2, 0.6])}
    arrays["probability/test"] = arrays["probability/test"][: len(test)]
    again = arrays | {"probability/validation": arrays["probability/validation"] + moved}
    there, here = (
        {"device": "a GPU", "torch": "2.11", "numpy": "2.4"},
        {"device": "cpu", "torch": "2.14", "numpy": "2.4"},
    )
    study: Any = MadeUpStudy(Result(run, arrays, 1, 0.0, there | {"sha256": checksum(arrays, {})}))
    found = repeated(study, "a network", run, Result(run, again, 1, 0.0, here), (0, 0))
    assert found.others == {"device": ("a GPU", "cpu"), "torch": ("2.11", "2.14")}
    assert list(found.aucs) == parts
    assert found.aucs["validation"] == (0.75, 0.75)
    assert found.verdict == VERDICTS[verdict]
    assert found.largest == pytest.approx(moved)
