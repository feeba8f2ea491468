"""The register of every image that an annotation has seen, with its patient and hash, so that changes are noticed.

An image's name is the path that it had first. An image that has moved is recognised by its hash, and keeps its name.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.answers import digest
from brats_al_utils.beyond.releases.table import TABLE
from brats_al_utils.cohorts.cohort import Cohort
from brats_al_utils.cohorts.layout import shown
from brats_al_utils.files import mend_for

COLUMNS = ("image", "patient_id", "image_sha256")


def read_register(path: Path) -> pd.DataFrame:
    """Return the register: ``COLUMNS``, all as text, with ``image`` as the index; empty without a file.

    Raises
    ------
    InputError
        If the file holds something else.
    """
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS), dtype=str).set_index("image")
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, usecols=list(COLUMNS)).set_index("image")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}): {mend_for(error, 'take it from a copy, or delete it')}"
        ) from error


def register(path: Path, cohort: Cohort, anew: bool) -> tuple[dict[str, str], pd.DataFrame, bytes]:
    """Return the register with new images added; the caller writes it.

    Parameters
    ----------
    anew : bool
        Discard the former register.

    Returns
    -------
    names : dict of str to str
        The name of each image in the table: the path that it had first.
    before : pd.DataFrame
        The former register: see `read_register`.
    registered : bytes
        The file with the new images; empty if there are none.

    Raises
    ------
    InputError
        If an image belongs to another person than before: a held-out person's images could then be trained on. If an
        image has the former path of another.
    """
    before = read_register(path).iloc[: 0 if anew else None]
    table = cohort.cases.drop_duplicates("named").set_index("named")
    hashes = {name: digest(Path(str(table.at[name, "image"]))) for name in table.index if name not in before.index}
    first = dict(zip(before["image_sha256"], map(str, before.index), strict=True))
    for name, found in hashes.items():
        if (path_before := first.get(found, "")) in table.index:  # a copy of an image is refused before
            raise InputError(
                f"{cohort.root / TABLE}: {shown(path_before)} was moved to {shown(name)}, and another image has its "
                "former path, by which its answers are known: move that one elsewhere"
            )
    names = {name: first.get(hashes.get(name, ""), name) for name in table.index}
    check_persons(cohort, table["patient_id"], names, before)
    new = [name for name in hashes if names[name] == name]
    rows = table.loc[new, ["patient_id"]].assign(image_sha256=[hashes[name] for name in new])
    every = pd.concat([before, rows.rename_axis("image")])
    return names, before, every.to_csv(lineterminator="\n").encode() if new or anew else b""


def check_persons(cohort: Cohort, person: pd.Series, names: Mapping[str, str], before: pd.DataFrame) -> None:
    """Raise an `InputError` if an image belongs to another person than before."""
    was = {name: str(before.at[first, "patient_id"]) for name, first in names.items() if first in before.index}
    if changed := [name for name, whose in was.items() if whose != person[name]]:
        name = changed[0]
        raise InputError(
            f"{cohort.root / TABLE}: patient_id of {len(changed)} images changed since the annotation began (the "
            f"first: {shown(name)}, {shown(was[name])} before, {shown(str(person[name]))} now), so it cannot be told "
            "who is held out for validation and test: put the former ids back; or begin anew in another folder with "
            "--out, and copy answers.jsonl there to keep the answers"
        )
