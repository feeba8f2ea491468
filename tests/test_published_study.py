"""A whole study, exported: drawn from its bundle without images, and some of its runs trained again."""

import re
from pathlib import Path

import pytest
from conftest import brats_al, brats_al_process

from brats_al_utils.runs.container import read_parts, write_parts


@pytest.fixture(scope="module")
def bundle(smoke: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "smoke.bundle"
    said = brats_al("export", "--profile", "smoke", "--out-folder", str(smoke), "--out", str(path))
    stored, planned = map(int, re.findall(r"(\d+) of (\d+) planned runs", said)[0])
    assert stored == planned > 200
    return path


def test_every_table_is_drawn_again(smoke: Path, bundle: Path, tmp_path: Path) -> None:
    said = brats_al("figures", str(bundle), "--out", str(tmp_path / "again"))
    assert "skipped" not in said
    assert (tmp_path / "again" / "outputs" / "report" / "index.html").is_file()
    assert not list((tmp_path / "again").rglob("*.safetensors"))
    assert not list((tmp_path / "again").rglob("pixels.npy"))
    before = {path.name: path.read_bytes() for path in smoke.glob("*.csv")}
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").glob("*.csv")} == before
    pictures = {path.name for path in smoke.glob("*.svg")}
    assert {path.name for path in (tmp_path / "again").glob("*.svg")} == pictures


def test_two_runs_are_the_same_to_the_bit_and_a_changed_one_is_found(smoke: Path, bundle: Path, tmp_path: Path) -> None:
    words = ("--runs", "2", "--seed", "1", "--workers", "1", "--out", str(smoke))
    said = brats_al_process("verify", str(bundle), *words)
    assert len(re.findall(r"^\w{12}  same to the bit: ", said, re.MULTILINE)) == 2
    assert re.search(r"2 of \d+ runs trained again, drawn with --seed 1: same to the bit", said)
    parts = read_parts(bundle)
    numbers = bytearray(parts["numbers/probability_test"])
    count = len(numbers) // 8
    numbers[7 * count :] = bytes(count)  # the highest byte: every probability of the test set is nearly 0
    write_parts(tmp_path / "changed.bundle", parts | {"numbers/probability_test": bytes(numbers)})
    said = brats_al_process("verify", str(tmp_path / "changed.bundle"), *words, expect=1)
    assert len(re.findall(r"^\w{12}  differs \(largest difference", said, re.MULTILINE)) == 2
