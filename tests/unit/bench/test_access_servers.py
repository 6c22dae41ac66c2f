"""How the bench reads the daemon's log."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import FileLogObserver, Logger, formatEventAsClassicLogText

from bench.access_servers import MailboxdAccess
from mailbox_d.net.watchdog import STALL, Watchdog


def log_of(late: float) -> str:
    """What a watchdog says when its tick comes so late, and when it stops."""
    clock, said = Clock(), StringIO()
    watchdog = Watchdog(clock)
    observer: Any = FileLogObserver(said, formatEventAsClassicLogText)
    watchdog.log = Logger(observer=observer)
    watchdog.startService()
    clock.advance(STALL + late)
    watchdog.stopService()
    return said.getvalue()


def test_reads_a_stall_as_the_watchdog_tells(tmp_path: Path) -> None:
    server = MailboxdAccess(tmp_path)
    server.log.write_text(log_of(0.075))
    assert server.stalls() == [0.075]
    assert server.stalls_until_stop() == [0.075]


def test_says_where_the_daemon_did_not_count(tmp_path: Path) -> None:
    server = MailboxdAccess(tmp_path)
    server.log.write_text(log_of(0.1).rpartition("the reactor")[0])
    assert server.stalls() == [0.1]
    with pytest.raises(RuntimeError, match="did not count"):
        server.stalls_until_stop()
