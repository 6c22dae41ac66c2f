"""SMTP command lines (RFC 5321 section 4.1), parsed into frozen values.

Verbs are case-insensitive; an argument that a command does not take, or a parameter that is not known, is a
`CommandSyntaxError` with the reply that it deserves.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError
from mailbox_d.wire.smtp.replies import Reply
from mailbox_d.wire.smtp.xtext import as_seven_bit, decode_unitext, decode_xtext


class CommandSyntaxError(Exception):
    """A line that is no command of ours as it stands; `reply` says so."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class Body(Enum):
    """What a message's body is declared to hold (RFC 6152)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO, HELO or LHLO, and how the client calls itself."""

    verb: str
    name: str


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM; `sender` is None for the null reverse-path. `size` is None where it is not declared.

    `returns` is RET, `FULL` or `HDRS`, and `envelope_id` ENVID, in xtext (RFC 3461 sections 4.3 and 4.4); both are
    empty where nothing was said. `require_tls`: REQUIRETLS (RFC 8689 section 2).
    """

    sender: EmailAddress | None
    size: int | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    returns: str = ""
    envelope_id: str = ""
    require_tls: bool = False

    @property
    def asks_for_reports(self) -> bool:
        """Whether something was said that only DSN knows."""
        return bool(self.returns or self.envelope_id)


@dataclass(frozen=True, slots=True)
class Recipient:
    """RCPT TO; `address` is None for `<postmaster>` without a domain (RFC 5321 section 4.5.1).

    `internationalized` says that the command may only stand in a transaction with SMTPUTF8 (RFC 6531 section 3.4).
    `notify` is NOTIFY: `SUCCESS`, `FAILURE`, `DELAY`, none of them for `NEVER`; None where it was not said. `original`
    is ORCPT, type and encoded address, all in ASCII; empty where it was not said (RFC 3461 sections 4.1 and 4.2).
    """

    address: EmailAddress | None
    internationalized: bool = False
    notify: frozenset[str] | None = None
    original: str = ""

    @property
    def asks_for_reports(self) -> bool:
        """Whether something was said that only DSN knows."""
        return self.notify is not None or bool(self.original)


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH with the mechanism in upper case and the initial response as it came (base64), if one did."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Plain:
    """Any other command: its verb in upper case and its argument, if the verb takes one."""

    verb: str
    argument: str = ""


Command = Hello | Mail | Recipient | Auth | Plain

_VERB = re.compile(rb"([A-Za-z]{1,16}+)(?:[ \t]++(.*+))?", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_DOMAIN_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?\.?")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*+)(?:=([^\x00-\x20=\x7f]++))?")
_ORIGINAL = re.compile(r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}+);(.++)")
_SOURCE_ROUTE = re.compile(r"@[A-Za-z0-9.,@\-\[\]]++:(?=.)")

_HTTP = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI)[ \t]|[A-Za-z0-9-]++:")

_OCCASIONS = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_LONGEST_ENVELOPE_ID = 100
_LONGEST_ORIGINAL = 500

UNRECOGNISED = Reply(500, "5.5.2", "Command not recognised")
BAD_CHARACTERS = Reply(501, "5.5.2", "Control characters are not allowed in a command")
NO_ARGUMENT = Reply(501, "5.5.4", "This command takes no argument")
BAD_NAME = Reply(501, "5.5.4", "Give your host's name or its address in brackets")
BAD_SENDER = Reply(501, "5.1.7", "Write MAIL FROM:<address>")
BAD_RECIPIENT = Reply(501, "5.1.3", "Write RCPT TO:<address>")
BAD_PARAMETER = Reply(501, "5.5.4", "A parameter's value is not valid")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "A parameter is not supported")
NEEDS_SMTPUTF8 = Reply(553, "5.6.7", "This address needs SMTPUTF8")
BAD_AUTH = Reply(501, "5.5.4", "Write AUTH, a mechanism, and possibly an initial response")


def parse_command(line: bytes) -> Command:
    """Parse a line without its CRLF. Raises `CommandSyntaxError`."""
    matched = _VERB.fullmatch(line)
    if _CONTROL.search(line.rstrip(b" \t")):
        raise CommandSyntaxError(BAD_CHARACTERS)
    if matched is None:
        raise CommandSyntaxError(BAD_CHARACTERS if re.search(rb"[\x80-\xff]", line) else UNRECOGNISED)
    verb = matched[1].decode("ascii").upper()
    parse = _PARSERS.get(verb)
    if parse is None:
        raise CommandSyntaxError(UNRECOGNISED)
    return parse(verb, _decode((matched[2] or b"").rstrip(b" \t")))


def verb_of(command: Command) -> str:
    """The verb with which a command begins."""
    match command:
        case Mail():
            return "MAIL"
        case Recipient():
            return "RCPT"
        case Auth():
            return "AUTH"
        case Hello(verb) | Plain(verb):
            return verb


def is_http(line: bytes) -> bool:
    """Whether a line is an HTTP request's first line or a header field: a browser that was sent here (ALPACA)."""
    return _HTTP.match(line) is not None


