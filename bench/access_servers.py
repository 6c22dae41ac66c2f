"""Servers that mail is read from, over Maildirs of their own with the same messages: mailboxd, and Dovecot beside."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import message_of
from bench.servers import DOMAIN, HOST, PASSWORD, START_SECONDS, end, free_ports
from mailbox_d.auth.passwords import hash_password
from mailbox_d.ctl.self_signed import make_certificate

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
passdb {{
  driver = passwd-file
  args = {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={folder}/maildirs/%d/%n
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


@dataclass(slots=True)
class AccessServer:
    """A server that is started over Maildirs it has never seen, and stopped by its pid."""

    folder: Path
    name: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def prepare(self, mailboxes: dict[str, Path]) -> None:
        """Make a Maildir for each user, of hard links to the messages in a folder."""
        for user, source in mailboxes.items():
            maildir = self.folder / "maildirs" / DOMAIN / user / "Maildir"
            for part in ("new", "tmp"):
                (maildir / part).mkdir(parents=True)
            shutil.copytree(source, maildir / "cur", copy_function=os.link)

    def start(self) -> None:
        self.ports = dict(zip(KINDS, free_ports(len(KINDS)), strict=True))
        command = self.configure()
        with (self.folder / "said").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + START_SECONDS
        while not is_open(self.ports["imap"]):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not answer: {(self.folder / 'said').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        end(self.process)

    def configure(self) -> list[str]:
        """Write the configuration; the command that starts the server with it."""
        raise NotImplementedError


class MailboxdAccess(AccessServer):
    """`twistd mailboxd` of this tree."""

    def configure(self) -> list[str]:
        self.name = "mailboxd"
        files = make_certificate(self.folder / "tls", ("mail.example.org",))
        configuration = self.folder / "mailboxd.yaml"
        configuration.write_text(MAILBOXD.format(**self.ports, files=files))
        record = f'{{password: "{hash_password(PASSWORD.encode())}"}}'
        users = [folder.name for folder in (self.folder / "maildirs" / DOMAIN).iterdir()]
        (self.folder / "users.yaml").write_text("users:\n" + "".join(f"  {u}@{DOMAIN}: {record}\n" for u in users))
        twistd = str(Path(sys.executable).with_name("twistd"))
        return [twistd, "-n", "--pidfile=", "mailboxd", "--config", str(configuration)]


class DovecotAccess(AccessServer):
    """A Dovecot with Debian's defaults, but for what keeps it in the folder."""

    @staticmethod
    def missing() -> str:
        """Why there can be no Dovecot here; empty where there can."""
        if os.geteuid():
            return "Dovecot needs root"
        return "" if shutil.which("dovecot") else "Dovecot is not installed"

    def configure(self) -> list[str]:
        self.name = "Dovecot"
        files = make_certificate(self.folder / "tls", ("mail.example.org",))
        (self.folder / "run").mkdir()
        owner = pwd.getpwnam("mail")
        for path in [self.folder / "maildirs", *(self.folder / "maildirs").glob("**/")]:
            shutil.chown(path, owner.pw_uid, owner.pw_gid)
        users = [folder.name for folder in (self.folder / "maildirs" / DOMAIN).iterdir()]
        (self.folder / "passwords").write_text("".join(f"{user}@{DOMAIN}:{{PLAIN}}{PASSWORD}\n" for user in users))
        configuration = self.folder / "dovecot.conf"
        configuration.write_text(DOVECOT.format(**self.ports, folder=self.folder, files=files, owner=owner))
        return ["dovecot", "-F", "-c", str(configuration)]


def make_messages(folder: Path, count: int, size: int) -> int:
    """Messages of about `size` octets with names as both servers give them; their octets on the wire in all."""
    folder.mkdir(parents=True)
    total = 0
    for number in range(count):
        fields = f"Message-ID: <{number}@bench.example.com>\r\nReferences: <{number - 1}@bench.example.com>\r\n"
        wire = fields.encode() + message_of(size, f"sender{number % 50}@example.com") + b"\r\n"
        octets = wire.replace(b"\r\n", b"\n")
        name = f"{1_700_000_000 + number}.M{number}P1.bench,S={len(octets)},W={len(wire)}:2,{'S' if number % 3 else ''}"
        path = folder / name
        path.write_bytes(octets)
        path.chmod(0o644)
        total += len(wire)
    return total


def is_open(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), 1):
            return True
    except OSError:
        return False
