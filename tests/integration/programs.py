"""Client programs that tests drive: a missing one is a visible skip, or a failure where all must be there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

REQUIRED = "MAILBOXD_REQUIRE_PROGRAMS"
"""Set (by `.ci/run`) to turn a missing program into a failure."""

SECONDS = 120


def require(program: str) -> str:
    """The program's path; skips the test, or fails it, where it is not installed."""
    if path := shutil.which(program):
        return path
    if os.environ.get(REQUIRED):
        pytest.fail(f"{program} is not installed, and {REQUIRED} is set")
    pytest.skip(f"{program} is not installed")


def run(
    command: Sequence[str | Path], *, stdin: bytes = b"", status: int | None = 0
) -> subprocess.CompletedProcess[bytes]:
    """Run a client program to its end and check its exit status; what it said is in the failure."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=SECONDS, check=False)
    said = b"\n".join((done.stdout[-4000:], done.stderr[-4000:])).decode(errors="replace")
    assert status is None or done.returncode == status, f"{command[0]} ended with {done.returncode}:\n{said}"
    return done
