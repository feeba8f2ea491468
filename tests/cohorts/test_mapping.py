"""The mapping of names of a release: what is read of it, and who is the same patient."""

from pathlib import Path

import pandas as pd
import pytest
from conftest import write_case

from brats_al_utils import InputError
from brats_al_utils.cohorts.mapping import identities, read_mapping, rows_of
from brats_al_utils.cohorts.readers import read_cohort

MAPPINGS = {
    "as released": "Grade,BraTS_2020_subject_ID\nHGG,BraTS20_Training_001\nLGG,BraTS20_Training_002\n",
    "small letters": "Grade,BraTS_2020_subject_ID\nhgg,BraTS20_Training_001\nLgg,BraTS20_Training_002\n",
    "spaces": "Grade , BraTS_2020_subject_ID\n HGG , BraTS20_Training_001\nLGG\t,BraTS20_Training_002 \n",
    "capitals": "grade,BraTS_2020_subject_ID\r\nHGG,BRATS20_TRAINING_001\r\n\r\nLGG,brats20_training_002\r\n",
    "byte order mark": "\ufeffGrade,BraTS_2020_subject_ID\nHGG,BraTS20_Training_001\nLGG,BraTS20_Training_002",
    "other columns": "Age,Grade,BraTS_2020_subject_ID\n,HGG,BraTS20_Training_001\n9,LGG,BraTS20_Training_002\n",
}


@pytest.mark.parametrize("text", MAPPINGS.values(), ids=MAPPINGS)
def test_grades_of_a_mapping(tmp_path: Path, text: str) -> None:
    for number in (1, 2):
        write_case(tmp_path / f"BraTS20_Training_00{number}", number)
    (tmp_path / "name_mapping.csv").write_text(text, encoding="utf-8", newline="")
    cohort = read_cohort(tmp_path)
    assert not cohort.problems
    assert cohort.absent == ()
    assert cohort.cases["class_name"].tolist() == ["HGG", "LGG"]


def test_a_grade_that_is_none_leaves_the_folder_s(tiny_cohort: Path) -> None:
    (tiny_cohort / "name_mapping.csv").write_text("Grade,BraTS_2018_subject_ID\nNA,Brats18_SITE0_0_1", encoding="utf-8")
    assert not read_cohort(tiny_cohort).problems


def test_one_patient_of_two_grades_is_one_problem(tmp_path: Path) -> None:
    """The others are read."""
    for number in (1, 2):
        write_case(tmp_path / f"BraTS20_Training_00{number}", number)
    first, second = (f"BraTS20_Training_00{number}" for number in (1, 2))
    rows = f"Grade,BraTS_2020_subject_ID\nHGG,{first}\nLGG,{first}\nLGG,{second}\n"
    (tmp_path / "name_mapping.csv").write_text(rows, encoding="utf-8")
    cohort = read_cohort(tmp_path)
    assert cohort.cases["patient_id"].tolist() == [second]
    ((problem,),) = cohort.problems.values()
    assert problem.startswith(f"{tmp_path}/{first}: HGG and LGG in name_mapping.csv, expected one grade")


def test_a_table_that_is_no_mapping(tmp_path: Path) -> None:
    path = tmp_path / "name_mapping.csv"
    for text in ("a,b\n1,2\n", ""):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="expected Grade and BraTS_<year>_subject_ID"):
            read_mapping(path)


def test_who_is_the_same_patient() -> None:
    nobody = rows_of(None, "x")
    assert identities("Brats17_TCIA_425_1", nobody) == identities("BraTS19_TCIA01_425_2", nobody) == {"tcia_425"}
    assert identities("Brats18_2013_2_1", nobody) == {"2013_2"}
    assert identities("BraTS20_Training_001", nobody) == {"brats20_training_001"}
    assert identities("somebody_007", nobody) == {"somebody_007"}
    row = pd.DataFrame({"Grade": ["HGG"], "BraTS_2019_subject_ID": ["BraTS19_CBICA_A_1"], "BraTS_2020_subject_ID": "b"})
    assert identities("b", row) == {"b", "cbica_a"}


def test_the_mapping_of_2019_has_335_patients(real_cases: Path) -> None:
    """No two patients of it are taken for one, and each has one identity by site and number in every release."""
    path = real_cases / "name_mapping_brats2019.csv"
    if not path.exists():
        pytest.skip("no mapping beside the real cases")
    mapping = read_mapping(path)
    assert mapping is not None
    seen: dict[str, int] = {}
    for number, (_, row) in enumerate(mapping.iterrows()):
        names = {name for name in row.filter(regex="^BraTS_") if name != "NA"}
        (key,) = set().union(*(identities(name, mapping.iloc[:0]) for name in names))
        assert seen.setdefault(key, number) == number
    assert len(seen) == 335
