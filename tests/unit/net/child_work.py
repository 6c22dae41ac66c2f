"""Pieces of work for children under test."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence


def work(asked: Sequence[bytes]) -> Sequence[bytes]:
    """Do what the first word says."""
    match list(asked):
        case [b"echo", *words]:
            return words
        case [b"who"]:
            return [b"%d" % os.getpid(), b"%d" % os.getpriority(os.PRIO_PROCESS, 0)]
        case [b"die"]:
            os._exit(3)
        case [b"fail"]:
            raise ValueError("this is hopeless\nquite")
        case [b"hang"]:
            time.sleep(3600)
        case [b"babble"]:
            sys.stdout.buffer.write(b"\xff" * 1000)
            sys.stdout.buffer.flush()
            time.sleep(3600)
    return []
