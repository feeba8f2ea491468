"""Outliers are planted where they are asked for, as many as asked for, and nothing else changes."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import small_render
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.cohorts.cohort import TRUTH_FILE, Cohort
from brats_al_utils.cohorts.cutting import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule, SliceSet, open_slices
from brats_al_utils.phantoms import outliers, phantom
from brats_al_utils.phantoms.outliers import (
    KINDS,
    atypical_patients,
    corrupt,
    cut_patient,
    ghosts,
    noise,
    plant,
    stripes,
)
from brats_al_utils.phantoms.phantom import Patient, draw_patient, write_cohort

RULE = SliceRule(per_patient=4, image_size=64)
PATIENTS = 40  # 24 of them in training: 18 HGG and 6 LGG
UNTOUCHED = ["patient_id", "class_name", "site", "z", "position", "tumour_mm2"]

render = phantom.render


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cohort]:
    folder = tmp_path_factory.mktemp("outliers") / "cohort"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom, "render", small_render)
        patch.setattr(outliers, "render", small_render)
        patch.setattr(phantom, "ATYPICAL", {"HGG": 0.15, "LGG": 0.20})  # so many that some are in training
        write_cohort(folder, PATIENTS, seed=3, spacing=2)
        yield read_cohort(folder)
        cut_patient.cache_clear()  # no other test may find these patients


@pytest.fixture(scope="module")
def source(cohort: Cohort) -> SliceSet:
    return prepare(cohort, RULE, cohort.root.parent / "source")


@pytest.fixture(scope="module")
def planted(cohort: Cohort, source: SliceSet) -> dict[tuple[str, float], SliceSet]:
    doses = [(kind, share) for kind in KINDS for share in (0, 0.05, 0.1)]
    return {dose: plant(cohort, source, *dose, 7, cohort.root.parent / f"{dose}") for dose in doses}


def ids_of(slices: SliceSet) -> set[int]:
    return set(slices.table.index[slices.table["planted"]])


Planted = dict[tuple[str, float], SliceSet]


def test_as_many_as_asked_for_all_in_training_and_nested(planted: Planted) -> None:
    for kind, slices in (("mislabelled", (5, 10)), ("corrupted", (5, 10)), ("atypical", (4, 8))):
        few, many = (planted[kind, share] for share in (0.05, 0.1))
        assert (len(ids_of(few)), len(ids_of(many))) == slices  # of 96 slices, or of 24 patients with 4 slices each
        assert ids_of(few) < ids_of(many) <= set(many.ids("training"))
        assert ids_of(planted[kind, 0]) == set()


def test_validation_and_test_are_untouched(planted: Planted, source: SliceSet) -> None:
    held_out = np.concatenate([source.ids("validation"), source.ids("test")])
    assert len(held_out) == 64
    for slices in planted.values():
        pd.testing.assert_frame_equal(slices.table[UNTOUCHED], source.table[UNTOUCHED])
        pd.testing.assert_series_equal(slices.table["part"], source.table["part"])
        assert slices.table.loc[held_out, "label"].equals(source.table.loc[held_out, "label"])
        np.testing.assert_array_equal(slices.pixels[held_out], source.pixels[held_out])
        np.testing.assert_array_equal(slices.segmentation[held_out], source.segmentation[held_out])


def test_the_parts_of_a_synthetic_cohort_hold_its_sites_in_equal_numbers(source: SliceSet) -> None:
    patients = source.table.drop_duplicates("patient_id")
    for _, group in patients.groupby(["part", "class_name"]):
        counts = group["site"].value_counts().reindex([f"SYN{k}" for k in (1, 2, 3, 4)], fill_value=0)
        assert counts.max() - counts.min() <= 2


def test_without_outliers_every_kind_is_the_same_typical_set(planted: Planted, source: SliceSet) -> None:
    (fingerprint,) = {planted[kind, 0].fingerprint for kind in KINDS}
    others = {slices.fingerprint for (_, share), slices in planted.items() if share}
    assert len({fingerprint, source.fingerprint, *others}) == 2 + 6


def test_training_patients_are_as_the_phantom_draws_them_with_the_flag_asked_for(
    planted: Planted, source: SliceSet, cohort: Cohort
) -> None:
    truth = pd.read_csv(cohort.root / TRUTH_FILE).set_index("patient_id")
    index = dict(zip(truth.index.astype(str), truth["index"].tolist(), strict=True))
    training = source.table.loc[source.ids("training")]
    for share in (0, 0.05, 0.1):
        slices, changed = planted["atypical", share], set()
        for name, rows in training.groupby("patient_id"):
            (flag,) = slices.table.loc[rows.index, "planted"].unique()
            patient = draw_patient(3, index[str(name)], atypical=bool(flag))
            _, pixels, segmentation = cut_patient(patient, 2, "2019", RULE)
            np.testing.assert_array_equal(slices.pixels[rows.index], pixels)
            np.testing.assert_array_equal(slices.segmentation[rows.index], segmentation)
            if not np.array_equal(slices.pixels[rows.index], source.pixels[rows.index]):
                changed.add(name)
        now = set(slices.table.loc[slices.table["planted"], "patient_id"])
        was = set(truth.index[truth["atypical"]]) & set(training["patient_id"])
        assert len(now) == round(share * 24)
        assert len(was) > 2
        assert changed == now ^ was


def test_a_wrong_label_is_the_other_one_beside_the_true_grade(planted: Planted) -> None:
    for (kind, _), slices in planted.items():
        wrong = slices.table["label"] != slices.table["class_name"].map(slices.classes.index)
        assert wrong.equals(slices.table["planted"] & (kind == "mislabelled"))
        assert slices.table["label"].isin([0, 1]).all()
        if kind == "mislabelled":
            np.testing.assert_array_equal(slices.pixels, planted[kind, 0].pixels)


def test_corrupted_slices_alone_are_changed_the_same_at_every_dose(planted: Planted) -> None:
    base, few, many = (planted["corrupted", share] for share in (0, 0.05, 0.1))
    for slices in (few, many):
        assert slices.pixels.dtype == np.uint8
        changed = (slices.pixels != base.pixels).any(axis=(1, 2, 3))
        assert set(np.flatnonzero(changed)) == ids_of(slices)
    for number in ids_of(few):
        np.testing.assert_array_equal(few.pixels[number], many.pixels[number])
    for number in ids_of(many):
        assert many.pixels[number].mean() == pytest.approx(base.pixels[number].mean(), rel=0.3)
        assert not many.pixels[number][:, ~base.pixels[number].any(axis=0)].any()


def test_a_planted_set_opens_again_and_says_what_it_is(planted: Planted, source: SliceSet) -> None:
    for (kind, share), slices in planted.items():
        again = open_slices(slices.folder)
        pd.testing.assert_frame_equal(again.table, slices.table)
        assert again.table["planted"].dtype == bool
        facts = {"kind": kind, "share": share, "seed": 7, "source": source.fingerprint}
        assert again.manifest == source.manifest | {"planted": facts, "fingerprint": slices.fingerprint}


def test_another_seed_plants_others(cohort: Cohort, source: SliceSet, planted: Planted, tmp_path: Path) -> None:
    for kind in KINDS:
        other = plant(cohort, source, kind, 0.1, 8, tmp_path / kind)
        assert len(ids_of(other)) == len(ids_of(planted[kind, 0.1]))
        assert ids_of(other) != ids_of(planted[kind, 0.1])


def test_everything_can_be_an_outlier(cohort: Cohort, source: SliceSet, tmp_path: Path) -> None:
    for kind in KINDS:
        assert ids_of(plant(cohort, source, kind, 1, 0, tmp_path / kind)) == set(source.ids("training"))


@pytest.mark.parametrize(
    ("kind", "share", "words"), [("odd", 0.1, "atypical, mislabelled"), ("corrupted", 1.1, "0 to")]
)
def test_unknown_kinds_and_shares_are_refused(
    cohort: Cohort, source: SliceSet, tmp_path: Path, kind: str, share: float, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        plant(cohort, source, kind, share, 0, tmp_path / "set")
    assert not any(tmp_path.iterdir())


def test_only_slices_of_a_synthetic_cohort_as_prepared_are_planted_in(
    cohort: Cohort, source: SliceSet, planted: Planted, tiny_cohort: Path, tmp_path: Path
) -> None:
    real = read_cohort(tiny_cohort)
    for used, slices, words in (
        (real, prepare(real, RULE, tmp_path / "real"), "expected a synthetic cohort"),
        (cohort, planted["mislabelled", 0.1], "as it was prepared"),
        (cohort, open_slices(tmp_path / "real"), "as it was prepared"),
    ):
        with pytest.raises(InputError, match=words):
            plant(used, slices, "corrupted", 0.1, 0, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_cohort_of_another_phantom_is_refused(
    cohort: Cohort, source: SliceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(seed: int, index: int, atypical: bool) -> Patient:
        return replace(draw_patient(seed, index, atypical), index=index + 1)

    monkeypatch.setattr(outliers, "draw_patient", other)
    monkeypatch.setattr(phantom, "_subject_ids", lambda patient: {"2019": f"BraTS19_SYN1_{patient.index:04d}_1"})
    with pytest.raises(InputError, match="not as this version of the phantom draws it"):
        plant(cohort, source, "atypical", 0, 0, tmp_path / "set")
    assert not any(tmp_path.iterdir())


@given(st.integers(3, 60), st.integers(3, 60), st.floats(0, 1), st.integers(0, 99))
def test_atypical_patients_are_spread_over_the_grades(high: int, low: int, share: float, seed: int) -> None:
    grades = pd.Series({f"{k:03}": "HGG" if k < high else "LGG" for k in range(high + low)})
    drawn = atypical_patients(grades, share, seed)
    assert len(drawn) == len(set(drawn)) == round(share * len(grades))
    assert set(atypical_patients(grades, share / 2, seed)) <= set(drawn)
    for grade, count in grades.value_counts().items():
        assert abs((grades[drawn] == grade).sum() - share * count) <= 1.5


def test_a_patient_made_typical_is_the_same_patient_otherwise() -> None:
    for index in range(60):
        typical, atypical = (asdict(draw_patient(3, index, atypical=flag)) for flag in (False, True))
        assert {name for name in typical if typical[name] != atypical[name]} == {"atypical", "necrosis", "gadolinium"}
        assert asdict(draw_patient(3, index)) in (typical, atypical)
        places = []
        for drawn in (typical, atypical):
            enhances = (drawn["grade"] == "HGG") != drawn["atypical"]
            low, high = phantom.GADOLINIUM[enhances]
            places.append((drawn["gadolinium"] - low) / (high - low))
        assert places[0] == pytest.approx(places[1])


def test_a_patient_made_typical_has_the_same_brain_noise_and_extent_of_tumour() -> None:
    (typical, labels), (atypical, others) = (render(draw_patient(3, 1, atypical=flag), 2) for flag in (False, True))
    np.testing.assert_array_equal(labels > 0, others > 0)
    np.testing.assert_array_equal(labels == 2, others == 2)
    assert (labels == 4).sum() != (others == 4).sum()
    same = typical["t1ce"] == atypical["t1ce"]
    assert same[labels == 0].mean() > 0.999
    assert same[(labels == 1) | (labels == 4)].mean() < 0.5


def test_motion_keeps_the_energy_and_what_does_not_vary_along_it() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (48, 64))
    ghosted = ghosts(image, rng)
    assert (ghosted**2).sum() == pytest.approx((image**2).sum())  # only phases change
    assert abs(ghosted - image).mean() > 10
    rows = np.repeat(image[:, :1], 64, axis=1)
    np.testing.assert_allclose(ghosts(rows, rng), rows)


def test_a_spike_is_one_wave() -> None:
    flat = np.full((64, 64), 100.0)
    striped = stripes(flat, np.random.default_rng(0))
    assert 20 <= striped.min() <= 60.5
    assert 139.5 <= striped.max() <= 180
    assert striped.max() - 100 == pytest.approx(100 - striped.min(), abs=1)


def test_noise_is_rician() -> None:
    flat = np.full((400, 400), 100.0)
    noisy = noise(flat, np.random.default_rng(0))
    variance = ((noisy**2).mean() - 100**2) / 2  # the mean square of a Rician variable is signal^2 + 2 sigma^2
    assert 30**2 * 0.95 < variance < 60**2 * 1.05
    assert noisy.min() >= 0


@given(st.integers(0, 10**6))
def test_faults_never_reach_beyond_the_brain_or_eight_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    slice_ = np.zeros((3, 64, 64), np.uint8)
    slice_[:, 16:48, 20:44] = rng.integers(0, 256, (3, 32, 24))
    before = slice_.copy()
    spoilt = corrupt(slice_, rng)
    np.testing.assert_array_equal(slice_, before)
    assert spoilt.dtype == np.uint8
    assert not spoilt[:, ~slice_.any(axis=0)].any()
    assert all((was != now).mean() > 0.05 for was, now in zip(slice_, spoilt, strict=True))
