"""A real `twistd mailboxd` process over a site: started, waited for, stopped or killed."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.integration.site import HOST, Site

START_SECONDS = 30.0
STOP_SECONDS = 30.0
AWAITED = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s")
TWISTD = Path(sys.executable).with_name("twistd")
FAULT = re.compile(r"Traceback \(most recent call last\)|Unhandled [Ee]rror|\[critical\]|CRITICAL")
FAULT_LINES = 25  # as many as a traceback through the reactor has


class Daemon:
    """One daemon process at a time over one site. Its log, appended over restarts, is `log` in the site's parent."""

    def __init__(self, site: Site, *, prefix: Sequence[str] = ()) -> None:
        self.site = site
        self.prefix = tuple(prefix)
        self.log = site.folder.parent / f"{site.folder.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start the process, from a folder that is not the site's, and wait until it answers everywhere."""
        command = [*self.prefix, str(TWISTD), "-n", "--pidfile=", "mailboxd", "--config", str(self.site.configuration)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.site.folder.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_ready()

    def stop(self) -> int:
        """Ask it to end, wait for that, and return its status: 0, or minus SIGTERM as twistd passes it on."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait()
            raise AssertionError(f"the daemon did not stop within {STOP_SECONDS} s\n{self.log_tail()}") from error

    def kill(self) -> None:
        """End it without warning, as a power cut of the process."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal and go on."""
        assert self.process is not None
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Ask it to read users and certificates again."""
        self.send(signal.SIGHUP)

    @property
    def ended(self) -> bool:
        """Whether the process has ended by itself."""
        assert self.process is not None
        return self.process.poll() is not None

    def restart(self) -> None:
        self.stop()
        self.start()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self, lines: int = 25) -> str:
        return "\n".join(self.log_text().splitlines()[-lines:])

    def faults_logged(self) -> list[str]:
        """Where the log tells of an error nobody caught: that line and the lines after it."""
        lines = self.log_text().splitlines()
        return ["\n".join(lines[at : at + FAULT_LINES]) for at, line in enumerate(lines) if FAULT.search(line)]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process is not None
            status = self.process.poll()
            assert status is None, f"the daemon ended with {status} at its start\n{self.log_tail()}"
            assert time.monotonic() < deadline, f"no answer within {START_SECONDS} s\n{self.log_tail()}"
            time.sleep(0.02)

    def _answers(self) -> bool:
        return self.site.lmtp_socket.exists() and all(can_connect(self.site.ports[kind]) for kind in AWAITED)


def can_connect(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), 1):
            return True
    except OSError:
        return False


@contextmanager
def running(site: Site, *, prefix: Sequence[str] = ()) -> Iterator[Daemon]:
    """The daemon over the site for as long as the block; it must end cleanly, without an uncaught error in its log."""
    daemon = Daemon(site, prefix=prefix)
    try:
        daemon.start()
        yield daemon
    finally:
        status = daemon.stop()
    assert status in (0, -signal.SIGTERM), f"the daemon ended with {status}\n{daemon.log_tail()}"
    assert daemon.faults_logged() == []
