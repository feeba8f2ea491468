"""The figure of what the shortcut audit shows a network."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from brats_al_utils.cohorts.brats import read_cohort
from brats_al_utils.cohorts.cutting import prepare
from brats_al_utils.cohorts.hiding import tumour_alone, without_tumour
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.findings.shortcut import SHOWN
from brats_al_utils.show import audit_figures
from brats_al_utils.show.style import save


def test_each_patient_s_largest_tumour_is_shown_as_the_network_is_asked(
    tiny_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = prepare(read_cohort(tiny_cohort), SliceRule(per_patient=4, image_size=64), tmp_path / "set")
    drawn: list[Figure] = []

    def kept(figure: Figure, *rest: Any) -> None:
        drawn.append(figure)
        save(figure, *rest)

    monkeypatch.setattr(audit_figures, "save", kept)
    audit_figures.hidden_tumours(slices, tmp_path / "figures", "cohort", mirrored=True, channel=1, patients=2)
    table = pd.read_csv(tmp_path / "figures" / "hidden_tumours.csv")
    assert table["grade"].tolist() == ["HGG", "HGG", "LGG", "LGG"]
    assert table["patient_id"].nunique() == 4
    assert (tmp_path / "figures" / "hidden_tumours.png").exists()
    axes = drawn[0].axes
    assert [a.get_ylabel() for a in axes if a.get_ylabel()] == list(SHOWN)
    ids = table["slice_id"].to_numpy()
    pixels, mask = slices.pixels[ids], slices.segmentation[ids] > 0
    expected = np.concatenate([pixels, without_tumour(pixels, mask, True), tumour_alone(pixels, mask)])[:, 1]
    np.testing.assert_array_equal([a.images[0].get_array() for a in axes], expected)