def _decode(argument: bytes) -> str:
    try:
        return argument.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandSyntaxError(BAD_CHARACTERS) from None


def _hello(verb: str, argument: str) -> Hello:
    if not (_DOMAIN_NAME.fullmatch(argument) or _is_address_literal(argument)):
        raise CommandSyntaxError(BAD_NAME)
    return Hello(verb, argument)


def _is_address_literal(text: str) -> bool:
    """`[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 section 4.1.3)."""
    if not (text.startswith("[") and text.endswith("]")):
        return False
    inner = text[1:-1]
    if "%" in inner:  # a zone, which may be any text at all and means nothing to others (RFC 4007 section 11.2)
        return False
    try:
        if inner[:5].upper() == "IPV6:":
            ipaddress.IPv6Address(inner[5:])
        else:
            ipaddress.IPv4Address(inner)
    except ValueError:
        return False
    return True


def _mail(verb: str, argument: str) -> Mail:
    path, rest = _path(argument, "FROM:", BAD_SENDER)
    parameters = _parameters(rest, _MAIL_PARAMETERS)
    smtputf8 = "SMTPUTF8" in parameters
    sender = _address(path, BAD_SENDER) if path else None
    if not smtputf8 and sender is not None and not argument.isascii():
        raise CommandSyntaxError(NEEDS_SMTPUTF8)
    return Mail(
        sender,
        size=int(parameters["SIZE"]) if "SIZE" in parameters else None,
        body=Body(parameters.get("BODY", "7BIT").upper()),
        smtputf8=smtputf8,
        returns=parameters.get("RET", "").upper(),
        envelope_id=parameters.get("ENVID", ""),
        require_tls="REQUIRETLS" in parameters,
    )


def _recipient(verb: str, argument: str) -> Recipient:
    path, rest = _path(argument, "TO:", BAD_RECIPIENT)
    parameters = _parameters(rest, _RECIPIENT_PARAMETERS)
    return Recipient(
        None if path.lower() == "postmaster" else _address(path, BAD_RECIPIENT),
        internationalized=not argument.isascii(),
        notify=_notify(parameters["NOTIFY"]) if "NOTIFY" in parameters else None,
        original=as_seven_bit(parameters.get("ORCPT", "")),
    )


def _path(argument: str, keyword: str, bad: Reply) -> tuple[str, str]:
    """Split `FROM:<path> parameters`; a quoted local part may hold `>` and blanks."""
    if argument[: len(keyword)].upper() != keyword:
        raise CommandSyntaxError(bad)
    text = argument[len(keyword) :].lstrip(" ")
    end = _closing_bracket(text)
    if end < 0 or text[end + 1 : end + 2] not in ("", " "):
        raise CommandSyntaxError(bad)
    return text[1:end], text[end + 1 :]


def _closing_bracket(text: str) -> int:
    """The place of the `>` that ends a path beginning with `<`; -1 where there is none."""
    if not text.startswith("<"):
        return -1
    quoted = escaped = False
    for place, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = quoted
        elif character == '"':
            quoted = not quoted
        elif character == ">" and not quoted:
            return place
    return -1


def _address(path: str, bad: Reply) -> EmailAddress:
    """The address of a path; a source route in front of it is dropped (RFC 5321 appendix C)."""
    try:
        return EmailAddress.parse(_SOURCE_ROUTE.sub("", path, count=1) if path.startswith("@") else path)
    except AddressError:
        raise CommandSyntaxError(bad) from None


