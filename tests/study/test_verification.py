"""What a run of a bundle and its repetition have in common."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from brats_al_utils.beyond.bundles.verification import VERDICTS, repeated
from brats_al_utils.runs.run import Result
from brats_al_utils.runs.store import checksum


@pytest.mark.parametrize(("test", "parts"), [((), ["validation"]), ((4, 5), ["validation", "test"])])
@pytest.mark.parametrize(("moved", "verdict"), [(0.0, 0), (1e-4, 1), (0.1, 2)])
def test_runs_without_test_are_compared(test: tuple[int, ...], parts: list[str], moved: float, verdict: int) -> None:
    ids = {"validation": np.arange(4), "test": np.array(test, np.int64)}
    run: Any = SimpleNamespace(key="k", data="f", test=test, ids=ids.__getitem__)
    arrays = {"probability/validation": np.array([0.1, 0.9, 0.8, 0.7]), "probability/test": np.array([0.2, 0.6])}
    arrays["probability/test"] = arrays["probability/test"][: len(test)]
    again = arrays | {"probability/validation": arrays["probability/validation"] + moved}
    there, here = (
        {"device": "a GPU", "torch": "2.11", "numpy": "2.4"},
        {"device": "cpu", "torch": "2.14", "numpy": "2.4"},
    )
    stored = Result(run, arrays, 1, 0.0, there | {"sha256": checksum(arrays, {})})
    slices = SimpleNamespace(fingerprint="f", table=pd.DataFrame({"label": [0, 1, 0, 1, 0, 1]}))
    study: Any = SimpleNamespace(opened={"imbalanced": slices}, store=SimpleNamespace(load=lambda _: stored))
    found = repeated(study, "a network", run, Result(run, again, 1, 0.0, here), (0, 0))
    assert found.others == {"device": ("a GPU", "cpu"), "torch": ("2.11", "2.14")}
    assert list(found.aucs) == parts
    assert found.aucs["validation"] == (0.75, 0.75)
    assert found.verdict == VERDICTS[verdict]
    assert found.largest == pytest.approx(moved)
