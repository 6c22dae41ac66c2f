"""How long a thread could have run and had no processor: what the machine owes it, and not its own work."""

from __future__ import annotations

import threading
from pathlib import Path


class RunQueue:
    """Of the thread that makes it; from the scheduler's own count (`schedstat`), 0 where the kernel has none."""

    def __init__(self) -> None:
        self._path = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")

    def waited(self) -> float:
        """Seconds in all. It reads what the kernel makes up, and waits for no disk."""
        try:
            return int(self._path.read_bytes().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            return 0.0
