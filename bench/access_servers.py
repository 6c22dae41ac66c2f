"""Servers that mail is read from, over Maildirs of their own with the same messages: mailboxd, and Dovecot beside.

Both have their users' passwords in clear, so that a login costs no hash.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from bench.access_corpus import Corpus, give
from bench.processes import cpu_seconds
from bench.servers import DOMAIN, HOST, PASSWORD, START_SECONDS, end
from mailbox_d.ctl.self_signed import make_certificate
from tests.integration.ports import free_ports

KINDS = ("imap", "imaps", "pop3")

MAILBOXD = """\
hostname: mail.example.org
storage: {{maildirs: maildirs, state: state}}
listeners:
  imap: ["tcp:{imap}:interface=127.0.0.1"]
  imaps: ["tcp:{imaps}:interface=127.0.0.1"]
  pop3: ["tcp:{pop3}:interface=127.0.0.1"]
tls:
  certificates:
    - {{certificate: {files.certificate}, key: {files.key}}}
realms:
  bench: {{yaml: users.yaml}}
domains:
  example.org: {{realm: bench}}
login: {{allow_plaintext: true}}
limits:
  exempt: [127.0.0.1]
  connections_per_user: 0
"""

DOVECOT = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{files.certificate}
ssl_key = <{files.key}
disable_plaintext_auth = no
auth_mechanisms = plain
first_valid_uid = 1
mail_location = maildir:~/Maildir
mail_max_userip_connections = 100
default_client_limit = 5000
passdb {{
  driver = passwd-file
  args = {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={folder}/maildirs/%d/%n
}}
service imap {{
  process_limit = 2000
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
"""


IDLE_SECONDS, IDLE_SHARE = 0.2, 0.05
"""Who has used less than this share of a processor for so long is idle."""

STALL = re.compile(rb"the reactor was held up for ([0-9.]+) s")
STARVED = re.compile(rb"the reactor waited ([0-9.]+) s for a processor")
STALLS_IN_ALL = re.compile(rb"the reactor was held up (\d+) times")


@dataclass(slots=True)
class AccessServer:
    """A server that is started over Maildirs it has never seen, and stopped by its pid."""

    name: ClassVar[str]
    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> Path:
        return self.folder / "said"

    def start(self, users: Sequence[str], mail: Corpus) -> None:
        """Give each user a Maildir of the mail, and begin to serve them."""
        for user in users:
            mail.lay_out(self.folder / "maildirs" / DOMAIN / user / "Maildir")
        self.ports = dict(zip(KINDS, free_ports(len(KINDS)), strict=True))
        command = self.configure([f"{user}@{DOMAIN}" for user in users])
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + START_SECONDS
        while not is_open(self.ports["imap"]):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not answer: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        self._wait_until_idle(deadline)

    def _wait_until_idle(self, deadline: float) -> None:
        """What a server does at its start, its other processes included, belongs to no work."""
        before, used = -1.0, cpu_seconds(self.pid)
        while used - before > IDLE_SHARE * IDLE_SECONDS and time.monotonic() < deadline:
            time.sleep(IDLE_SECONDS)
            before, used = used, cpu_seconds(self.pid)

    def stop(self) -> None:
        end(self.process)

    def configure(self, users: Sequence[str]) -> list[str]:
        """Write the configuration; the command that starts the server with it."""
        raise NotImplementedError

    def stalls(self) -> list[float]:
        """The seconds of each time that the reactor was held up until now; none in a server without reactor."""
        return []

    def starved(self) -> list[float]:
        """The seconds of each time that the reactor was late because it had no processor."""
        return []

    def stalls_until_stop(self) -> list[float]:
        """The same of a server that was stopped. Raises `RuntimeError` where it did not say how many there were."""
        return []


class MailboxdAccess(AccessServer):
    """`twistd mailboxd` of this tree."""

    name = "mailboxd"

    def configure(self, users: Sequence[str]) -> list[str]:
        files = make_certificate(self.folder / "tls", ("mail.example.org",))
        configuration = self.folder / "mailboxd.yaml"
        configuration.write_text(MAILBOXD.format(**self.ports, files=files))
        lines = (f'  {user}: {{password: "{{PLAIN}}{PASSWORD}"}}\n' for user in users)
        (self.folder / "users.yaml").write_text("users:\n" + "".join(lines))
        twistd = str(Path(sys.executable).with_name("twistd"))
        return [twistd, "-n", "--pidfile=", "mailboxd", "--config", str(configuration)]

    def stalls(self) -> list[float]:
        return [float(late) for late in STALL.findall(self.log.read_bytes())]

    def starved(self) -> list[float]:
        return [float(late) for late in STARVED.findall(self.log.read_bytes())]

    def stalls_until_stop(self) -> list[float]:
        said = STALLS_IN_ALL.search(self.log.read_bytes())
        if said is None or int(said[1]) != len(self.stalls()):
            raise RuntimeError(f"{self.name} did not count its stalls: {self.log.read_text()[-2000:]}")
        return self.stalls()


class DovecotAccess(AccessServer):
    """A Dovecot with Debian's defaults, but for what keeps it in the folder and what bounds connections."""

    name = "Dovecot"

    @staticmethod
    def missing() -> str:
        """Why there can be no Dovecot here; empty where there can."""
        if os.geteuid():
            return "Dovecot needs root"
        return "" if shutil.which("dovecot") else "Dovecot is not installed"

    def configure(self, users: Sequence[str]) -> list[str]:
        files = make_certificate(self.folder / "tls", ("mail.example.org",))
        (self.folder / "run").mkdir()
        give(self.folder / "maildirs", self.folder / "maildirs" / DOMAIN)
        owner = pwd.getpwnam("mail")
        (self.folder / "passwords").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in users))
        configuration = self.folder / "dovecot.conf"
        configuration.write_text(DOVECOT.format(**self.ports, folder=self.folder, files=files, owner=owner))
        return ["dovecot", "-F", "-c", str(configuration)]


def is_open(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), 1):
            return True
    except OSError:
        return False
