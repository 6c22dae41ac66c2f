"""The servers that logins are measured on: users of one scheme, with the cache of logins or without it."""

from __future__ import annotations

import base64
import hashlib
import pwd
import shutil
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

from bench.access_corpus import give
from bench.servers import DOMAIN, PASSWORD, START_SECONDS, end
from mailbox_d.auth.passwords import hash_password
from mailbox_d.ctl.self_signed import make_certificate
from tests.integration.ports import HOST, free_ports
from tests.integration.slapd import SECRET, SERVICE_DN, SUFFIX, make_slapd, person
from tests.integration.slapd import serving as serving_directory

USERS = 50

MAILBOXD = """\
hostname: mail.example.org
storage: {{maildirs: maildirs, state: state}}
listeners:
  imap: ["tcp:{port}:interface=127.0.0.1"]
tls:
  certificates:
    - {{certificate: {files.certificate}, key: {files.key}}}
realms:
  bench: {realm}
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

DIRECTORY = """\

    ldap:
      uris: [{uri}]
      ca: {authority}
      bind_dn: {service}
      bind_password_file: ldap.secret
      base: ou=people,{suffix}
      disabled: (employeeType=former)
      login_cache: {cache}
"""

DOVECOT = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_cache_size = {cache}
auth_cache_ttl = 5 mins
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
  service_count = 0
  process_min_avail = 2
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""
"""With processes that take many logins each, as its manual has it for speed."""


def _ssha512() -> str:
    salt = b"saltsalt"
    return "{SSHA512}" + base64.b64encode(hashlib.sha512(PASSWORD.encode() + salt).digest() + salt).decode()


LDAP = "LDAP"
"""No scheme of ours: passwords are tried at an OpenLDAP server, which has them in clear text."""

STORED: dict[str, Callable[[], str]] = {
    "ARGON2ID": lambda: hash_password(PASSWORD.encode()),
    "SCRAM-SHA-256": lambda: hash_password(PASSWORD.encode(), scheme="SCRAM-SHA-256"),
    "BLF-CRYPT": lambda: "{BLF-CRYPT}" + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode(),
    "SHA512-CRYPT": lambda: "{SHA512-CRYPT}" + sha512_crypt.using(rounds=5000).hash(PASSWORD),
    "SSHA512": _ssha512,
    "PLAIN": lambda: "{PLAIN}" + PASSWORD,
}
"""What makes a stored password of each scheme."""


@dataclass(frozen=True, slots=True)
class LoginSite:
    """Where a server of this process listens for IMAP. `delay`: seconds before the answer to a failed login."""

    port: int
    pid: int
    delay: float = 0.0

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(f"user{number}@{DOMAIN}" for number in range(USERS))


def schemes() -> list[str]:
    """What can be measured here."""
    return [*STORED, *([LDAP] if shutil.which("slapd") and shutil.which("ldapadd") else [])]


@contextmanager
def serving(folder: Path, scheme: str, *, cached: bool, delay: float = 0.1) -> Iterator[LoginSite]:
    """mailboxd for as long as the block. `disabled@example.org` is a user who may not log in."""
    folder.mkdir(parents=True)
    cache = "5 min" if cached else "0 s"
    with _realm(folder, scheme, cache) as realm:
        (port,) = free_ports(1)
        configuration = folder / "mailboxd.yaml"
        files = make_certificate(folder / "tls", ("mail.example.org",))
        values = {"port": port, "delay": f"{delay * 1000:.0f} ms", "cache": cache, "realm": realm}
        configuration.write_text(MAILBOXD.format(**values, files=files))
        command = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "mailboxd", "--config"]
        with _running([*command, str(configuration)], folder, port) as pid:
            yield LoginSite(port, pid, delay)


@contextmanager
def serving_by_dovecot(folder: Path, scheme: str, *, cached: bool) -> Iterator[LoginSite]:
    """A Dovecot with the same passwords, for as long as the block."""
    (folder / "run").mkdir(parents=True)
    (folder / "maildirs" / DOMAIN).mkdir(parents=True)
    give(folder / "maildirs", folder / "maildirs" / DOMAIN)
    (port,) = free_ports(1)
    values = {"port": port, "cache": "10M" if cached else "0", "owner": pwd.getpwnam("mail")}
    (folder / "dovecot.conf").write_text(DOVECOT.format(**values, folder=folder))
    stored = STORED[scheme]()
    (folder / "passwords").write_text("".join(f"user{number}@{DOMAIN}:{stored}\n" for number in range(USERS)))
    with _running(["dovecot", "-F", "-c", str(folder / "dovecot.conf")], folder, port) as pid:
        yield LoginSite(port, pid)


@contextmanager
def _realm(folder: Path, scheme: str, cache: str) -> Iterator[str]:
    """The keys of a realm with all users, for as long as the block."""
    users = [f"user{number}" for number in range(USERS)]
    if scheme != LDAP:
        stored = STORED[scheme]()
        lines = "".join(f'  {user}@{DOMAIN}: {{password: "{stored}"}}\n' for user in users)
        disabled = f'  disabled@{DOMAIN}: {{password: "{stored}", enabled: false}}\n'
        (folder / "users.yaml").write_text(f"users:\n{lines}{disabled}")
        yield "{yaml: users.yaml}"
        return
    entries = "".join(person(user, password=PASSWORD) for user in users)
    entries += person("disabled", "employeeType: former", password=PASSWORD)
    (folder / "ldap.secret").write_text(SECRET)
    (folder / "ldap.secret").chmod(0o600)
    with serving_directory(make_slapd(folder / "slapd"), entries) as slapd:
        values = {"service": SERVICE_DN, "suffix": SUFFIX, "authority": slapd.authority, "cache": cache}
        yield DIRECTORY.format(uri=slapd.uris["ldaps"], **values)


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[int]:
    """A server's process, from its greeting on."""
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=folder)
    try:
        _wait_for(port, folder / "said")
        yield process.pid
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
