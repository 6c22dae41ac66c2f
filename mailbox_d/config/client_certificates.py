"""The section on client certificates, `login.client_certificates`: whose prove an address."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mailbox_d.config.scalars import FilePath
from mailbox_d.config.section import Section


class ClientCertificates(Section):
    """Certificates that mail programs show in the handshake, and that log their users in by `EXTERNAL`."""

    ca: Annotated[Path, FilePath()]
    """The authorities that make users' certificates, in PEM, a root among them: these alone, never the system's."""

    crl: Annotated[Path, FilePath()] | None = None
    """Which of their certificates are revoked: a list of each authority, in PEM; null: none is. Once a list has
    expired, no certificate is taken that it is about. At most 16 MiB."""
