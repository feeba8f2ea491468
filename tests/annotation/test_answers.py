"""Answers that are on the disk when they are given, whatever happens next, and what two readers agree on."""

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brats_al_utils import InputError
from brats_al_utils.beyond.annotation.answers import LONGEST, MAX_LINE, Answer, agreement, append, current, read

SHA = "0" * 64


def said(slice_id: str, label: str, reader: str = "ada", minute: int = 0) -> Answer:
    return Answer(slice_id, label, reader, f"2026-01-31T12:{minute:02}:00+00:00", SHA)


ADDER = """
import sys
from pathlib import Path
from typing import Any
from brats_al_utils.beyond.annotation.answers import Answer, append, now
for number in range(int(sys.argv[3])):
    append(Path(sys.argv[1]), Answer(f"{sys.argv[2]}-{number}", "sick", sys.argv[2], now(), "0" * 64))
    print(number, flush=True)
"""


def adder(file: Path, reader: str, count: int) -> subprocess.Popen[str]:
    """Start a process that adds answers, and tells of each when it is added."""
    command = [sys.executable, "-c", ADDER, str(file), reader, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")


texts = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=100)
answers = st.builds(Answer, texts, texts, texts, st.just("2026-01-31T12:00+00:00"), st.just(SHA), st.just("") | texts)


@given(st.lists(answers, max_size=5))
def test_what_is_added_is_read(tmp_path_factory: pytest.TempPathFactory, some: list[Answer]) -> None:
    file = tmp_path_factory.mktemp("answers") / "answers.jsonl"
    for answer in some:
        append(file, answer)
    assert read(file) == some
    assert [path.name for path in file.parent.iterdir()] == ["answers.jsonl"] * bool(some), "no lock is left"


words = st.sampled_from(["sick", "well", "unsure", "skip", "undo"])
moves = st.tuples(st.sampled_from("ab"), words, st.sampled_from("xy"), st.integers(0, 3))


@given(st.lists(moves, max_size=12))
def test_the_current_answer_is_that_of_a_plain_model(moves: list[tuple[str, str, str, int]]) -> None:
    """A minute after the other, each reader has a stack a slice; a slice's answer is the last look that was one."""
    stacks: dict[tuple[str, str], list[tuple[int, str]]] = {}
    clock = 0
    for minute in range(4):
        for slice_id, label, reader, when in moves:
            if when != minute:
                continue
            clock += 1
            stack = stacks.setdefault((slice_id, reader), [])
            if label != "undo":
                stack.append((clock, label))
            elif stack:
                stack.pop()
    every = [said(*move) for move in moves]
    tops = {key: stack[-1] for key, stack in stacks.items() if stack}
    for reader in "xy":
        expected = {name: label for (name, whose), (_, label) in tops.items() if whose == reader}
        assert {name: answer.label for name, answer in current(every, reader).items()} == expected
    for name in "ab":
        of_slice = [top for (slice_id, _), top in tops.items() if slice_id == name]
        looked = [top for top in of_slice if top[1] != "skip"] or of_slice
        found = current(every).get(name)
        assert (found.label if found else None) == (max(looked)[1] if looked else None)


def test_agreement_by_hand() -> None:
    """Of 10 slices, both say sick of 4 and well of 3: share 0.7; by chance 0.5 x 0.6 + 0.5 x 0.4 = 0.5, kappa 0.4."""
    pairs = [("sick", "sick")] * 4 + [("sick", "well")] + [("well", "sick")] * 2 + [("well", "well")] * 3
    every = [said(str(number), label) for number, (label, _) in enumerate(pairs)]
    every += [said(str(number), label, "bob") for number, (_, label) in enumerate(pairs)]
    every += [said("alone", "sick"), said("skipped", "skip", "ada"), said("skipped", "sick", "bob")]
    slices, share, kappa = agreement(every, "ada", "bob")
    assert (slices, share) == (10, 0.7)
    assert kappa == pytest.approx(0.4)
    slices, share, kappa = agreement([said("1", "sick")], "ada", "bob")
    assert slices == 0
    assert math.isnan(share)
    assert math.isnan(kappa)
    slices, share, kappa = agreement([said("1", "unsure"), said("1", "unsure", "bob")], "ada", "bob")
    assert (slices, share) == (1, 1.0)
    assert math.isnan(kappa)


REFUSED: dict[str, list[Any]] = {
    "slice_id": ["", "x" * (LONGEST["slice_id"] + 1), "a\nb"],
    "label": [" sick", None, 1],
    "reader": ["\x1b[31mada", "a\u202eb"],
    "time": ["yesterday", "2026-01-31T12:00:00"],
    "image_sha256": [SHA.upper()[:-1] + "G", SHA[:-1]],
    "note": ["a\nb", "x" * 501],
}


