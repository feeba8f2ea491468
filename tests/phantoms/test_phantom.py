"""The synthetic cohort: what is on disk, what is drawn, and the physics behind the brightness."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brats_al_utils.beyond.phantoms import phantom, scanner, writing
from brats_al_utils.beyond.phantoms.phantom import Patient
from brats_al_utils.cohorts.brats import read_release
from brats_al_utils.cohorts.cohort import TRUTH_FILE
from brats_al_utils.cohorts.layout import GRADES
from brats_al_utils.cohorts.slices import SliceRule
from brats_al_utils.cohorts.split import split_patients
from brats_al_utils.cohorts.volumes import SEQUENCES

FILES = {"t1", "t1ce", "t2", "flair", "seg"}


def first(count: int) -> Callable[[Iterable[Patient]], Iterable[Patient]]:
    """Return a progress that ends after the first patients, to save time."""
    return lambda patients: islice(patients, count)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohorts") / "five"
    writing.write_cohort(folder, patients=10, seed=3, spacing=2, track=first(5))
    return folder


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the rendering of a patient, where only files and folders matter."""
    labels = np.zeros((4, 4, 4), np.uint8)

    def render(patient: phantom.Patient, spacing: int) -> phantom.Rendered:
        return dict.fromkeys(SEQUENCES, np.full(labels.shape, patient.index % 2**15, np.int16)), labels

    monkeypatch.setattr(phantom, "render", render)


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nib.Nifti1Image.from_filename(path).dataobj)


def cases(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.rglob("*_seg.nii.gz"))


def test_of_335_patients_259_are_hgg_and_ten_hold_three_of_each() -> None:
    grades = [phantom.grade_of(index) for index in range(335)]
    assert (grades.count("HGG"), grades.count("LGG")) == (259, 76)
    assert grades[: writing.MIN_PATIENTS].count("LGG") == 3
    assert grades[: writing.MIN_PATIENTS - 1].count("LGG") < 3


@pytest.mark.parametrize("indices", [range(335), phantom.indices_of_test(400)], ids=["cohort", "test cohort"])
def test_atypical_patients_have_the_share_that_the_constants_state(indices: Sequence[int]) -> None:
    drawn = [phantom.draw_patient(5, index) for index in indices]
    for grade, share in phantom.ATYPICAL.items():
        atypical = [patient.atypical for patient in drawn if patient.grade == grade]
        assert abs(sum(atypical) - share * len(atypical)) < 1


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 99), st.integers(10, 335))
def test_sites_are_dealt_evenly_within_a_grade(seed: int, patients: int) -> None:
    drawn = [(phantom.grade_of(index), phantom._site_of(seed, index)) for index in range(patients)]
    for grade in ("HGG", "LGG"):
        counts = [drawn.count((grade, site)) for site in scanner.SITES]
        assert max(counts) - min(counts) <= 1


def test_a_site_s_patients_are_no_more_atypical_than_another_s() -> None:
    drawn = [phantom.draw_patient(seed, index) for seed in range(3) for index in range(335)]
    for site in scanner.SITES:
        here = [patient.atypical for patient in drawn if patient.site == site]
        assert abs(np.mean(here) - np.mean([patient.atypical for patient in drawn])) < 0.04


@settings(max_examples=6)
@given(st.integers(0, 99), st.integers(10, 335))
def test_each_part_has_the_sites_of_a_class_in_equal_numbers(seed: int, patients: int) -> None:
    rows = [(f"{k:03}", phantom.grade_of(k), phantom._site_of(seed, k)) for k in range(patients)]
    cases = pd.DataFrame(rows, columns=["patient_id", "class_name", "site"])
    split = split_patients(cases, GRADES, seed, "site").merge(cases)
    for (_, _), group in split.groupby(["part", "stratum"]):
        counts = group["site"].value_counts().reindex(list(scanner.SITES), fill_value=0)
        # The last round of the deal may lack a site, and a part may begin or end within a round.
        assert counts.max() - counts.min() <= 2
    plain = split_patients(cases, GRADES, seed)
    assert plain.groupby(["part", "stratum"]).size().equals(split.groupby(["part", "stratum"]).size())


def test_sizes_and_heights_overlap_between_the_grades() -> None:
    drawn = pd.DataFrame([phantom.draw_patient(0, index) for index in range(335)])
    means = drawn.assign(height=drawn["seat"].str[2]).groupby("grade")[["size", "noise", "height"]].mean()
    assert (means.diff().iloc[1].abs() < [1.5, 0.003, 6]).all()


