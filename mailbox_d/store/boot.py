"""Which boot of the machine this is: who lived before it is dead, and what was not synced before it may be gone."""

from __future__ import annotations

import os
import secrets
import time
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAME_END = ")"
"""Of a process in its `stat`; the name may have anything in it."""
_START = 19
"""Where in the fields behind the name the process's start stands (proc(5): the 22nd field)."""


@cache
def boot_id() -> bytes:
    """What names the machine's boot; this process alone where there is no telling."""
    try:
        return _BOOT_ID.read_bytes().strip()
    except OSError:
        return secrets.token_hex(16).encode()


def seconds_since_boot() -> float:
    """Time asleep included; the clock may be set meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_time() -> float:
    """When the machine was booted, in seconds since 1970, by the clock as it goes now."""
    return time.time() - seconds_since_boot()


def process_start(process: int) -> int | None:
    """When a process started, in the kernel's ticks since the boot; None where there is none, or no telling."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(errors="replace")
        return int(text.rpartition(_NAME_END)[2].split()[_START])
    except (OSError, ValueError, IndexError):
        return None


def process_age() -> float:
    """For how many seconds this process has lived; since the boot where there is no telling."""
    return seconds_since_boot() - (process_start(os.getpid()) or 0) / os.sysconf("SC_CLK_TCK")
