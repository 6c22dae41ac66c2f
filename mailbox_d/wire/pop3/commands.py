"""POP3 command lines (RFC 1939, RFC 2449, RFC 2595, RFC 5034, RFC 6856), parsed into frozen values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mailbox_d.errors import MailError


class BadCommand(MailError):
    """A line that is no command as it stands, or that may not stand here."""


@dataclass(frozen=True, slots=True)
class Capa:
    """What can the server do?"""


@dataclass(frozen=True, slots=True)
class Stls:
    """Begin TLS."""


@dataclass(frozen=True, slots=True)
class Utf8:
    """The client takes UTF-8 everywhere."""


@dataclass(frozen=True, slots=True)
class User:
    """Who the client is; PASS follows."""

    name: str


@dataclass(frozen=True, slots=True)
class Pass:
    """The password, blanks and all."""

    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH with the mechanism in upper case and the initial response as it came (base64), if one did."""

    mechanism: str
    initial: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Stat:
    """How many messages, how many octets?"""


@dataclass(frozen=True, slots=True)
class List:
    """The size of one message, or of each."""

    number: int | None = None


@dataclass(frozen=True, slots=True)
class Uidl:
    """The unique id of one message, or of each."""

    number: int | None = None


@dataclass(frozen=True, slots=True)
class Retr:
    """A message, whole."""

    number: int


@dataclass(frozen=True, slots=True)
class Top:
    """A message's header and so many lines of its body."""

    number: int
    lines: int


@dataclass(frozen=True, slots=True)
class Dele:
    """Mark a message as deleted."""

    number: int


@dataclass(frozen=True, slots=True)
class Noop:
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Rset:
    """Take all marks back."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Remove what is marked, and end."""


Command = Capa | Stls | Utf8 | User | Pass | Auth | Stat | List | Uidl | Retr | Top | Dele | Noop | Rset | Quit

_VERB: Final = re.compile(rb"([A-Za-z0-9]{1,16}+)(?: (.*+))?", re.DOTALL)
_NUMBER: Final = re.compile(rb"[0-9]{1,10}")
_MECHANISM: Final = re.compile(rb"[A-Za-z0-9_-]{1,20}")
_HTTP: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI)[ \t]|[A-Za-z0-9-]++:")

_UNKNOWN = "There is no such command"


def parse_command(line: bytes) -> Command:
    """Parse a line without its line end. Raises `BadCommand`."""
    if b"\0" in line or b"\r" in line:
        raise BadCommand("A command holds a NUL or a bare CR")
    matched = _VERB.fullmatch(line)
    parse = _PARSERS.get(matched[1].upper()) if matched is not None else None
    if matched is None or parse is None:
        raise BadCommand(_UNKNOWN)
    return parse(matched[2] or b"")


def is_http(line: bytes) -> bool:
    """Whether a line is an HTTP request's first line or a header field: a browser that was sent here (ALPACA)."""
    return _HTTP.match(line) is not None


def _alone(make: Callable[[], Command]) -> Callable[[bytes], Command]:
    def parse(argument: bytes) -> Command:
        if argument.strip(b" "):
            raise BadCommand("This command takes no argument")
        return make()

    return parse


def _user(argument: bytes) -> User:
    try:
        name = argument.strip(b" ").decode("utf-8")
    except UnicodeDecodeError:
        raise BadCommand("A user's name is UTF-8") from None
    if not name:
        raise BadCommand("Write USER and a name")
    return User(name)


def _pass(argument: bytes) -> Pass:
    """All behind the first blank is the password (RFC 1939 section 7)."""
    if not argument:
        raise BadCommand("Write PASS and a password")
    return Pass(argument)


def _auth(argument: bytes) -> Auth:
    words = argument.split(b" ")
    if len(words) > 2 or not _MECHANISM.fullmatch(words[0]):
        raise BadCommand("Write AUTH, a mechanism, and possibly an initial response")
    return Auth(words[0].decode("ascii").upper(), words[1] if len(words) == 2 else None)


def _list(argument: bytes) -> List:
    return List(*_numbers(argument, least=0, most=1))


def _uidl(argument: bytes) -> Uidl:
    return Uidl(*_numbers(argument, least=0, most=1))


def _retr(argument: bytes) -> Retr:
    return Retr(*_numbers(argument, least=1, most=1))


def _dele(argument: bytes) -> Dele:
    return Dele(*_numbers(argument, least=1, most=1))


def _top(argument: bytes) -> Top:
    return Top(*_numbers(argument, least=2, most=2))


def _numbers(argument: bytes, *, least: int, most: int) -> list[int]:
    words = argument.split()
    if not least <= len(words) <= most or not all(map(_NUMBER.fullmatch, words)):
        raise BadCommand("The arguments are not the numbers that this command takes")
    return [int(word) for word in words]


_PARSERS: Final[Mapping[bytes, Callable[[bytes], Command]]] = {
    b"CAPA": _alone(Capa),
    b"STLS": _alone(Stls),
    b"UTF8": _alone(Utf8),
    b"USER": _user,
    b"PASS": _pass,
    b"AUTH": _auth,
    b"STAT": _alone(Stat),
    b"LIST": _list,
    b"UIDL": _uidl,
    b"RETR": _retr,
    b"TOP": _top,
    b"DELE": _dele,
    b"NOOP": _alone(Noop),
    b"RSET": _alone(Rset),
    b"QUIT": _alone(Quit),
}
