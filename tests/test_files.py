"""Files that appear whole, what is left half-written, and locks that nobody waits for in vain."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from conftest import without_locks

from brats_al_utils import InputError, files
from brats_al_utils.beyond.annotation.state import read_state
from brats_al_utils.beyond.releases.images import what_it_is
from brats_al_utils.beyond.releases.table import csv_rows
from brats_al_utils.cohorts.mapping import read_mapping
from brats_al_utils.cohorts.slices import open_slices
from brats_al_utils.cohorts.volumes import read_header
from brats_al_utils.files import beside, cause, held, lock, locked, named, new_folder, sweep, write_file

HOLD = "import sys; from pathlib import Path; from brats_al_utils.files import lock\n"
HOLD += "with lock(Path(sys.argv[1])) as had: print(had, flush=True); sys.stdin.readline()"


def holder(path: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a process that asks for a lock, says what came of it, and keeps it until it is told a line."""
    command, pipe = [sys.executable, "-c", HOLD, str(path)], subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, encoding="utf-8", env=os.environ | environment)


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_a_lock_is_had_by_one_and_its_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a.lock"
    with lock(path) as first, lock(path) as second:
        assert (first, second) == ("had", "held")
        assert held(path)
    assert not path.exists()
    assert not held(path)


def test_whether_another_user_s_lock_is_held_is_asked_without_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the state of a colleague's study."""
    with lock(tmp_path / "a.lock"):
        monkeypatch.setattr("os.open", Mock(side_effect=PermissionError))
        assert held(tmp_path / "a.lock")


def test_one_of_many_gets_it_and_a_killed_one_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    askers = [holder(path) for _ in range(6)]
    try:
        said = [answer(asker) for asker in askers]
        assert sorted(said) == ["had", *["held"] * 5]
        owner = askers[said.index("had")]
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        with lock(path) as had:
            assert had == "had"
    finally:
        for asker in askers:
            asker.communicate("\n")


def test_a_file_left_by_a_dead_machine_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("another machine", encoding="utf-8")
    assert not held(tmp_path / "a.lock")
    with lock(tmp_path / "a.lock") as had:
        assert had == "had"


