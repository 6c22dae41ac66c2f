"""Whether DNS says what a domain needs: the answer to each question, held against what is wanted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred

from mailbox_d.policy.domain_records import Need, Purpose, WantedRecord
from mailbox_d.policy.spf_mentions import Mention, SendingServer, UnreadableSpf, included, mention, read_spf
from mailbox_d.printable import one_line
from mailbox_d.wire.dns.records import MX, SRV, IPAddress, LookupFailed, Resolver

Fields: TypeAlias = tuple[tuple[str, str], ...]

_INCLUDE: Final = "include:"


class State(Enum):
    """What became of a check."""

    RIGHT = "right"
    MISSING = "missing"
    WRONG = "wrong"
    UNSURE = "unsure"
    """It may be right: what would tell it is not followed."""
    UNKNOWN = "unknown"
    """DNS gave no answer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check came to, in words; `found`: what DNS has instead or besides, as text that strangers wrote."""

    state: State
    text: str = ""
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """A record that is wanted, and what DNS says of it."""

    record: WantedRecord
    verdict: Verdict

    @property
    def is_fault(self) -> bool:
        """Whether something must be done: what is only advised may be missing, and may not be wrong."""
        if self.verdict.state is State.MISSING:
            return self.record.need is Need.NEEDED
        return self.verdict.state is State.WRONG


async def check_records(wanted: Sequence[WantedRecord], hostname: str, resolver: Resolver) -> AsyncIterator[Checked]:
    """Ask DNS about all records at once; tells each in their order. `hostname`: the mail server's."""
    asked = [Deferred.fromCoroutine(_verdict(record, hostname, resolver)) for record in wanted]
    for record, verdict in zip(wanted, asked, strict=True):
        yield Checked(record, await verdict)


async def _verdict(record: WantedRecord, hostname: str, resolver: Resolver) -> Verdict:
    try:
        return await _check(record, hostname, resolver)
    except LookupFailed as error:
        return Verdict(State.UNKNOWN, one_line(error.public))


async def _check(record: WantedRecord, hostname: str, resolver: Resolver) -> Verdict:
    if record.purpose is Purpose.HOST:
        return judge_host(record, await _addresses(record.name, resolver))
    if record.purpose is Purpose.REVERSE:
        return await _check_reverse(record, hostname, resolver)
    if record.purpose is Purpose.MX:
        return judge_mx(record, (await resolver.mx(record.name)).records)
    if record.purpose is Purpose.SERVICE:
        return judge_service(record, (await resolver.srv(record.name)).records)
    if record.kind == "CNAME":
        return judge_alias(await _addresses(record.name, resolver))
    if not record.value:
        return Verdict(State.MISSING, "there is nothing to publish yet")
    texts = [text.decode("utf-8", "backslashreplace") for text in (await resolver.txt(record.name)).records]
    if record.purpose is Purpose.SPF:
        mx_hosts = {_plain(mx.host) for mx in (await resolver.mx(record.name)).records if mx.host}
        return judge_spf(record, texts, SendingServer(hostname, await _addresses(hostname, resolver), mx_hosts))
    return _TEXTS[record.purpose](record, texts)


async def _addresses(name: str, resolver: Resolver) -> tuple[IPAddress, ...]:
    return (*(await resolver.a(name)).records, *(await resolver.aaaa(name)).records)


async def _check_reverse(record: WantedRecord, hostname: str, resolver: Resolver) -> Verdict:
    """The name of one address, or (without a name in the record) of all that the server has."""
    asked = [_address_of(record.name)] if record.name else await _addresses(hostname, resolver)
    if not asked:
        return Verdict(State.MISSING, "the server's name has no address")
    found = {address: (await resolver.ptr(address)).records for address in asked}
    unnamed = [str(address) for address, names in found.items() if hostname not in map(_plain, names)]
    if not unnamed:
        return Verdict(State.RIGHT)
    names = tuple(name for address in asked for name in found[address])
    return Verdict(State.WRONG if names else State.MISSING, f"not the name of {', '.join(unnamed)}", names)


