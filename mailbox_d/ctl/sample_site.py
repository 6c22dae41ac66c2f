"""`make run`: the sample site of `conf/mailboxd.yaml`, made at the first run, shown, and served.

Run as `python -m mailbox_d.ctl.sample_site` from the top of a checkout; becomes the twistd process.
"""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from mailbox_d.auth.passwords import hash_password
from mailbox_d.ctl.self_signed import make_certificate, write_private

CONFIGURATION = Path("conf/mailboxd.yaml")
USERS = ("alice@example.org", "bob@example.net")
SERVICES = {
    "smtp": ("SMTP, from other servers", "STARTTLS offered"),
    "submission": ("submission", "STARTTLS"),
    "submissions": ("submissions", "TLS"),
    "lmtp": ("LMTP", "none (local)"),
    "imap": ("IMAP", "STARTTLS"),
    "imaps": ("IMAPS", "TLS"),
    "pop3": ("POP3", "STLS"),
    "pop3s": ("POP3S", "TLS"),
}
LOGIN_SERVICES = ("submission", "submissions", "imap", "imaps", "pop3", "pop3s")


@dataclass(frozen=True, slots=True)
class Site:
    """Where the sample site's own files lie."""

    configuration: Path

    @property
    def folder(self) -> Path:
        return self.configuration.parent / "sample"

    @property
    def users(self) -> Path:
        return self.folder / "users.yaml"

    @property
    def passwords(self) -> Path:
        return self.folder / "passwords.txt"

    def certificate(self, host: str) -> Path:
        return self.folder / "tls" / f"{host}.pem"


def prepare(site: Site) -> None:
    """Make whatever of the site is missing; what is there is never touched. Raises `OSError`."""
    for user in USERS:
        make_certificate(site.folder / "tls", (host_of(user), domain_of(user), "localhost"), ("127.0.0.1", "::1"))
    if not site.users.exists():
        chosen = {user: secrets.token_urlsafe(12) for user in USERS}
        write_private(site.passwords, "".join(f"{user} {word}\n" for user, word in chosen.items()).encode())
        write_private(site.users, users_yaml(chosen).encode())


def users_yaml(chosen: Mapping[str, str]) -> str:
    """The users file of the realm, each password hashed."""
    users = {user: {"password": hash_password(word.encode())} for user, word in chosen.items()}
    heading = "# The sample site's users; their passwords in clear text are in passwords.txt beside this file.\n"
    return heading + yaml.safe_dump({"users": users}, sort_keys=False, width=1000)


def read_passwords(site: Site) -> dict[str, str]:
    """The passwords that the first run chose; empty where somebody has taken the file away."""
    if not site.passwords.exists():
        return {}
    return dict(line.split(" ", 1) for line in site.passwords.read_text().splitlines())


def host_of(user: str) -> str:
    return f"mail.{domain_of(user)}"


def domain_of(user: str) -> str:
    return user.partition("@")[2]


def read_listeners(site: Site) -> dict[str, str]:
    """`host:port` or a socket's path for each kind of service that the configuration has; the first of each."""
    listeners: dict[str, list[str]] = yaml.safe_load(site.configuration.read_text())["listeners"]
    return {kind: readable_endpoint(site, endpoints[0]) for kind, endpoints in listeners.items() if endpoints}


def readable_endpoint(site: Site, endpoint: str) -> str:
    kind, _, rest = endpoint.partition(":")
    if kind == "unix":
        return str((site.configuration.parent / rest).resolve())
    port, _, options = rest.partition(":")
    return f"{options.removeprefix('interface=') or '*'}:{port}"


def service_table(listeners: Mapping[str, str], passwords: Mapping[str, str]) -> str:
    """Service, address, security, user, password: a row for each service, or for each user of it."""
    rows = [("service", "address", "security", "user", "password")]
    for kind, address in listeners.items():
        service, security = SERVICES.get(kind, (kind, ""))
        logins = USERS if kind in LOGIN_SERVICES else ("",)
        rows += [(service, address, security, user, passwords.get(user, "")) for user in logins]
    return in_columns(rows)


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def commands(site: Site, listeners: Mapping[str, str], passwords: Mapping[str, str]) -> str:
    """Two commands for another terminal: alice writes to bob, bob reads his newest message."""
    sender, recipient = USERS
    message = rf"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: Hello\r\n\r\nHello from curl.\r\n"
    write = curl(site, listeners["submissions"], sender, passwords)
    read = curl(site, listeners["imaps"], recipient, passwords)
    submissions = f"smtps://{host_of(sender)}:{port_of(listeners['submissions'])}"
    inbox = shlex.quote(f"imaps://{host_of(recipient)}:{port_of(listeners['imaps'])}/INBOX;MAILINDEX=*")
    return (
        f"printf '{message}' |\n"
        f"  {write} --mail-from {sender} --mail-rcpt {recipient} --upload-file - {submissions}\n"
        f"{read} {inbox}"
    )


def curl(site: Site, address: str, user: str, passwords: Mapping[str, str]) -> str:
    """curl as this user, with the site's name led to its loopback address and its certificate trusted."""
    host, certificate = host_of(user), site.certificate(host_of(user)).resolve()
    login = shlex.quote(f"{user}:{passwords.get(user, 'PASSWORD')}")
    resolve = f"{host}:{port_of(address)}:{address.rpartition(':')[0]}"
    return f"curl -sS --cacert {shlex.quote(str(certificate))} --resolve {resolve} --user {login}"


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def introduction(site: Site) -> str:
    """All that a first visitor needs to see."""
    listeners, passwords = read_listeners(site), read_passwords(site)
    return (
        f"\n{service_table(listeners, passwords)}\n\n"
        f"The passwords are also in {site.passwords}. In another terminal, alice writes to bob and bob reads it:\n\n"
        f"{commands(site, listeners, passwords)}\n\n"
        "Ctrl-C stops the server.\n"
    )


def main() -> None:
    """Make the site, show it, become the daemon."""
    site = Site(CONFIGURATION)
    if not site.configuration.exists():
        sys.exit(f"{site.configuration} is not here: run this from the top of a checkout")
    prepare(site)
    print(introduction(site), flush=True)
    twistd = Path(sys.executable).with_name("twistd")
    os.execv(twistd, [str(twistd), "-n", "--pidfile=", "mailboxd", "--config", str(site.configuration)])


if __name__ == "__main__":
    main()
