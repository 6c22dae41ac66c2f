"""The site that logins are measured on: users of one scheme, with the cache of logins or without it."""

from __future__ import annotations

import base64
import hashlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
from passlib.hash import sha512_crypt

from bench.servers import DOMAIN, PASSWORD, START_SECONDS, end
from mailbox_d.auth.passwords import hash_password
from mailbox_d.ctl.self_signed import make_certificate
from tests.integration.ports import HOST, free_ports

USERS = 50

CONFIGURATION = """\
hostname: mail.example.org
storage: {{maildirs: maildirs, state: state}}
listeners:
  imap: ["tcp:{port}:interface=127.0.0.1"]
tls:
  certificates:
    - {{certificate: {files.certificate}, key: {files.key}}}
realms:
  bench: {{yaml: users.yaml}}
domains:
  example.org: {{realm: bench}}
login:
  allow_plaintext: true
limits:
  exempt: [127.0.0.1]
  connections_per_user: 0
  login_failures: 100
  login_failures_per_user: 1000000
  login_failure_delay: {delay}
  login_failure_delay_most: {delay}
  password_cache: {cache}
"""


def _ssha512() -> str:
    salt = b"saltsalt"
    return "{SSHA512}" + base64.b64encode(hashlib.sha512(PASSWORD.encode() + salt).digest() + salt).decode()


SCHEMES: dict[str, Callable[[], str]] = {
    "ARGON2ID": lambda: hash_password(PASSWORD.encode()),
    "SCRAM-SHA-256": lambda: hash_password(PASSWORD.encode(), scheme="SCRAM-SHA-256"),
    "BLF-CRYPT": lambda: "{BLF-CRYPT}" + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode(),
    "SHA512-CRYPT": lambda: "{SHA512-CRYPT}" + sha512_crypt.using(rounds=5000).hash(PASSWORD),
    "SSHA512": _ssha512,
    "PLAIN": lambda: "{PLAIN}" + PASSWORD,
}
"""What makes a stored password of each."""


@dataclass(frozen=True, slots=True)
class LoginSite:
    """Where a server listens for IMAP. `delay`: seconds before the answer to a failed login."""

    port: int
    delay: float

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(f"user{number}@{DOMAIN}" for number in range(USERS))


@contextmanager
def serving(folder: Path, scheme: str, *, cached: bool, delay: float = 0.1) -> Iterator[LoginSite]:
    """A server for as long as the block. `disabled@example.org` is a user who may not log in."""
    folder.mkdir(parents=True)
    (port,) = free_ports(1)
    site = LoginSite(port, delay)
    cache = "5 min" if cached else "0 s"
    configuration = folder / "mailboxd.yaml"
    values = {"port": port, "delay": f"{delay * 1000:.0f} ms", "cache": cache}
    files = make_certificate(folder / "tls", ("mail.example.org",))
    configuration.write_text(CONFIGURATION.format(**values, files=files))
    stored = SCHEMES[scheme]()
    users = "".join(f'  {user}: {{password: "{stored}"}}\n' for user in site.users)
    disabled = f'  disabled@{DOMAIN}: {{password: "{stored}", enabled: false}}\n'
    (folder / "users.yaml").write_text(f"users:\n{users}{disabled}")
    command = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "mailboxd", "--config"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, str(configuration)], stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for(port, folder / "log")
        yield site
    finally:
        end(process)


def _wait_for(port: int, log: Path) -> None:
    """Return when the server greets. Raises `TimeoutError` with the end of its log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((HOST, port), 5) as connection:
                if connection.recv(512).startswith(b"* OK"):
                    return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"no greeting at port {port}\n{log.read_text(errors='replace')[-3000:]}")
