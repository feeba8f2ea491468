"""Errors of the system's name their cause."""

import errno
import os

import pytest

from brats_al_utils.files import cause


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.ENOSPC, "free some disk space"),
        (errno.EDQUOT, "free some disk space: your share of it is used up"),
        (errno.EACCES, "fix its permissions"),
        (errno.EPERM, "fix its permissions"),
        (errno.EROFS, "name a folder on a disk that can be written"),
        (errno.ENOENT, "check its name"),
    ],
)
def test_each_cause_has_its_own_mend(number: int, mend: str) -> None:
    assert cause(OSError(number, os.strerror(number), "/a/file")) == f"/a/file: {os.strerror(number)}: {mend}"


def test_what_is_not_known_is_said_in_the_system_s_words() -> None:
    assert cause(OSError(errno.EIO, "Input/output error", "/a/file")) == "/a/file: Input/output error"
    assert cause(OSError(errno.ENOSPC, "No space left on device")) == "No space left on device: free some disk space"
    assert cause(OSError("the reader's own words")) == "the reader's own words"
    assert cause(TimeoutError()) == "TimeoutError"
