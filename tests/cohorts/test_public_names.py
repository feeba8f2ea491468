"""Which names are public, and what of a manifest is not."""

import csv
from pathlib import Path

import pytest

from brats_al_utils.beyond.bundles.published import public_names, without_reasons

PUBLIC = ["Brats18_CBICA_AAP_1", "BraTS19_TCIA10_449_1", "Brats17_2013_10_1", "BraTS20_Training_001"]
PUBLIC += [
    "BraTS19_TMC_06643_1",
    "BraTS2021_00000",
    "BraTS-GLI-00000-000",
    "TCGA_CS_4941_19960909",
    "Brats18_SYN1_0007_1",
]


@pytest.mark.parametrize("own", ["Meier_Hans", "Brats18_SITE0_4711308_1", "1", "Brats18_CBICA_AAP_1_Meier", "MR0471_1"])
def test_only_names_that_a_release_gave_are_public(own: str) -> None:
    assert public_names(PUBLIC)
    assert not public_names([*PUBLIC, own])


def test_every_name_of_the_real_mapping_is_public(real_cases: Path) -> None:
    with (real_cases / "name_mapping_brats2019.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [value for row in rows for column, value in row.items() if "BraTS" in column and value not in ("", "NA")]
    assert len(names) > 800 and public_names(names)


def test_reasons_that_name_files_do_not_leave_the_machine() -> None:
    manifest = {"name": "clinic", "left_out": {"a": ["/home/me/scans/a_t1.nii.gz: cannot be read"], "b": []}}
    assert without_reasons(manifest) == {"name": "clinic", "left_out": {"a": [], "b": []}}
