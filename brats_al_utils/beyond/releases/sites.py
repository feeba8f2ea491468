"""Where TCGA's patients were treated: the hospital behind the code in a patient's id."""

import pandas as pd

HOSPITALS = {
    "02": "MD Anderson",
    "06": "Henry Ford Hospital",
    "08": "UCSF",
    "12": "Duke",
    "14": "Emory",
    "19": "Case Western",
    "76": "Thomas Jefferson University",
    "CS": "Thomas Jefferson University",
    "DU": "Henry Ford Hospital",
    "EZ": "University of North Carolina",
    "FG": "Case Western",
    "HT": "Case Western",
}
"""By TCGA's public code of the tissue source site; several codes are one hospital (HT is Case Western's St Joes)."""


def hospital(code: str) -> str:
    """Return the hospital of a code, or the code where it is not known."""
    return HOSPITALS.get(code, code)


def of_hospitals(cases: pd.DataFrame) -> list[str]:
    """Return a note on which hospital is behind each site of some cases (columns site and patient_id)."""
    known = cases.groupby("site")["patient_id"].nunique()
    told = ", ".join(f"{code} {hospital(str(code))} ({count})" for code, count in known.items())
    return [f"sites are the hospitals' codes in the ids: {told}"] if told else []