def judge_host(record: WantedRecord, found: Sequence[IPAddress]) -> Verdict:
    """The server's own addresses; others beside the wanted one are in order."""
    texts = tuple(map(str, found))
    if not found:
        return Verdict(State.MISSING, "the server's name has no address")
    if record.value and ip_address(record.value) not in found:
        return Verdict(State.WRONG, "the server's name has other addresses", texts)
    return Verdict(State.RIGHT)


def judge_mx(record: WantedRecord, found: Sequence[MX]) -> Verdict:
    """This server must be among the hosts; mail comes to others too where they are named as well."""
    host = _plain(record.value.partition(" ")[2])
    hosts = tuple(_plain(mx.host) or "." for mx in found)
    if not found:
        return Verdict(State.MISSING, "mail goes to the domain's own address, if it has one")
    if host not in hosts:
        return Verdict(State.WRONG, "mail goes elsewhere", hosts)
    others = tuple(name for name in hosts if name != host)
    return Verdict(State.RIGHT, "mail may go to other servers too" if others else "", others)


def judge_service(record: WantedRecord, found: Sequence[SRV]) -> Verdict:
    """Our place among those that are named, whatever its weight; only `.` for a service that is not offered."""
    _, _, port, host = record.value.split(" ")
    places = tuple(f"{_plain(srv.host) or '.'}:{srv.port}" for srv in found)
    if not found:
        return Verdict(State.MISSING)
    if host == ".":
        is_right = all(not _plain(srv.host) for srv in found)
    else:
        is_right = any((_plain(srv.host), srv.port) == (_plain(host), int(port)) for srv in found)
    return Verdict(State.RIGHT) if is_right else Verdict(State.WRONG, "another place is named", places)


def judge_alias(found: Sequence[IPAddress]) -> Verdict:
    """A name for a web server, which may be anywhere."""
    return Verdict(State.RIGHT) if found else Verdict(State.MISSING)


def judge_spf(record: WantedRecord, texts: Sequence[str], server: SendingServer) -> Verdict:
    """One record that lets this server send, however long it is (RFC 7208 sections 3.2 and 4.5)."""
    found = tuple(text for text in texts if re.match(r"v=spf1(?: |\Z)", text, re.IGNORECASE))
    if len(found) != 1:
        return _none_or_several(found)
    try:
        terms = read_spf(found[0])
    except UnreadableSpf as error:
        return Verdict(State.WRONG, one_line(str(error)), found)
    said = mention(terms, record.name, server)
    wanted = [term for term in record.value.split() if term.startswith(_INCLUDE)]
    lacking = [term for term in wanted if term.removeprefix(_INCLUDE) not in included(terms)]
    if said is Mention.LET and not lacking:
        return Verdict(State.RIGHT)
    if said is Mention.LET:
        return Verdict(State.WRONG, f"it does not let our relay send: {' '.join(lacking)}", found)
    if said is Mention.PERHAPS:
        return Verdict(State.UNSURE, "what it refers to may let this server send, and is not followed", found)
    text = "it lets everybody send" if said is Mention.EVERYBODY else "it does not let this server send"
    return Verdict(State.WRONG, text, found)


def judge_dkim(record: WantedRecord, texts: Sequence[str]) -> Verdict:
    """The same key, however it is written (RFC 6376 section 3.6.1)."""
    if not texts:
        return Verdict(State.MISSING)
    if len(texts) > 1:
        return Verdict(State.WRONG, "there are several keys under one name", tuple(texts))
    fault = _key_fault(_fields(record.value), _fields(texts[0]))
    return Verdict(State.WRONG, fault, tuple(texts)) if fault else Verdict(State.RIGHT)


def _key_fault(wanted: Fields, found: Fields) -> str:
    """Why others would not take a key for ours, if they would not."""
    names, tags = [name for name, _ in found], dict(found)
    if len(tags) != len(found) or "" in names:
        return "it cannot be read"
    if "v" in tags and (names[0], tags["v"]) != ("v", "DKIM1"):
        return "it is no key of DKIM's: v=DKIM1 stands first, if at all"
    if tags.get("p") == "":
        return "it is revoked"
    if (tags.get("k", "rsa"), tags.get("p")) != (dict(wanted).get("k", "rsa"), dict(wanted).get("p")):
        return "it is another key"
    if "sha256" not in tags.get("h", "sha256").split(":"):
        return "it is not for signatures with SHA-256 (h=)"
    if not {"*", "email"} & {*tags.get("s", "*").split(":")}:
        return "it is not for mail (s=)"
    return ""