def test_a_lock_is_waited_for_aloud_and_not_for_ever(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a file server holds that of a machine that died."""
    path = tmp_path / "a.lock"
    with lock(path):
        began = time.monotonic()
        with locked(path, 0.5, "cutting slices"):
            assert 0.5 <= time.monotonic() - began < 3
    waiting, without = capsys.readouterr().err.splitlines()
    assert waiting == f"waiting for {path}: another process is cutting slices; if none is, delete it"
    assert without == f"{path}: still held after 0 s: cutting slices without it"


def test_a_lock_is_had_as_soon_as_it_is_free(tmp_path: Path) -> None:
    path, order = tmp_path / "a.lock", []
    taken, done = threading.Event(), threading.Event()

    def other() -> None:
        with lock(path):
            taken.set()
            done.wait(0.6)
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    taken.wait()
    with locked(path, 60, "cutting slices"):
        order.append("this")
    thread.join()
    assert order == ["other", "this"]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_a_file_system_without_locks_is_told_at_once(tmp_path: Path, number: int) -> None:
    process = holder(tmp_path / "a.lock", LD_PRELOAD=str(without_locks(tmp_path, number)))
    assert answer(process) == "absent"
    process.communicate("\n")
    assert not (tmp_path / "a.lock").exists()


def test_what_is_wrong_with_the_disk_is_no_missing_lock(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(OSError, match="Not a directory"), lock(tmp_path / "file" / "locks" / "a.lock"):
        pass


def gone() -> int:
    """Return the number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_containers_of_one_host_name_do_not_see_each_other_s_processes(tmp_path: Path) -> None:
    """Each has a process of its own under a number that is free, or another's, in the other: nobody's file is swept."""
    code = "from pathlib import Path; from brats_al_utils.files import beside; beside(Path('result')).touch()"
    code += "; print('made')"
    container = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    try:
        done = subprocess.run(container, cwd=tmp_path, capture_output=True, encoding="utf-8")
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if "made" not in done.stdout:
        pytest.skip("no namespace of processes can be made here")
    (made,) = tmp_path.glob(".result.*.partial")
    *before, _, mark, ending = made.name.split(".")
    made.rename(made.with_name(".".join([*before, str(gone()), mark, ending])))  # its number there is free here
    sweep(tmp_path)
    assert len(list(tmp_path.glob(".result.*.partial"))) == 1


def test_what_the_dead_have_half_written_is_swept(tmp_path: Path) -> None:
    """Of a dead process here, elsewhere after a day; never of the living here, nor what only looks like it."""
    mine = beside(tmp_path / "mine.json")
    dead = tmp_path / f".dead.json.{files.HOST}.{gone()}.01234567.partial"
    folder = tmp_path / f".folder.{files.HOST}.{gone()}.01234567.partial"
    elsewhere = tmp_path / ".a.json.elsewhere.1.01234567.partial"
    old = tmp_path / ".b.json.elsewhere.1.01234567.partial"
    other = tmp_path / ".hidden.partial"
    for path in (mine, dead, elsewhere, old, other):
        path.write_text("half", encoding="utf-8")
    folder.mkdir()
    (folder / "pixels.npy").write_text("half", encoding="utf-8")
    for path in (old, mine):
        os.utime(path, (time.time() - files.DAY - 60,) * 2)
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {mine, elsewhere, other}


def test_two_that_make_the_same_folder_keep_the_first(tmp_path: Path) -> None:
    with new_folder(tmp_path / "set") as first, new_folder(tmp_path / "set") as second:
        (first / "who").write_text("first", encoding="utf-8")
        (second / "who").write_text("second", encoding="utf-8")
    assert (tmp_path / "set" / "who").read_text(encoding="utf-8") == "second", "the inner block ends first"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_an_error_of_writing_names_what_was_written(tmp_path: Path) -> None:
    """As that of a full disk, in which the system names nothing; of what is half-written, the file that is meant."""
    with pytest.raises(FileNotFoundError) as missing, named(tmp_path / "a.csv"):
        beside(tmp_path / "gone" / "a.csv").write_bytes(b"")
    assert missing.value.filename == str(tmp_path / "a.csv")
    with pytest.raises(IsADirectoryError) as folder:
        write_file(tmp_path, b"")
    assert folder.value.filename == str(tmp_path)
    # Its unfinished name is too long, and cannot be removed either, as on a read-only disk.
    long = tmp_path / ("a" * 230)
    for write in (lambda: write_file(long, b""), new_folder(long).__enter__):
        with pytest.raises(OSError, match="too long") as found:
            write()
        assert found.value.filename == str(long)
    with pytest.raises(OSError, match="set") as found, new_folder(tmp_path / "set"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert found.value.filename == str(tmp_path / "set")
    with pytest.raises(OSError, match="/dev/full") as found, new_folder(tmp_path / "set"):
        raise OSError(errno.ENOSPC, "full", "/dev/full")


MENDS = [
    (errno.ENOSPC, "free some disk space"),
    (errno.ENOSPC, "their number is used up (df -i)"),
    (errno.EDQUOT, "your share of it"),
    (errno.EACCES, "fix its permissions"),
    (errno.EPERM, "fix its permissions"),
    (errno.EROFS, "(--out)"),
    (errno.ENOENT, "check its name"),
    (errno.EEXIST, "a file is in a folder's place"),
]


@pytest.mark.parametrize(("number", "mend"), MENDS)
def test_each_cause_has_its_own_mend(number: int, mend: str) -> None:
    said = cause(OSError(number, os.strerror(number), "/a/file"))
    assert said.startswith(f"/a/file: {os.strerror(number)}: ") and mend in said


@pytest.mark.parametrize("read", [read_header, read_mapping, csv_rows, read_state, open_slices])
def test_a_file_that_may_not_be_read_is_not_called_damaged(
    read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 400)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    for name in ("open", "read_bytes", "read_text"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(InputError, match="fix its permissions"):
        read(path)
    assert "fix its permissions" in what_it_is(path, PermissionError(errno.EACCES, "Permission denied", str(path)))


def test_what_is_not_known_is_said_in_the_system_s_words() -> None:
    assert cause(OSError(errno.EIO, "Input/output error", "/a/file")) == "/a/file: Input/output error"
    assert cause(OSError(errno.ENOSPC, "No space left on device")).startswith("No space left on device: free")
    assert cause(OSError("the reader's own words")) == "the reader's own words"
    assert cause(TimeoutError()) == "TimeoutError"
