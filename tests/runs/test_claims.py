"""Claims: one owner at a time, and nobody waits for the dead."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from brats_al_utils.files import write_file
from brats_al_utils.runs import claims
from brats_al_utils.runs.claims import Owner, Watch, claim, owner_of
from brats_al_utils.runs.run import RunStore
from brats_al_utils.study.status import running

ELSEWHERE = Owner("another driver", "another machine", 1)


def write_claim(path: Path, owner: Owner) -> None:
    import json

    write_file(path, json.dumps(asdict(owner)).encode())


def gone() -> int:
    """Return the number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_claim_is_there_while_its_block_runs(tmp_path: Path) -> None:
    path = tmp_path / "claims" / "a.json"
    with claim(path, "me") as mine:
        assert mine
        assert owner_of(path) == Owner("me", socket.gethostname(), os.getpid())
    assert not path.exists()


def test_a_claim_goes_when_its_block_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), claim(tmp_path / "a.json", "me"):
        raise KeyboardInterrupt
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}


@pytest.mark.parametrize("other", [Owner("another driver", socket.gethostname(), os.getpid()), ELSEWHERE])
def test_what_a_living_process_has_claimed_cannot_be_had(tmp_path: Path, other: Owner) -> None:
    path = tmp_path / "a.json"
    write_claim(path, other)
    with claim(path, "me") as mine:
        assert not mine
    assert owner_of(path) == other, "still theirs"


def test_a_dead_process_s_claim_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_claim(path, Owner("another driver", socket.gethostname(), gone()))
    with claim(path, "me") as mine:
        assert mine


def test_a_driver_takes_over_from_its_own_lost_worker(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_claim(path, Owner("me", "another machine", 1))
    with claim(path, "me") as mine:
        assert mine


def test_a_claim_that_was_taken_over_is_left_alone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with claim(path, "me"):
        write_claim(path, ELSEWHERE)
    assert owner_of(path) == ELSEWHERE


def test_a_claim_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT", 0.05)
    path = tmp_path / "a.json"
    with claim(path, "me"):
        before = path.stat().st_mtime_ns
        time.sleep(0.4)
        assert path.stat().st_mtime_ns > before


def test_a_claim_is_stale_when_it_does_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the two machines' clocks say: a touch that goes back in time is a touch."""
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    path = tmp_path / "a.json"
    watch = Watch()
    assert watch.free(path), "nobody has it"
    write_claim(path, ELSEWHERE)
    assert not watch.free(path)
    for seconds_ago in (10, 3600, 7200):  # the clock that stamps it runs backwards
        now += claims.STALE - 1
        os.utime(path, (time.time() - seconds_ago,) * 2)
        assert not watch.free(path)
    now += claims.STALE - 1
    assert not watch.free(path)
    now += 2
    assert watch.free(path)
    assert not path.exists()


def test_who_is_shown_as_running_when_the_clock_went_backwards(tmp_path: Path) -> None:
    """A claim from the future was touched before the clock went, and not since."""
    store, run = RunStore(tmp_path), SimpleNamespace(key="a")
    path = store.claim(run)  # type: ignore[arg-type]
    write_claim(path, ELSEWHERE)
    for seconds, shown in ((0, True), (2 * claims.STALE, False), (-2 * claims.STALE, False), (0, True)):
        os.utime(path, (time.time() + seconds,) * 2)
        assert running(store, run) == shown  # type: ignore[arg-type]


def test_a_claim_of_a_dead_neighbour_is_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_claim(path, Owner("another driver", socket.gethostname(), gone()))
    assert Watch().free(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"driver": "x"}'])
def test_an_unreadable_claim_holds_until_it_is_stale(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert owner_of(path) is None
    with claim(path, "me") as mine:
        assert not mine, "it may be in the middle of being written"
    assert not Watch().free(path)


@pytest.mark.parametrize("after_a_crash", [False, True])
def test_one_of_many_gets_it(tmp_path: Path, after_a_crash: bool) -> None:
    """Twenty processes ask at the same time, each for a driver of its own; a dead one may have left its claim."""
    if after_a_crash:
        write_claim(tmp_path / "a.json", Owner("another driver", socket.gethostname(), gone()))
    code = (
        "import sys, time; from pathlib import Path; from brats_al_utils.runs.claims import claim\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        f"with claim(Path({str(tmp_path)!r}) / 'a.json', sys.argv[1]) as mine:\n"
        "    print(mine, flush=True); sys.stdin.readline()"
    )
    askers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for n in range(20)
    ]
    try:
        answers = []
        for asker in askers:
            assert asker.stdout
            assert asker.stdout.readline() == "ready\n"
        for asker in askers:
            assert asker.stdin
            asker.stdin.write("go\n")
        for asker in askers:
            assert asker.stdout
            answers.append(asker.stdout.readline().strip())
        assert answers.count("True") == 1
        assert answers.count("False") == 19
    finally:
        for asker in askers:
            asker.communicate("\n")
