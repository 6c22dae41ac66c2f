"""The sections on outgoing mail: `queue`, `dkim` and `record`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Strict, model_validator

from mailbox_d.config.faults import Refusal
from mailbox_d.config.scalars import (
    FilePath,
    Hostname,
    IPNetwork,
    Network,
    Port,
    RoutedDomain,
    RoutedSender,
    Server,
    ServerAddress,
    Text,
)
from mailbox_d.config.section import Section
from mailbox_d.config.units import DAY, GIB, HOUR, MIB, MINUTE, Duration, Size

DNS_PORT = 53
SMTP_PORT = 25
HTTPS_PORT = 443


Provider: TypeAlias = Literal["gmail", "outlook", "yahoo", "mail.ru", "yandex"]


class Relay(Section):
    """A server that takes outgoing mail; either its `host` or a `preset` is given."""

    host: Annotated[str, Hostname()] | None = None
    """Its name, which is looked up in DNS; `localhost` is this machine."""

    preset: Provider | None = None
    """A well-known provider, whose host and port are known. The password is one that the provider gives to programs."""

    port: Annotated[int, Port()] = 587
    """Its port; 465 begins with TLS, others turn to it by STARTTLS. A preset has its own."""

    username: Annotated[str, Text()] | None = None
    """The name to log in with; null: no login."""

    password_file: Annotated[Path, FilePath()] | None = None
    """A file with the password."""

    tls: Literal["verified", "encrypted", "optional"] = "verified"
    """What the connection must be: TLS with a certificate for the host, TLS with any, or TLS where it is offered. No
    password is sent but inside TLS."""

    @model_validator(mode="after")
    def _host_or_preset(self) -> Relay:
        if (self.host is None) == (self.preset is None):
            problem = "the server has no host" if self.host is None else "host and preset are both given"
            raise Refusal(problem, "either host or preset")
        return self

    @model_validator(mode="after")
    def _name_and_password_together(self) -> Relay:
        if (self.username is None) != (self.password_file is None):
            raise Refusal("one of username and password_file is missing", "both of them, or neither")
        return self


class Route(Section):
    """Mail that takes another way than `queue.relay` says; the first route that fits is taken."""

    domains: Annotated[tuple[Annotated[str, RoutedDomain()], ...], Strict(False)] = ()
    """Recipients' domains, `.example.com` for all below it; empty: any."""

    senders: Annotated[tuple[Annotated[str, RoutedSender()], ...], Strict(False)] = ()
    """Envelope senders, `@example.org` for all of a domain; empty: any."""

    relay: Relay | None = None
    """The server that takes the mail; null: each domain's own, by MX."""


class Queue(Section):
    """Outgoing mail."""

    relay: Relay | None = None
    """The server that takes all outgoing mail; null: each domain's own, by MX."""

    routes: Annotated[tuple[Route, ...], Strict(False)] = ()
    """Mail that takes another way, by recipients' domains or by senders."""

    send: bool = True
    """Whether mail for other sites is sent; false: it stays in the queue, as on a machine for tests."""

    resolver: Annotated[ServerAddress, Server(DNS_PORT)] | None = None
    """The DNS server to ask, such as `127.0.0.1:5353`; null: the system's."""

    resolver_validates: bool | None = None
    """Whether the DNS server is believed that it has checked an answer's signatures (DNSSEC), without which there is no
    DANE; null: if it is on this machine."""

    port: Annotated[int, Port()] = SMTP_PORT
    """The port where MX hosts listen; other values than 25 are for tests."""

    ipv6: bool = True
    """Whether hosts are connected to by IPv6."""

    allowed_addresses: Annotated[tuple[Annotated[IPNetwork, Network()], ...], Strict(False)] = ()
    """Addresses and networks to which mail is sent though DNS should not name them: loopback, private and other special
    ones are refused elsewhere."""

    ca: Annotated[Path, FilePath()] | None = None
    """The authorities that servers' certificates are checked against, in PEM; null: the system's."""

    mta_sts: bool = True
    """Whether what a domain says of its servers' TLS by MTA-STS (RFC 8461) is asked for and kept to."""

    mta_sts_port: Annotated[int, Port()] = HTTPS_PORT
    """The port where MTA-STS policies are fetched; other values than 443 are for tests."""

    dane: bool = True
    """Whether servers' certificates are compared with those that DNS names (DANE, RFC 7672)."""

    remember_tls: bool = True
    """Whether a domain whose servers had TLS, or a certificate that was right, is sent nothing with less later."""

    srs: bool = True
    """Whether mail that is forwarded elsewhere is given a sender of ours (SRS), so that SPF does not refuse it."""

    retry_after: Annotated[float, Duration(least=1, most=DAY)] = 5 * MINUTE
    """The wait after the first attempt that failed for now. It doubles with each one, give or take some chance."""

    retry_most: Annotated[float, Duration(least=1, most=7 * DAY)] = 4 * HOUR
    """The longest wait between two attempts."""

    warn_after: Annotated[float, Duration(least=MINUTE, most=30 * DAY)] = 4 * HOUR
    """When the sender is told that a message is late."""

    give_up_after: Annotated[float, Duration(least=MINUTE, most=30 * DAY)] = 5 * DAY
    """When a message is given back to its sender."""


class Dkim(Section):
    """The signatures of outgoing mail (DKIM, RFC 6376)."""

    keys: Annotated[Path, FilePath()] | None = None
    """The folder of the keys, one folder a domain; null: `dkim` in `storage.state`. Without a key nothing is signed."""


class Record(Section):
    """What is remembered of each message for `mailboxctl explain`."""

    keep: Annotated[float, Duration(least=HOUR, most=3650 * DAY)] = 30 * DAY
    """For how long."""

    size: Annotated[int, Size(most=64 * GIB)] = 256 * MIB
    """Octets of all that is remembered; what is oldest goes first. 0: nothing is remembered."""
