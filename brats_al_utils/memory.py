"""How the C library treats memory that is freed and soon wanted again."""

import ctypes
import platform
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""From glibc's malloc.h."""


GLIBC = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"


def keep_freed_memory() -> None:
    """Let glibc keep what is freed, for what comes next: fresh pages cost a training step a third of its time."""
    if GLIBC:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_ARENA_MAX, 1)  # what one thread frees is kept for all of them


def give_back_freed_memory() -> None:
    """Give back what glibc keeps: between large blocks that come and go, holes grow that none of them fits into."""
    if GLIBC:
        ctypes.CDLL(None).malloc_trim(0)
