"""The sites of a BraTS release, from its mapping of names.

``python tools/brats2019_sites.py name_mapping.csv FOLDER`` writes ``brats2019_sites.csv`` there.
It holds only counts, and `findings.sites` reads it.
"""

import re
import sys
from pathlib import Path

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.tcia import hospital
from brats_al_utils.cohorts.mapping import CASE_ID, read_mapping
from brats_al_utils.files import write_file
from brats_al_utils.findings.sites import site_table


def of_release(mapping: pd.DataFrame, year: int = 2019) -> pd.DataFrame:
    """Return the patients of a BraTS release: patient_id, label (HGG 1, LGG 0), site (in the name), hospital.

    Parameters
    ----------
    mapping : pd.DataFrame
        From `mapping.read_mapping`.

    Raises
    ------
    InputError
        If a name holds no site.
    """
    rows = []
    for row in mapping.to_dict("records"):
        name = row[f"BraTS_{year}_subject_ID"]
        parts = CASE_ID.fullmatch(name)
        if not parts:
            raise InputError(f"{name!r} in the mapping of BraTS {year}, expected BraTS19_SITE_PATIENT_1")
        code = re.fullmatch(r"TCGA-(\w\w)-.*", row["TCGA_TCIA_subject_ID"])
        rows.append((name, int(row["Grade"] == "HGG"), parts["site"], hospital(code[1]) if code else parts["site"]))
    return pd.DataFrame(rows, columns=["patient_id", "label", "site", "hospital"])


def release_counts(patients: pd.DataFrame) -> pd.DataFrame:
    """Return the patients of a release by site and by hospital (see `site_table`): by, site, HGG, LGG."""
    frames = [
        site_table(patients.assign(site=patients[by]))
        .rename(columns={"positive_patients": "HGG", "negative_patients": "LGG"})[["site", "HGG", "LGG"]]
        .assign(by=by)
        for by in ("site", "hospital")
    ]
    return pd.concat(frames, ignore_index=True)[["by", "site", "HGG", "LGG"]]


def main(mapping: str, folder: str) -> None:
    """Write the counts of BraTS 2019 into a folder."""
    found = read_mapping(Path(mapping))
    if found is None:
        raise InputError(f"{mapping}: not found, expected the release's name_mapping.csv")
    text = release_counts(of_release(found)).to_csv(index=False, lineterminator="\n")
    write_file(Path(folder) / "brats2019_sites.csv", text.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