@pytest.mark.parametrize(("name", "value"), [(name, each) for name, values in REFUSED.items() for each in values])
def test_values_that_are_refused(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"^{name} is "):
        replace(said("1", "sick"), **{name: value})


GOOD = json.dumps({name: value for name, value in asdict(said("1", "sick")).items() if value}).encode()
DAMAGED = {
    "no JSON": b"{",
    "nested too deep": b"[" * (MAX_LINE - 1),
    "another value": b'"x"',
    "a value is missing": b'{"slice_id": "1"}',
    "a value too many": GOOD[:-1] + b', "more": 1}',
    "not UTF-8": GOOD[:-3] + b"\xff\xfe}",
    "too long": b" " * MAX_LINE + GOOD,
    "a huge number": GOOD.replace(b'"1"', b"9" * 5000),
    "a control character": GOOD.replace(b'"1"', b'"\\u0007"'),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_line_is_named(what: str, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_bytes(GOOD + b"\n" + DAMAGED[what] + b"\n" + GOOD + b"\n")
    with pytest.raises(InputError, match=r"answers\.jsonl, line 2: ") as found:
        read(file)
    assert str(found.value).isprintable()
    assert len(str(found.value)) < 600


def test_a_merge_conflict_of_git_s_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_bytes(GOOD + b"\n<<<<<<< HEAD\n")
    with pytest.raises(InputError, match="line 2: a mark of git's merge conflict"):
        read(tmp_path / "answers.jsonl")


def test_answers_that_an_editor_has_saved(tmp_path: Path) -> None:
    """With a mark before the first and another end of lines."""
    file = tmp_path / "answers.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + (GOOD + b"\r\n") * 2)
    assert read(file) == [said("1", "sick")] * 2


def test_files_that_are_none(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []
    os.mkfifo(tmp_path / "pipe")
    for name in (".", "pipe"):
        with pytest.raises(InputError, match="no regular file"):
            read(tmp_path / name)
    with pytest.raises(InputError, match="no regular file"):
        append(tmp_path / "pipe", said("1", "sick"))
    with (tmp_path / "large").open("wb") as large:
        large.truncate(2**40)
    with pytest.raises(InputError, match="bytes, expected at most"):
        read(tmp_path / "large")


@pytest.mark.parametrize("cut", [1, len(GOOD) // 2, len(GOOD)])
def test_a_line_cut_off_is_set_aside(cut: int, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    append(file, said("1", "sick"))
    file.write_bytes(file.read_bytes() + GOOD[:cut])
    with pytest.warns(UserWarning, match="cut off"):
        assert read(file) == [said("1", "sick")]
    with pytest.warns(UserWarning, match="set aside"):
        append(file, said("2", "well"))
    assert read(file) == [said("1", "sick"), said("2", "well")]
    (aside,) = tmp_path.glob("*.cut-off")
    assert aside.read_bytes() == GOOD[:cut]


def test_a_killed_process_loses_nothing_that_it_has_told(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    process = adder(file, "ada", 100_000)
    assert process.stdout
    for _ in range(20):
        told = int(process.stdout.readline())
    process.kill()
    told = max([told, *map(int, process.stdout.read().split())])
    process.wait()
    append(file, said("last", "well"))
    names = [answer.slice_id for answer in read(file)]
    assert names[: told + 1] == [f"ada-{number}" for number in range(told + 1)]
    assert len(names) <= told + 3, "one more may have been added and not told"
    assert names[-1] == "last"


def test_two_processes_at_once(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    processes = [adder(file, reader, 12) for reader in ("ada", "bob")]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    found = read(file)
    for reader in ("ada", "bob"):
        own = [answer.slice_id for answer in found if answer.reader == reader]
        assert own == [f"{reader}-{number}" for number in range(12)]
    assert len(found) == 24


def test_a_full_disk_costs_the_answer_that_it_refuses(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({len(GOOD) * 5 // 2},) * 2)\n"
    command = [sys.executable, "-c", limit + ADDER, str(file), "a", "5"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 1
    assert "OSError: [Errno 28] No space left on device" in done.stderr
    with pytest.warns(UserWarning, match="cut off"):
        kept = read(file)
    assert [answer.slice_id for answer in kept] == [f"a-{number}" for number in range(len(done.stdout.split()))]
    assert 0 < len(kept) < 5
