"""The benchmarks' arithmetic, and that what they compare gives the same slices."""

import gzip
import re
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import make
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from brats_al_utils.cohorts import cuts
from brats_al_utils.cohorts.checks import case_files
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import open_slices

FOLDER = Path(__file__).parents[1] / "benchmarks"


def benchmark(name: str) -> SimpleNamespace:
    """Return what a benchmark, a script beside the package, defines."""
    return SimpleNamespace(**runpy.run_path(str(FOLDER / f"{name}.py")))


preparation, overhead, summary = (benchmark(name) for name in ("preparation", "overhead", "summary"))


@pytest.fixture
def by_percentiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scale ours as the others do, so that nothing but the cutting can differ."""

    def scaled(voxels: Any, _: str, part: Any) -> Any:
        low, high = np.percentile(voxels[voxels > 0], preparation.PERCENTILES)
        return np.clip((part - low) / (high - low), 0, 1).astype(np.float32)

    monkeypatch.setattr(cuts, "scale_intensity", scaled)


@pytest.mark.usefixtures("by_percentiles")
def test_the_usual_loop_cuts_our_slices(tiny_cohort: Path, tmp_path: Path) -> None:
    cohort = read_cohort(tiny_cohort)
    preparation.ours(cohort, tmp_path / "ours")
    preparation.usual(cohort, tmp_path / "usual", 2)
    ours = open_slices(tmp_path / "ours")
    names = [f"{patient}_{z:03d}" for patient, z in zip(ours.table["patient_id"], ours.table["z"], strict=True)]
    written = [path.stem for path in (tmp_path / "usual").iterdir()]
    assert sorted(written) == sorted(names + [f"{name}_seg" for name in names])
    for number, name in enumerate(names):
        usual = np.load(tmp_path / "usual" / f"{name}.npy").astype(int)
        assert np.abs(usual - ours.pixels[number]).max() <= 1  # grey levels
        assert np.array_equal(np.load(tmp_path / "usual" / f"{name}_seg.npy"), ours.segmentation[number])


def test_decompression_inflates_every_byte_and_memory_is_that_of_the_process(tiny_cohort: Path) -> None:
    path = case_files(read_cohort(tiny_cohort).cases.iloc[0])["t1"]
    assert preparation.decompress(path) == len(gzip.decompress(path.read_bytes()))
    found = preparation.memory("ours", tiny_cohort)
    assert 50 < found["private"] <= found["resident"] < 16 * 1024  # MiB: torch alone takes more than 50


def test_a_cohort_is_enlarged_with_both_grades(tiny_cohort: Path, tmp_path: Path) -> None:
    cohort = read_cohort(tiny_cohort)
    large = preparation.enlarge(cohort, 10, tmp_path / "large")
    assert not large.problems
    # Of the seven, 4 HGG and 3 LGG; of the three that come again, at least one is LGG.
    assert large.cases["class_name"].value_counts().to_dict() == {"HGG": 6, "LGG": 4}
    first, again = (next((tmp_path / "large").glob(f"*/BraTS19_COPY_{number:04d}_1/*_t2.nii.gz")) for number in (0, 7))
    assert first.samefile(again)
    assert first.read_bytes() == case_files(cohort.cases.iloc[0])["t2"].read_bytes()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty square images of twenty persons in a black background, of three labels, with masks."""
    root = tmp_path / "pictures"
    (root / "images").mkdir(parents=True)
    lines = ["patient_id,label,image,mask"]
    for number in range(40):
        picture = np.zeros((192, 192), np.uint8)
        picture[40:150, 30:140] = np.random.default_rng(number).integers(80, 120, (110, 110))
        Image.fromarray(picture).save(root / "images" / f"{number}.png")
        Image.fromarray(np.uint8(255) * (picture > 110)).save(root / "images" / f"mask{number}.png")
        lines.append(f"p{number // 2},{'abc'[number // 2 % 3]},images/{number}.png,images/mask{number}.png")
    (root / "cohort.csv").write_text("\n".join(lines), encoding="utf-8")
    return root


def test_the_plain_loop_cuts_our_images(pictures: Path, tmp_path: Path) -> None:
    """The same images but for the scale of their intensities, which the loop leaves, and the masks but for a pixel."""
    cohort = read_cohort(preparation.as_two_classes(pictures, tmp_path / "two"), follow_links=True)
    assert cohort.classes == ("a", "other") and len(cohort.cases) == 40
    preparation.our_images(cohort, tmp_path / "ours")
    preparation.plain_images(cohort, tmp_path / "plain")
    ours = open_slices(tmp_path / "ours")
    images, masks = (np.load(tmp_path / "plain" / f"{name}.npy") for name in ("images", "masks"))
    assert images.shape == masks.shape == ours.segmentation.shape == (40, 96, 96)
    assert np.array_equal(masks, ours.segmentation.astype(bool))
    for plain, cut in zip(images, ours.pixels[:, 0], strict=True):
        assert np.corrcoef(plain.ravel(), cut.ravel())[0, 1] > 0.99
    part = read_cohort(preparation.as_two_classes(pictures, tmp_path / "part", 4), follow_links=True)
    assert part.cases["patient_id"].nunique() == 5


