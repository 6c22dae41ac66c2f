"""Well-known providers that take their users' mail for everybody."""

from __future__ import annotations

from typing import NamedTuple

from mailbox_d.config.outgoing import Provider, Relay


class Submission(NamedTuple):
    """Where a server takes mail. TLS begins at once at port 465, elsewhere by STARTTLS (RFC 8314 section 3.3)."""

    host: str
    port: int

    @property
    def implicit_tls(self) -> bool:
        return self.port == IMPLICIT_TLS_PORT


IMPLICIT_TLS_PORT = 465

PRESETS: dict[Provider, Submission] = {
    "gmail": Submission("smtp.gmail.com", 587),
    "outlook": Submission("smtp-mail.outlook.com", 587),
    "yahoo": Submission("smtp.mail.yahoo.com", 465),
    "mail.ru": Submission("smtp.mail.ru", 465),
    "yandex": Submission("smtp.yandex.com", 465),
}


def submission_of(relay: Relay) -> Submission:
    """The server that is configured, by name or as a preset."""
    if relay.preset is not None:
        return PRESETS[relay.preset]
    assert relay.host is not None
    return Submission(relay.host, relay.port)
