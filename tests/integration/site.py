"""A site in a folder: a copy of the contract's site with certificates, and with ports that are free here."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from mailbox_d.ctl.self_signed import make_certificate
from tests.integration.ports import HOST, free_ports

CONTRACT = Path(__file__).resolve().parent.parent / "contract/site"
UNLIMITED_HOST = "127.0.0.2"
"""The contract exempts this address from limits of connections and rates."""

CONTRACT_PORTS = {
    "smtp": 2525,
    "submission": 2587,
    "submissions": 2465,
    "imap": 2143,
    "imaps": 2993,
    "pop3": 2110,
    "pop3s": 2995,
}
ALICE = "alice@example.org"
BOB = "bob@example.net"
PASSWORD = "pass"


@dataclass(frozen=True, slots=True)
class Site:
    """Where a site's parts are. `ports` is by kind of service."""

    folder: Path
    ports: dict[str, int]

    @property
    def configuration(self) -> Path:
        return self.folder / "mailboxd.yaml"

    @property
    def lmtp_socket(self) -> Path:
        return self.folder / "state/lmtp.sock"

    @property
    def certificate(self) -> Path:
        """The default certificate, which names mail.example.org, localhost and 127.0.0.1."""
        return self.folder / "tls/mail.example.org.pem"

    def maildir(self, address: str) -> Path:
        local_part, _, domain = address.partition("@")
        return self.folder / "maildirs" / domain / local_part / "Maildir"

    def message_files(self, address: str) -> list[Path]:
        """The files of an INBOX, delivered or seen, by name."""
        maildir = self.maildir(address)
        return sorted(
            path for part in ("new", "cur") if (maildir / part).is_dir() for path in (maildir / part).iterdir()
        )

    def unfinished_files(self) -> list[Path]:
        """What lies in any `tmp/` of the store."""
        return sorted(path for path in (self.folder / "maildirs").glob("**/tmp/*") if path.is_file())


def make_site(folder: Path) -> Site:
    """Copy the contract's site to `folder`, which must not exist, on free ports."""
    shutil.copytree(CONTRACT, folder)
    for domain in ("example.org", "example.net"):
        make_certificate(folder / "tls", (f"mail.{domain}", "localhost"), (HOST, UNLIMITED_HOST))
    site = Site(folder, dict(zip(CONTRACT_PORTS, free_ports(len(CONTRACT_PORTS)), strict=True)))
    text = site.configuration.read_text()
    for kind, port in site.ports.items():
        text, count = re.subn(rf"tcp:{CONTRACT_PORTS[kind]}:", f"tcp:{port}:", text)
        assert count == 1, f"the contract has no {kind} at port {CONTRACT_PORTS[kind]}"
    site.configuration.write_text(text)
    return site