def measurements() -> pd.DataFrame:
    """Return made-up measurements: the usual loop takes 4, 5 and 6 times as long, decompression half."""
    rows = [
        ("methods", method, 10, repetition, ours * times)
        for repetition, (ours, factor) in enumerate([(1.0, 4.0), (2.0, 5.0), (4.0, 6.0)], 1)
        for method, times in {"ours": 1, "usual loop": factor, "decompression": 0.5}.items()
    ]
    table = pd.DataFrame(rows, columns=["benchmark", "method", "cases", "repetition", "seconds"])
    return table.assign(cpu=table["seconds"], private=np.nan, resident=np.nan)


def test_a_ratio_is_the_median_of_each_repetition_s() -> None:
    found = preparation.summarise(measurements()).set_index(["benchmark", "method", "cases"])
    usual = found.loc["methods", "usual loop", 10]
    assert (usual["seconds"], usual["per_case"], usual["ratio"]) == (10, 1, 5)
    assert found.loc["methods", "decompression", 10]["ratio"] == 0.5
    assert summary.paired(measurements(), "seconds", "usual loop", "ours") == 5


@pytest.mark.parametrize("power", [1.0, 1.5])
def test_the_exponent_is_that_of_the_time(power: float) -> None:
    table = pd.DataFrame({"benchmark": "scale", "cases": [10, 40, 160]})
    assert preparation.exponent(table.assign(seconds=3 * table["cases"] ** power)) == pytest.approx(power)


OVERHEAD = [
    (1, {"00": 10, "01": 10, "before and between": 10, "all": 30}),
    (2, {"00": 10, "01": 20, "before and between": 10, "all": 40}),  # both busy, two take 10 seconds for it
]


@pytest.mark.parametrize(("workers", "overhead_of"), OVERHEAD)
def test_overhead_is_what_no_run_took(workers: int, overhead_of: dict[str, float]) -> None:
    executed = pd.DataFrame([("00", 100.0, 110.0), ("01", 111.0, 141.0)], columns=["part", "started", "ended"])
    runs = pd.DataFrame([(120.0, 6.0), (140.0, 14.0)], columns=["ended", "seconds"])
    found = overhead.parts(50.0, executed, runs, workers).set_index("part")
    assert found["overhead"].to_dict() == overhead_of
    assert found["share"].to_dict() == pytest.approx({part: seconds / 50 for part, seconds in overhead_of.items()})


@given(st.floats(0.01, 100), st.sampled_from([">=", "<="]), st.floats(0.01, 100))
def test_a_limit_is_reached_if_the_comparison_holds(value: float, comparison: str, bound: float) -> None:
    holds = value >= bound if comparison == ">=" else value <= bound
    assert summary.reached(value, f"{comparison} {bound}") == ("yes" if holds else "no")
    assert summary.reached(value, "") == ""


def test_the_summary_kept_is_that_of_the_measurements_kept() -> None:
    found = summary.summarise(summary.measured())
    written = found.to_csv(index=False, float_format="%.4g", lineterminator="\n")
    assert (FOLDER / "results" / "summary.csv").read_text(encoding="utf-8") == written
    labels = [label.get_text() for label in summary.plot(found).axes[0].get_yticklabels()]
    assert labels == list(found["what"][found["reached"] != ""][::-1])


def test_what_the_benchmarks_need_is_pinned() -> None:
    asked = (FOLDER / "requirements.in").read_text(encoding="utf-8").splitlines()
    pinned = (FOLDER / "requirements.txt").read_text(encoding="utf-8")
    names = re.findall(r"^(\S+)==\S+ \\\n    --hash=sha256:", pinned, re.MULTILINE)
    assert names == [line for line in asked if not line.startswith("#")]


@pytest.mark.long
def test_the_benchmarks(checkout: Path, smoke: Path) -> None:
    """Once each, and the overhead of a finished smoke study, beside the usual tools, which are installed for it."""
    results = checkout / "benchmarks" / "results"
    shutil.rmtree(results)
    options = ("BENCH_OPTIONS=--repetitions 1", f"BENCH_STUDY=--out {smoke} --seconds 100")
    make("bench", checkout, "BENCH_PROFILE=smoke", *options)
    found, kept = (pd.read_csv(folder / "summary.csv") for folder in (results, FOLDER / "results"))
    assert found["what"].tolist() == [what.replace("demo", "smoke") for what in kept["what"]]
    assert (results / "summary.svg").exists()
