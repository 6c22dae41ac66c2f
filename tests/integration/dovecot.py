"""A Dovecot over the same Maildirs as a site's daemon, with a folder, ports and a process of its own.

Dovecot serves no mail as root, and both servers must be one user. Where the tests are root's, both are `mail`.
"""

from __future__ import annotations

import getpass
import grp
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.daemon import START_SECONDS, STOP_SECONDS, Daemon, can_connect
from tests.integration.ports import free_ports
from tests.integration.programs import require
from tests.integration.site import ALICE, BOB, PASSWORD, Site, make_site

CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
passdb {{
  driver = passwd-file
  args = {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={maildirs}/%d/%n
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
"""

_COMPLAINT = re.compile(r" (Warning|Error|Fatal|Panic): ")
_ASKED_TO_END = "master: Warning: Killed with signal 15"
_READS_EVERYTHING = 2
"""CAP_DAC_READ_SEARCH: the interpreter may lie in root's home."""


class Dovecot:
    """One Dovecot at a time over a site's Maildirs; its log is kept over restarts."""

    def __init__(self, folder: Path, site: Site, settings: str = "") -> None:
        """`settings`: what stands in its configuration besides."""
        self.folder = folder
        self.imap, self.pop3 = free_ports(2)
        self.lmtp_socket = folder / "run/lmtp"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "run").mkdir(parents=True)
        (folder / "passwords").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in (ALICE, BOB)))
        maildirs = site.folder / "maildirs"
        names = {"user": mail_user(), "group": mail_group(), "imap": self.imap, "pop3": self.pop3}
        (folder / "dovecot.conf").write_text(CONFIGURATION.format(folder=folder, maildirs=maildirs, **names) + settings)
        give_away(folder)

    def start(self) -> None:
        command = [*as_mail_user(), require("dovecot"), "-F", "-c", str(self.folder / "dovecot.conf")]
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        deadline = time.monotonic() + START_SECONDS
        while not (can_connect(self.imap) and can_connect(self.pop3) and can_connect_to(self.lmtp_socket)):
            said_text = (self.folder / "said").read_text() + self.log_text()
            assert self.process.poll() is None, f"Dovecot ended at its start\n{said_text}"
            assert time.monotonic() < deadline, f"no answer within {START_SECONDS} s\n{said_text}"
            time.sleep(0.02)

    def stop(self) -> None:
        """Ask it to end, which ends its children too, and wait for that."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def log_text(self) -> str:
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def complaints(self) -> list[str]:
        """Lines of its log that are worse than information, but for the one that says that it was stopped."""
        return [line for line in self.log_text().splitlines() if _COMPLAINT.search(line) and _ASKED_TO_END not in line]


@dataclass(frozen=True, slots=True)
class SharedSite:
    """A site whose Maildirs both servers are given: in turn, or at once."""

    site: Site
    daemon: Daemon
    dovecot: Dovecot

    @contextmanager
    def mailboxd_runs(self) -> Iterator[Site]:
        """mailboxd over the Maildirs; it must end cleanly, without an uncaught error in its log."""
        self.daemon.start()
        try:
            yield self.site
        finally:
            status = self.daemon.stop()
        assert status in (0, -signal.SIGTERM), self.daemon.log_tail()
        assert self.daemon.faults_logged() == []

    @contextmanager
    def dovecot_runs(self, *, known: Callable[[str], bool] = lambda line: False) -> Iterator[Dovecot]:
        """Dovecot over the Maildirs; it must find nothing to complain about but what is known."""
        self.dovecot.start()
        try:
            yield self.dovecot
        finally:
            self.dovecot.stop()
        complaints = [line for line in self.dovecot.complaints() if not known(line)]
        assert not complaints, "\n".join(complaints)


@contextmanager
def shared_site(settings: str = "") -> Iterator[SharedSite]:
    """Both servers, not started yet, in a folder that a user without rights can reach. `settings`: see `Dovecot`."""
    require("dovecot")
    folder = Path(tempfile.mkdtemp(prefix="mailboxd-dovecot-"))
    folder.chmod(0o755)
    site = make_site(folder / "site")
    (site.folder / "maildirs").mkdir(exist_ok=True)
    give_away(site.folder)
    shared = SharedSite(site, Daemon(site, prefix=as_mail_user()), Dovecot(folder / "dovecot", site, settings))
    try:
        yield shared
    finally:
        shared.dovecot.stop()
        shared.daemon.stop()
        shutil.rmtree(folder)


def mail_user() -> str:
    return getpass.getuser() if os.geteuid() else "mail"


def mail_group() -> str:
    return grp.getgrgid(os.getegid()).gr_name if os.geteuid() else "mail"


def as_mail_user() -> list[str]:
    """What stands before a command, so that it is run as the user who owns the mail."""
    if os.geteuid():
        return []
    command = ["setpriv", "--reuid=mail", "--regid=mail", "--clear-groups"]
    capabilities = int(re.findall(r"CapEff:\s+([0-9a-f]+)", Path("/proc/self/status").read_text())[0], 16)
    if capabilities >> _READS_EVERYTHING & 1:
        command += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return command


def give_away(folder: Path) -> None:
    """Let the user who owns the mail own the folder and all in it."""
    if not os.geteuid():
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, "mail", "mail")


def can_connect_to(path: Path) -> bool:
    """Whether somebody answers at a socket of the file system."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True
