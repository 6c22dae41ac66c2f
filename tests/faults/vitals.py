"""What a process holds: memory, threads, descriptors; read from /proc, where it must not grow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 120.0
"""Seconds for what happens soon on any machine."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """`memory` is what is resident, in KiB."""

    memory: int
    threads: int
    descriptors: int

    def __str__(self) -> str:
        return f"{self.memory // 1024} MiB, {self.threads} threads, {self.descriptors} descriptors"


def vitals(pid: int) -> Vitals:
    status = Path(f"/proc/{pid}/status").read_text()
    memory, threads = (int(re.findall(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[0]) for name in ("VmRSS", "Threads"))
    return Vitals(memory, threads, len(os.listdir(f"/proc/{pid}/fd")))


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Return when it holds. Raises `AssertionError` where it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"in vain for {seconds:.0f} s: {what}"
        time.sleep(0.02)


def assert_level(pid: int, before: Vitals, *, memory: int, threads: int = 0, descriptors: int = 0) -> Vitals:
    """The process holds no more than before and this much; connections that were closed may take a moment to go."""
    most = before.descriptors + descriptors
    wait_until(lambda: vitals(pid).descriptors <= most, f"descriptors fall to {most}")
    now = vitals(pid)
    assert now.threads <= before.threads + threads, (before, now)
    assert now.memory <= before.memory + memory, (before, now)
    return now
