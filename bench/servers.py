"""The servers under load, each over Maildirs in a temporary folder of its own: mailboxd, and a Postfix to stand beside.

A server here is started, asked for its ports, its Maildirs and its process, and stopped; what it fsyncs before its 250
is said in `behind_250`.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from mailbox_d.auth.passwords import hash_password
from mailbox_d.ctl.self_signed import CertificateFiles, make_certificate
from tests.integration.ports import free_ports

HOST = "127.0.0.1"
SOURCE = "127.0.0.2"
DOMAIN = "example.org"
PASSWORD = "bench"
USERS = tuple(f"user{number}" for number in range(100))
START_SECONDS = 30.0
STOP_SECONDS = 30.0

MAILBOXD = """\
hostname: mail.example.org
storage: {{maildirs: maildirs, state: state}}
listeners:
  smtp: ["tcp:{smtp}:interface=127.0.0.1"]
  submission: ["tcp:{submission}:interface=127.0.0.1"]
tls:
  certificates:
    - {{certificate: {files.certificate}, key: {files.key}}}
realms:
  bench: {{yaml: users.yaml}}
domains:
  example.org: {{realm: bench}}
limits:
  exempt: [127.0.0.2]
  messages_per_user_per_day: 0
"""

POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.example.org
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
maillog_file = {folder}/log/postfix.log
maillog_file_prefixes = {folder}
virtual_mailbox_domains = example.org
virtual_mailbox_base = {folder}/maildirs
virtual_mailbox_maps = texthash:{folder}/users
virtual_uid_maps = static:{owner.pw_uid}
virtual_gid_maps = static:{owner.pw_gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
message_size_limit = 52428800
smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_chain_files = {files.key}, {files.certificate}
smtpd_sasl_type = dovecot
smtpd_sasl_path = {folder}/auth
smtpd_tls_auth_only = yes
in_flow_delay = {in_flow_delay}
"""

POSTFIX_MASTER = """\
{smtp} inet n - n - - smtpd
{submission} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable={auth}
"""

POSTFIX_SERVICES = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT_AUTH = """\
base_dir = {folder}/run
log_path = {folder}/log/dovecot.log
protocols =
ssl = no
auth_mechanisms = plain
passdb {{
  driver = passwd-file
  args = {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={folder}
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""


@dataclass(slots=True)
class Server:
    """What the bench needs of a server. Ports are open and processes live between `start` and `stop`; `pids` are those
    that all others come from.
    """

    name: str
    folder: Path
    behind_250: str
    can_login: bool = True
    ports: dict[str, int] = field(default_factory=dict)
    pids: tuple[int, ...] = ()

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """End all processes, also where only some of them were started."""
        raise NotImplementedError

    def maildir(self, user: str) -> Path:
        raise NotImplementedError

    def delivered(self) -> list[os.stat_result]:
        """The files in all Maildirs' `new/`."""
        folders = [self.maildir(user) / "new" for user in USERS]
        return [entry.stat() for folder in folders if folder.is_dir() for entry in os.scandir(folder)]

    def delivered_count(self) -> int:
        folders = [self.maildir(user) / "new" for user in USERS]
        return sum(len(list(folder.iterdir())) for folder in folders if folder.is_dir())

    def forget(self) -> None:
        """Remove all delivered messages."""
        for user in USERS:
            for path in (self.maildir(user) / "new").glob("*"):
                path.unlink()


class Mailboxd(Server):
    """`twistd mailboxd` of this tree."""

    def __init__(self, folder: Path, profile: Path | None = None, settings: str = "") -> None:
        """`settings`: what stands in its configuration besides."""
        super().__init__("mailboxd", folder, "the message's file and its directory fsynced in the Maildir")
        self._profile = profile
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir()
        self.ports = dict(zip(("smtp", "submission"), free_ports(2), strict=True))
        files = make_certificate(self.folder / "tls", ("mail.example.org",))
        configuration = self.folder / "mailboxd.yaml"
        configuration.write_text(MAILBOXD.format(**self.ports, files=files) + self._settings)
        record = f'{{password: "{hash_password(PASSWORD.encode())}"}}'
        (self.folder / "users.yaml").write_text(
            "users:\n" + "".join(f"  {user}@{DOMAIN}: {record}\n" for user in USERS)
        )
        twistd = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile="]
        if self._profile:
            twistd += ["--profiler=cprofile", "--savestats", f"--profile={self._profile.resolve()}"]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*twistd, "mailboxd", "--config", str(configuration)], stdout=log, stderr=log, cwd=self.folder
            )
        self.pids = (self._process.pid,)
        wait_for_greeting(self.ports["smtp"], self.folder / "log")

    def stop(self) -> None:
        end(self._process)

    def maildir(self, user: str) -> Path:
        return self.folder / "maildirs" / DOMAIN / user / "Maildir"


