"""What a single value may be: names, addresses, networks, paths. Each is an annotation of the model's fields.

`Annotated[Path, FilePath()]` makes a field read text and hold a `Path`; the annotation also says itself in the
editors' JSON schema. `read` raises `Refusal` in the operator's words, and nothing of pydantic's shows.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from mailbox_d.address import EmailAddress, canonical_domain
from mailbox_d.config.faults import Refusal, WrongKind, shown
from mailbox_d.errors import AddressError

IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

HIGHEST_PORT = 65535

_MAILBOX_LEVEL = re.compile(r"(?!~|(?:cur|new|tmp)\Z)[^./]{1,60}")


class Scalar:
    """The base of annotations: reads one plain value. A subclass overrides `read` or, for text, `read_text`."""

    expected = "text"
    """What to expect where the value is of another kind."""

    def read(self, value: object, folder: Path) -> Any:
        """The field's value; `folder` is where relative paths start. Raises `Refusal`."""
        if not isinstance(value, str):
            raise WrongKind(value, self.expected)
        return self.read_text(value, folder)

    def read_text(self, text: str, folder: Path) -> Any:
        """The field's value from text. Raises `Refusal`."""
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """How an editor may check the value."""
        return {"type": "string", "minLength": 1}

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: object, info: core_schema.ValidationInfo[Any]) -> Any:
            return self.read(value, (info.context or {}).get("folder", Path("/")))

        return core_schema.with_info_plain_validator_function(validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.json_schema()


class Text(Scalar):
    """Any text but none."""

    def read_text(self, text: str, folder: Path) -> str:
        if not text.strip() or not text.isprintable():
            raise Refusal(f"{shown(text)} is empty or cannot be printed", self.expected)
        return text


class FilePath(Scalar):
    """A path, made absolute: a relative one starts at the configuration file's folder."""

    expected = "a path"

    def read_text(self, text: str, folder: Path) -> Path:
        if not text.strip() or "\0" in text:
            raise Refusal(f"{shown(text)} is no path", self.expected)
        if text.startswith("~"):
            raise Refusal(f"{shown(text)} begins with ~, which is not expanded", "a path in full")
        return folder / text


class SocketMode(Scalar):
    """The permissions of a socket's file: octal digits, as text."""

    expected = 'three octal digits in quotes, such as "660"'

    def read_text(self, text: str, folder: Path) -> int:
        if not re.fullmatch(r"0?[0-7]{3}", text):
            raise Refusal(f"the mode {shown(text)} is not octal", self.expected)
        return int(text, 8)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^0?[0-7]{3}$"}


class GroupName(Scalar):
    """The name of a group of the system's users."""

    expected = "the name of a group, such as mailops"

    def read_text(self, text: str, folder: Path) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", text):
            raise Refusal(f"{shown(text)} is no group's name", self.expected)
        return text


class DomainName(Scalar):
    """A domain name in lower case and A-labels; no address literal."""

    expected = "a domain name such as example.org"

    def read_text(self, text: str, folder: Path) -> str:
        try:
            domain = canonical_domain(text)
        except (AddressError, UnicodeError):
            raise Refusal(f"{shown(text)} is not a domain name", self.expected) from None
        if domain.startswith("[") or _is_address(domain):
            raise Refusal(f"{shown(text)} is an address", self.expected)
        return domain


class Hostname(DomainName):
    """The name of a machine (RFC 5321 section 2.3.5)."""

    expected = "a host name such as mail.example.org"

    def read_text(self, text: str, folder: Path) -> str:
        name: str = super().read_text(text, folder)
        if any(label.startswith("-") or label.endswith("-") or "_" in label for label in name.split(".")):
            raise Refusal(f"{shown(text)} is not a host name", self.expected)
        return name


class RoutedDomain(Scalar):
    """A recipient's domain, or with a dot in front all domains below it."""

    expected = "a domain name such as example.com, or .example.com for those below it"

    def read_text(self, text: str, folder: Path) -> str:
        dot = "." if text.startswith(".") else ""
        try:
            return dot + str(DomainName().read_text(text.removeprefix("."), folder))
        except Refusal:
            raise Refusal(f"{shown(text)} is not a domain name", self.expected) from None


class RoutedSender(Scalar):
    """A sender's address, or with @ in front all of a domain."""

    expected = "an address such as bob@example.org, or @example.org for all of a domain"

    def read_text(self, text: str, folder: Path) -> str:
        try:
            if text.startswith("@"):
                return "@" + str(DomainName().read_text(text[1:], folder))
            return str(MailAddress().read_text(text, folder))
        except Refusal:
            raise Refusal(f"{shown(text)} is no sender", self.expected) from None


class RealmName(Scalar):
    """The name by which domains refer to a realm."""

    expected = "a name of letters, digits, - and _"

    def read_text(self, text: str, folder: Path) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", text):
            raise Refusal(f"{shown(text)} is no name for a realm", self.expected)
        return text


class MailboxName(Scalar):
    """A mailbox beside INBOX, with `/` between its levels."""

    expected = "the name of a mailbox such as Drafts"

    def read_text(self, text: str, folder: Path) -> str:
        levels = text.split("/")
        if not text.isprintable() or any(not _MAILBOX_LEVEL.fullmatch(level) for level in levels):
            raise Refusal(f"{shown(text)} can be no mailbox", self.expected)
        if levels[0].lower() == "inbox":
            raise Refusal(f"{shown(text)} is INBOX, or below it", self.expected)
        return text


class MailAddress(Scalar):
    """A mail address."""

    expected = "an address such as bob@example.org"

    def read_text(self, text: str, folder: Path) -> EmailAddress:
        try:
            return EmailAddress.parse(text)
        except (AddressError, UnicodeError):
            raise Refusal(f"{shown(text)} is not a mail address", self.expected) from None


class Network(Scalar):
    """An address, or a network in CIDR form."""

    expected = "an address or a network such as 192.0.2.0/24"

    def read_text(self, text: str, folder: Path) -> IPNetwork:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise Refusal(f"{shown(text)} is no address or network", self.expected) from None
        if "/" in text and ipaddress.ip_address(text.partition("/")[0]) != network.network_address:
            raise Refusal(f"{shown(text)} has bits set behind its prefix", str(network))
        return network


class Port(Scalar):
    """A TCP port to connect to."""

    expected = f"a port from 1 to {HIGHEST_PORT}"

    def read(self, value: object, folder: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongKind(value, self.expected)
        if not 1 <= value <= HIGHEST_PORT:
            raise Refusal(f"there is no port {value}", self.expected)
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": 1, "maximum": HIGHEST_PORT}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """An IP address and a port."""

    host: str
    port: int


class Server(Scalar):
    """`address:port`, an IPv6 address in brackets; the port may be left out."""

    def __init__(self, default_port: int) -> None:
        self._default_port = default_port
        self.expected = f"an address and port such as 127.0.0.1:{default_port}"

    def read_text(self, text: str, folder: Path) -> ServerAddress:
        if _is_address(text):
            return ServerAddress(text, self._default_port)
        found = re.fullmatch(r"\[([^\]]+)\](?::([0-9]{1,5}))?|([^:\[\]]+):([0-9]{1,5})", text)
        host, port = (found[1] or found[3], int(found[2] or found[4] or self._default_port)) if found else ("", 0)
        if not _is_address(host) or not 1 <= port <= HIGHEST_PORT:
            raise Refusal(f"{shown(text)} is no address and port", self.expected)
        return ServerAddress(host, port)


class LdapUri(Scalar):
    """Where an LDAP server is (RFC 4516): scheme, host and port, nothing more."""

    expected = "ldaps://host, ldap://host or ldapi://path"

    def read_text(self, text: str, folder: Path) -> str:
        named = "this" if "@" in text else shown(text)  # what stands before it may be a password
        try:
            parts = urlsplit(text)
            possible = parts.port != 0
        except ValueError:
            raise Refusal(f"{named} is no LDAP URI", self.expected) from None
        if parts.scheme not in {"ldap", "ldaps", "ldapi"} or not parts.netloc or not possible:
            raise Refusal(f"{named} is no LDAP URI", self.expected)
        if parts.path.strip("/") or parts.query or parts.username is not None:
            raise Refusal(f"{named} says more than the server", self.expected)
        return text


class HttpsUrl(Scalar):
    """Where something is had by HTTPS, and by nothing else."""

    expected = "a URL such as https://login.example.org/keys"

    def read_text(self, text: str, folder: Path) -> str:
        try:
            parts = urlsplit(text)
            possible = parts.port != 0 and bool(parts.hostname)
        except ValueError:
            raise Refusal(f"{shown(text)} is no URL", self.expected) from None
        if parts.scheme != "https" or not possible or not re.fullmatch(r"[!-~]+", text):
            raise Refusal(f"{shown(text)} is no URL of HTTPS", self.expected)
        if parts.username is not None or parts.fragment:
            raise Refusal(f"{shown(text)} has a user name or a fragment", self.expected)
        return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
