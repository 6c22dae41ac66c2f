"""twistd's mailboxd with a slow disk under the store: `python -m tests.faults.slow_daemon GATE MILLISECONDS twistd ...`

Every file operation of the store takes that long; while the file GATE is there, those whose path has in it what the
file says take until it is gone. An operation in the reactor's own thread is told in the log: nothing may wait there.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailbox_d.store import maildir_store
from mailbox_d.store.files import FileSystem
from tests.faults.store_files import OPERATIONS

WAITED_IN_THE_REACTOR = "a file operation in the reactor's thread"
COUNTED = "a first file operation"
STALLED = "a file operation is stalled"


class SlowFiles(FileSystem):
    """The real disk, slowly."""

    gate = Path()
    seconds = 0.0

    def __init__(self) -> None:
        self.paths: dict[int, str] = {}
        self.counted = False

    def slowly(self, operation: str, args: tuple[Any, ...]) -> Any:
        path = self.paths.get(args[0], "") if isinstance(args[0], int) else os.fsdecode(args[0])
        if threading.current_thread() is threading.main_thread():
            print(f"{WAITED_IN_THE_REACTOR}: {operation} {path}", flush=True)
        if not self.counted:
            print(f"{COUNTED}: {operation} {path}", flush=True)
        self.counted = True
        self._wait(path)
        result = getattr(FileSystem, operation)(self, *args)
        if operation == "open":
            self.paths[result] = path
        return result

    def _wait(self, path: str) -> None:
        time.sleep(self.seconds)
        if self._is_stalled(path):
            print(f"{STALLED}: {path}", flush=True)
        while self._is_stalled(path):
            time.sleep(0.01)

    def _is_stalled(self, path: str) -> bool:
        try:
            return self.gate.read_text() in path
        except FileNotFoundError:
            return False


def _slow(operation: str) -> Callable[..., Any]:
    return lambda self, *args: self.slowly(operation, args)


for _operation in OPERATIONS:
    setattr(SlowFiles, _operation, _slow(_operation))


def main() -> None:
    SlowFiles.gate, SlowFiles.seconds = Path(sys.argv[1]), float(sys.argv[2]) / 1000
    del sys.argv[:3]
    maildir_store.FileSystem = SlowFiles  # type: ignore[misc, attr-defined]
    from twisted.scripts.twistd import run

    run()


if __name__ == "__main__":
    main()