def test_every_patient_reaches_over_enough_slices() -> None:
    """The core alone, before its edge is made ragged, spans more slices than the study draws from a patient."""
    drawn = [phantom.draw_patient(0, index) for index in range(335)]
    assert all(2 * patient.reach * patient.core > {"HGG": 20, "LGG": 30}[patient.grade] for patient in drawn)


def test_a_patient_is_the_same_byte_for_byte_in_a_larger_cohort(cohort: Path, tmp_path: Path) -> None:
    larger = tmp_path / "twelve"
    writing.write_cohort(larger, patients=12, seed=3, spacing=2, track=first(2))
    files = list(larger.rglob("*.nii.gz"))
    assert len(files) == 10
    for path in files:
        assert path.read_bytes() == (cohort / path.relative_to(larger)).read_bytes()
    short, long = ((folder / TRUTH_FILE).read_text(encoding="utf-8") for folder in (larger, cohort))
    assert long.startswith(short) and short.count("\n") == 3


@pytest.mark.parametrize("patients", [2, 8, 120, 1000])
def test_a_test_cohort_has_both_grades_and_the_sites_of_each_in_equal_numbers(patients: int) -> None:
    indices = phantom.indices_of_test(patients)
    assert len(set(indices)) == patients
    assert min(indices) >= phantom.FIRST_OF_TEST
    for grade in ("HGG", "LGG"):
        sites = [phantom._site_of(7, index) for index in indices if phantom.grade_of(index) == grade]
        assert len(sites) == patients // 2
        counts = [sites.count(site) for site in scanner.SITES]
        assert max(counts) - min(counts) <= 1
    assert phantom.indices_of_test(patients + 2)[: patients // 2] == indices[: patients // 2]


@pytest.mark.usefixtures("blank")
def test_a_test_cohort_is_written_beside_the_patients_and_read_as_the_test_set(tmp_path: Path) -> None:
    writing.write_cohort(tmp_path / "with", 12, seed=4, spacing=2, test_patients=8)
    writing.write_cohort(tmp_path / "without", 12, seed=4, spacing=2)
    common = {path.relative_to(tmp_path / "without") for path in (tmp_path / "without").rglob("*.nii.gz")}
    assert all((tmp_path / "with" / path).read_bytes() == (tmp_path / "without" / path).read_bytes() for path in common)
    assert "part" not in pd.read_csv(tmp_path / "without" / TRUTH_FILE)
    assert "part" not in read_release(tmp_path / "without").cases
    cohort = read_release(tmp_path / "with")
    assert not cohort.problems
    assert cohort.cases["part"].value_counts().to_dict() == {"": 12, "test": 8}
    tested = cohort.cases[cohort.cases["part"] == "test"]
    assert tested["class_name"].value_counts().to_dict() == {"HGG": 4, "LGG": 4}
    assert tested.groupby(["class_name", "site"]).size().tolist() == [1] * 8
    split = split_patients(cohort.cases, GRADES, 0, "site")
    assert set(split.loc[split["part"] == "test", "patient_id"]) == set(tested["patient_id"])
    # A patient of the test cohort gives as many slices in either set.
    asked = cohort.asked(SliceRule(per_patient=6, test_slices=3, balanced=True))
    assert set(asked[tested.index]) == {3}
    assert set(asked.drop(tested.index)) == {3, 9}


NO_TRUTH = [
    ("patient_id,part\nx,validation\n", "part 'validation', expected test or nothing"),
    ('patient_id,part\n"x', "cannot be read as CSV"),
    ("patient_id,part\n" + "x" * 2**24, "larger than"),
]


@pytest.mark.parametrize(("text", "message"), NO_TRUTH)
@pytest.mark.usefixtures("blank")
def test_a_truth_table_that_gives_no_parts_is_refused(tmp_path: Path, text: str, message: str) -> None:
    writing.write_cohort(tmp_path / "cohort", 10, seed=4, spacing=2)
    (tmp_path / "cohort" / TRUTH_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_release(tmp_path / "cohort")


def test_seeds_differ() -> None:
    assert phantom.draw_patient(0, 3) != phantom.draw_patient(1, 3)


def test_files_of_a_release_are_complete(cohort: Path) -> None:
    found = cases(cohort)
    assert len(found) == 5
    types = set()
    for folder in found:
        assert {path.name.removesuffix(".nii.gz").rpartition("_")[2] for path in folder.iterdir()} == FILES
        images = {s: nib.Nifti1Image.from_filename(folder / f"{folder.name}_{s}.nii.gz") for s in FILES}
        types.add(images["seg"].get_data_dtype())
        for sequence, image in images.items():
            assert image.shape == (120, 120, 155)
            assert image.affine.tolist() == [[-2, 0, 0, -0.5], [0, -2, 0, 238.5], [0, 0, 1, 0], [0, 0, 0, 1]]
            assert sequence == "seg" or image.get_data_dtype() == np.int16
    assert types == {np.dtype(np.uint8), np.dtype(np.int16)}


def test_labels_lie_in_the_brain_and_the_background_is_zero(cohort: Path) -> None:
    counted = pd.read_csv(cohort / TRUTH_FILE).set_index("patient_id")["tumour_slices"].to_dict()
    for folder in cases(cohort):
        seg, *volumes = (voxels(folder / f"{folder.name}_{s}.nii.gz") for s in ("seg", *SEQUENCES))
        brain = volumes[0] > 0
        assert 0.9e6 < 4 * brain.sum() < 1.8e6  # mm3
        assert all(np.array_equal(volume > 0, brain) for volume in volumes)
        assert set(np.unique(seg)) <= {0, 1, 2, 4}
        assert not seg[~brain].any()
        slices = int(seg.any(axis=(0, 1)).sum())
        assert slices == counted[folder.name] >= (30 if folder.parent.name == "LGG" else 20)


def test_tissues_are_ordered_as_in_each_sequence(cohort: Path) -> None:
    """Fluid is dark in T1 and FLAIR and bright in T2; a tumour is bright in T2 and FLAIR."""
    for folder in cases(cohort)[:4]:
        seg, t1, t2, flair = (
            voxels(folder / f"{folder.name}_{s}.nii.gz").astype(float) for s in ("seg", "t1", "t2", "flair")
        )
        healthy = (t1 > 0) & (seg == 0)
        fluid = healthy & (t2 > np.percentile(t2[healthy], 99))
        assert np.median(t1[fluid]) < 0.75 * np.median(t1[healthy])
        assert np.median(flair[fluid]) < 0.75 * np.median(flair[healthy])
        for volume in (t2, flair):
            assert np.median(volume[seg == 2]) > 1.1 * np.median(volume[healthy])


@pytest.mark.parametrize("index", [2, 6])
def test_living_tumour_without_contrast_is_dark_in_t1_and_bright_in_t2(index: int) -> None:
    """Its T1 and T2 are longer than those of healthy tissue, so it may not be taken for enhancing before contrast."""
    patient = replace(phantom.draw_patient(3, index), necrosis=0.0, gadolinium=0.0)
    volumes, labels = phantom.render(patient, 2)
    healthy = (volumes["t1"] > 0) & (labels == 0)
    assert np.median(volumes["t1"][labels == 1]) < 0.9 * np.median(volumes["t1"][healthy])
    assert np.median(volumes["t2"][labels == 1]) > 1.1 * np.median(volumes["t2"][healthy])


def test_one_millimetre_has_the_shape_and_place_of_brats_and_the_anatomy_of_two() -> None:
    patient = phantom.draw_patient(0, 1)
    fine, coarse = phantom.render(patient, 1)[1], phantom.render(patient, 2)[1]
    assert fine.shape == (240, 240, 155)
    merged = fine.reshape(120, 2, 120, 2, 155).max(axis=(1, 3)) > 0
    assert np.mean(merged[coarse > 0]) > 0.95
    assert np.sum(fine > 0) == pytest.approx(4 * np.sum(coarse > 0), rel=0.03)


@pytest.mark.usefixtures("blank")
@pytest.mark.parametrize(("layout", "name"), [("2018", "Brats18_SYN"), ("2019", "BraTS19_SYN"), ("2020", "BraTS20_T")])
def test_layouts(tmp_path: Path, layout: str, name: str) -> None:
    """Its reader finds every patient's class, site and files; of 2020, without folders of grades, by the mapping."""
    root = tmp_path / "cohort"
    writing.write_cohort(root, 10, seed=0, layout=layout)
    mapping = pd.read_csv(root / "name_mapping.csv", keep_default_na=False)
    names = [f"BraTS_{year}_subject_ID" for year in ("2017", "2018", "2019", "2020")[: 3 + (layout == "2020")]]
    assert list(mapping) == ["Grade", *names[:2], "TCGA_TCIA_subject_ID", *names[2:]]
    assert mapping["BraTS_2019_subject_ID"].str.contains("_SYN").all() and mapping[names[0]].eq("NA").all()
    assert {path.parents[1] == root for path in root.rglob("*_seg.nii.gz")} == {layout == "2020"}
    cohort = read_release(root)
    assert not cohort.problems and cohort.cases["release"].eq(layout).all()
    assert cohort.cases["patient_id"].str.startswith(name).all()
    assert cohort.cases["class_name"].value_counts().to_dict() == {"HGG": 7, "LGG": 3}
    assert set(cohort.cases["site"]) == {f"SYN{number}" for number in range(1, 5)}
    assert set(pd.read_csv(root / TRUTH_FILE)["patient_id"]) == set(cohort.cases["patient_id"])


def test_truth_table_holds_every_drawn_number(cohort: Path) -> None:
    truth = pd.read_csv(cohort / TRUTH_FILE)
    assert len(truth) == 5
    assert not truth.isna().any(axis=None)
    patient = phantom.draw_patient(3, 4)
    row = truth.iloc[4]
    assert row["grade"] == patient.grade == "LGG"
    assert bool(row["atypical"]) == patient.atypical
    assert row["seat_z"] == pytest.approx(patient.seat[2])
    assert row["gain_flair"] == pytest.approx(patient.gain[3])
    assert {"site", "seed", "spacing", "reach", "core", "gadolinium", "ventricles_right"} <= set(truth)


def test_the_scanner_s_equations_by_hand() -> None:
    # TR = T1 and TE = 0: 63.2 % of the density has recovered; TE = T2 leaves 36.8 % of it.
    assert scanner.spin_echo(1.0, 700.0, 90.0, 700.0, 0.0) == pytest.approx(0.632121, abs=1e-6)
    assert scanner.spin_echo(0.8, 700.0, 90.0, 1e9, 90.0) == pytest.approx(0.8 * 0.367879, abs=1e-6)
    # A tissue is dark when inverted for T1 ln 2 (TR long), and at full, inverted strength at once.
    assert scanner.inversion_recovery(1.0, 4000.0, 1800.0, 1e9, 0.0, 4000 * math.log(2)) == pytest.approx(0, abs=1e-9)
    assert scanner.inversion_recovery(0.7, 678.0, 87.0, 1e9, 0.0, 0.0) == pytest.approx(0.7)
    # Gadolinium shortens T1.
    assert [scanner.relaxed(1000.0, dose) for dose in (0.0, 1.0)] == pytest.approx([1000, 1 / 0.0053])


WRONG = [
    ({"patients": 9}, "patients is 9, expected 10"),
    ({"patients": 134_001}, "patients is 134001.*to 134000"),
    ({"layout": "2016"}, "layout is '2016'.*2018, 2019, 2020"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_wrong_arguments_are_refused(tmp_path: Path, wrong: dict[str, int | str], message: str) -> None:
    arguments = {"patients": 10, "seed": 0} | wrong
    with pytest.raises(ValueError, match=message):
        writing.write_cohort(tmp_path / "cohort", **arguments)  # type: ignore[arg-type]
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("blank")
def test_what_is_in_a_folder_is_kept_and_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(patients: Iterable[Patient]) -> Iterator[Patient]:
        yield from islice(patients, 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writing.write_cohort(tmp_path / "cohort", 10, seed=0, track=interrupted)
    assert not any(tmp_path.iterdir())
    writing.write_cohort(tmp_path, 10, seed=0)
    assert len(cases(tmp_path)) == 10
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="not empty"):
        writing.write_cohort(tmp_path, 12, seed=0)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_drawn_and_rendered_is_that_of_this_version() -> None:
    """If this fails you have changed the phantoms: raise `VERSION`, so that no study goes on with old patients."""
    assert phantom.VERSION == 1
    volumes, labels = phantom.render(phantom.draw_patient(0, 0), 2)
    means = {sequence: float(volume[volume > 0].mean()) for sequence, volume in volumes.items()}
    expected = {"t1": 1559.516, "t1ce": 821.129, "t2": 1438.77, "flair": 1112.808}
    assert means == pytest.approx(expected, rel=1e-4)
    assert np.bincount(labels.ravel())[[1, 2, 4]] == pytest.approx([25899, 10881, 23], rel=0.01)
