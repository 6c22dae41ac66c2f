"""Signals that come in one round of the reactor: a process of its own runs it, for its end and what it logs."""

from __future__ import annotations

import subprocess
import sys

import pytest

SIGNALLED = """
import os, signal, sys
from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver
from mailbox_d.net.signals import StopOnce

globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)])
StopOnce(reactor).startService()
signals = [signal.Signals[name] for name in sys.argv[1:]]
reactor.callWhenRunning(reactor.callLater, 0, lambda: [os.kill(os.getpid(), number) for number in signals])
reactor.run()
"""


@pytest.mark.parametrize(
    "names",
    [["SIGTERM"], ["SIGTERM", "SIGTERM"], ["SIGTERM", "SIGINT", "SIGTERM"], ["SIGINT", "SIGTERM"]],
    ids=" ".join,
)
def test_however_often_it_is_asked_to_stop_it_stops_once_and_logs_no_fault(names: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", SIGNALLED, *names], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.count("shutting down") == 1
    assert f"Received {names[0]}" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