def judge_dmarc(record: WantedRecord, texts: Sequence[str]) -> Verdict:
    """Any policy that can be understood (RFC 7489 section 6.3)."""
    found = tuple(text for text in texts if re.match(r"v\s*=\s*DMARC1(?:\s*;|\s*\Z)", text))
    if len(found) != 1:
        return _none_or_several(found)
    policies = [value.lower() for name, value in _fields(found[0]) if name == "p"]
    if len(policies) > 1:
        return Verdict(State.WRONG, "it has several policies (p=)", found)
    if not policies or policies[0] not in ("none", "quarantine", "reject"):
        return Verdict(State.WRONG, "it has no policy (p=)", found)
    is_open = policies == ["none"]
    return Verdict(State.RIGHT, "mail that only claims to be yours is let through (p=none)" if is_open else "")


def judge_mta_sts(record: WantedRecord, texts: Sequence[str]) -> Verdict:
    """One record with an identifier, whichever (RFC 8461 section 3.1)."""
    found = tuple(text for text in texts if re.match(r"v=STSv1[ \t]*;", text))
    if len(found) != 1:
        return _none_or_several(found)
    fields = [field.strip(" \t") for field in _parts(found[0])[1:]]
    if not any(re.fullmatch(r"id=[A-Za-z0-9]{1,32}", field) for field in fields):
        return Verdict(State.WRONG, "it has no identifier (id=) of letters and digits", found)
    if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+", field) for field in fields):
        return Verdict(State.WRONG, "it cannot be read", found)
    return Verdict(State.RIGHT)


def judge_tls_reports(record: WantedRecord, texts: Sequence[str]) -> Verdict:
    """One record with a place to report to; of others, whose schemes are not known, there may be more (RFC 8460
    section 3)."""
    found = tuple(text for text in texts if re.match(r"v=TLSRPTv1[ \t]*;", text))
    if len(found) != 1:
        return _none_or_several(found)
    places = [place for name, value in _fields(found[0]) if name == "rua" for place in value.split(",")]
    if not any(re.match(r"mailto:[^@]+@[^@]|https://[^/]", place) for place in places):
        return Verdict(State.WRONG, "it has no place to report to (rua=)", found)
    return Verdict(State.RIGHT)


def _parts(text: str) -> list[str]:
    """What stands between semicolons; the last one may have nothing behind it."""
    return text.rstrip(" \t").removesuffix(";").split(";")


def _fields(text: str) -> Fields:
    """`name=value` between semicolons, without blanks (RFC 6376 section 3.2); what is no such pair has no name."""
    pairs = (part.partition("=") for part in _parts(text))
    return tuple((name.strip() if sign else "", "".join(value.split())) for name, sign, value in pairs)


_TEXTS: Final[Mapping[Purpose, Callable[[WantedRecord, Sequence[str]], Verdict]]] = {
    Purpose.DKIM: judge_dkim,
    Purpose.DMARC: judge_dmarc,
    Purpose.MTA_STS: judge_mta_sts,
    Purpose.TLS_REPORTS: judge_tls_reports,
}


def _none_or_several(found: tuple[str, ...]) -> Verdict:
    if not found:
        return Verdict(State.MISSING)
    return Verdict(State.WRONG, "there are several of them, so that none counts", found)


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _address_of(reverse: str) -> Any:
    """The address that a name below in-addr.arpa or ip6.arpa is of."""
    labels = reverse.split(".")[:-2][::-1]
    if reverse.endswith(".ip6.arpa"):
        digits = "".join(labels)
        return ip_address(":".join(digits[place : place + 4] for place in range(0, 32, 4)))
    return ip_address(".".join(labels))
