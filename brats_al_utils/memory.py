"""Settings of glibc's malloc for memory that is freed and soon used again."""

import ctypes
import platform
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Constants of glibc's malloc.h."""


GLIBC = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for reuse: fresh pages take a third of the time of a training step."""
    if GLIBC:
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_ARENA_MAX, 1)  # memory that one thread frees can be used by all of them


def give_back_freed_memory() -> None:
    """Return the memory that glibc keeps to the system: gaps between large blocks would grow."""
    if GLIBC:
        ctypes.CDLL(None).malloc_trim(0)