def _parameters(text: str, known: Mapping[str, Callable[[str], bool]]) -> dict[str, str]:
    """ESMTP parameters (RFC 5321 section 4.1.2), by keyword in upper case; each one at most once."""
    found: dict[str, str] = {}
    for word in text.split():
        matched = _PARAMETER.fullmatch(word)
        if matched is None:
            raise CommandSyntaxError(BAD_PARAMETER)
        keyword, value = matched[1].upper(), matched[2] or ""
        if keyword not in known:
            raise CommandSyntaxError(UNKNOWN_PARAMETER)
        if keyword in found or not known[keyword](value):
            raise CommandSyntaxError(BAD_PARAMETER)
        found[keyword] = value
    return found


def _is_size(value: str) -> bool:
    """Up to twenty digits (RFC 1870 section 4)."""
    return value.isascii() and value.isdigit() and len(value) <= 20


def _is_xtext_address(value: str) -> bool:
    """`<>` or an address in xtext (RFC 4954 section 5)."""
    return value == "<>" or _decodes(decode_xtext, value)


def _is_envelope_id(value: str) -> bool:
    """Up to a hundred octets, for printable ASCII (RFC 3461 section 4.4)."""
    return 0 < len(value) <= _LONGEST_ENVELOPE_ID and _decodes(_decode_ascii_xtext, value)


def _decodes(decode: Callable[[str], str], value: str) -> bool:
    """Whether a value can be decoded, to something printable."""
    try:
        decode(value)
    except ValueError:
        return False
    return True


def _decode_ascii_xtext(value: str) -> str:
    """xtext where it may stand for ASCII alone. Raises `ValueError`."""
    decoded = decode_xtext(value)
    decoded.encode("ascii")
    return decoded


def _notify(value: str) -> frozenset[str]:
    """What NOTIFY asks for; `NEVER` asks for nothing."""
    return frozenset(value.upper().split(",")) - {"NEVER"}


def _is_notify(value: str) -> bool:
    """`NEVER` alone, or a list in which each word stands once (RFC 3461 section 4.1)."""
    words = value.upper().split(",")
    return words == ["NEVER"] or (len(words) == len(set(words)) and _OCCASIONS.issuperset(words))


def _is_original(value: str) -> bool:
    """A type and an encoded address, up to 500 octets (RFC 3461 section 4.2, RFC 6533 section 3)."""
    matched = _ORIGINAL.fullmatch(value)
    if matched is None or len(value.encode()) > _LONGEST_ORIGINAL:
        return False
    return _decodes(decode_unitext if matched[1].lower() == "utf-8" else _decode_ascii_xtext, matched[2])


_MAIL_PARAMETERS: Mapping[str, Callable[[str], bool]] = {
    "SIZE": _is_size,
    "BODY": lambda value: value.upper() in Body._value2member_map_,
    "SMTPUTF8": lambda value: value == "",
    "AUTH": _is_xtext_address,
    "RET": lambda value: value.upper() in ("FULL", "HDRS"),
    "ENVID": _is_envelope_id,
    "REQUIRETLS": lambda value: value == "",
}

_RECIPIENT_PARAMETERS: Mapping[str, Callable[[str], bool]] = {
    "NOTIFY": _is_notify,
    "ORCPT": _is_original,
}


def _auth(verb: str, argument: str) -> Auth:
    words = argument.split(" ")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,20}", words[0]) or len(words) > 2:
        raise CommandSyntaxError(BAD_AUTH)
    return Auth(words[0].upper(), words[1].encode() if len(words) == 2 else None)


def _alone(verb: str, argument: str) -> Plain:
    if argument:
        raise CommandSyntaxError(NO_ARGUMENT)
    return Plain(verb)


def _with_text(verb: str, argument: str) -> Plain:
    return Plain(verb, argument)


_PARSERS: Mapping[str, Callable[[str, str], Command]] = {
    "EHLO": _hello,
    "HELO": _hello,
    "LHLO": _hello,
    "MAIL": _mail,
    "RCPT": _recipient,
    "AUTH": _auth,
    "DATA": _alone,
    "RSET": _alone,
    "QUIT": _alone,
    "STARTTLS": _alone,
    "NOOP": _with_text,
    "HELP": _with_text,
    "VRFY": _with_text,
    "EXPN": _with_text,
}