class Postfix(Server):
    """A Postfix with a configuration, queue and log of its own; virtual(8) delivers. Dovecot checks its logins."""

    def __init__(self, folder: Path, in_flow_delay: str, settings: str = "") -> None:
        """`settings`: what stands in its main.cf besides."""
        name = "Postfix" if in_flow_delay != "0" else "Postfix, in_flow_delay=0"
        behind = "the queue file fsynced, its directory not; the Maildir comes later"
        super().__init__(name, folder, behind, can_login=shutil.which("dovecot") is not None)
        self._in_flow_delay = in_flow_delay
        self._settings = settings
        self._dovecot: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str:
        """Why there can be no Postfix here; empty where there can."""
        if os.geteuid():
            return "Postfix needs root"
        return "" if shutil.which("postfix") else "Postfix is not installed"

    def start(self) -> None:
        self._make_folders()
        self.ports = dict(zip(("smtp", "submission"), free_ports(2), strict=True))
        self._configure(make_certificate(self.folder / "tls", ("mail.example.org",)))
        if self.can_login:
            with (self.folder / "log/dovecot.log").open("wb") as log:
                command = ["dovecot", "-F", "-c", str(self.folder / "dovecot.conf")]
                self._dovecot = subprocess.Popen(command, stdout=log, stderr=log)
        run(["postfix", "-c", str(self.folder / "etc"), "start"])
        wait_for_greeting(self.ports["smtp"], self.folder / "log/postfix.log")
        self.pids = (int((self.folder / "queue/pid/master.pid").read_text()),)
        if self._dovecot:
            self.pids += (self._dovecot.pid,)

    def stop(self) -> None:
        if (self.folder / "queue/pid/master.pid").exists():
            run(["postfix", "-c", str(self.folder / "etc"), "stop"])
        end(self._dovecot)

    def maildir(self, user: str) -> Path:
        return self.folder / "maildirs" / user

    def _make_folders(self) -> None:
        for part in ("etc", "queue", "data", "log", "maildirs", "run"):
            (self.folder / part).mkdir(parents=True)
        for part in ("data", "maildirs"):
            shutil.chown(self.folder / part, "postfix", "postfix")

    def _configure(self, files: CertificateFiles) -> None:
        owner = pwd.getpwnam("postfix")
        values = {"folder": self.folder, "files": files, "owner": owner, "in_flow_delay": self._in_flow_delay}
        auth = "yes" if self.can_login else "no"
        (self.folder / "etc/main.cf").write_text(POSTFIX_MAIN.format(**values) + self._settings)
        (self.folder / "etc/master.cf").write_text(POSTFIX_MASTER.format(**self.ports, auth=auth) + POSTFIX_SERVICES)
        (self.folder / "users").write_text("".join(f"{user}@{DOMAIN} {user}/\n" for user in USERS))
        (self.folder / "dovecot.conf").write_text(DOVECOT_AUTH.format(**values))
        # In clear, for Dovecot hashes at every login from such a file, where mailboxd remembers the login for a while.
        (self.folder / "passwords").write_text("".join(f"{user}@{DOMAIN}:{{PLAIN}}{PASSWORD}\n" for user in USERS))


def run(command: list[str]) -> None:
    """Run a command that may leave daemons behind: they inherit no pipe, so nobody waits for them."""
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, timeout=60, check=False)
        said.seek(0)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {said.read()}")


def end(process: subprocess.Popen[bytes] | None) -> None:
    """Ask a process that was started to end, and wait for that."""
    if process:
        process.terminate()
        process.wait(STOP_SECONDS)


def wait_for_greeting(port: int, log: Path, host: str = HOST) -> None:
    """Return when the server greets. Raises `TimeoutError` with the end of its log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, port), 5) as connection:
                if re.match(rb"220", connection.recv(512)):
                    return
        except OSError:
            time.sleep(0.05)
    said = log.read_text(errors="replace")[-3000:] if log.exists() else ""
    raise TimeoutError(f"no greeting at {host}, port {port}\n{said}")
