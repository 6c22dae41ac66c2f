"""GETQUOTA, GETQUOTAROOT and SETQUOTA as they are written, and what answers them (RFC 9208)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from mailbox_d.wire.imap.cursor import Cursor
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.mailbox_names import from_wire
from mailbox_d.wire.imap.responses import astring, data, mailbox

_RESOURCES_MAX = 100
_LIMIT: Final = re.compile(rb"[0-9]{1,19}")


class Resource(NamedTuple):
    """One thing that is limited: STORAGE in units of 1024 octets, MESSAGE in messages (RFC 9208 section 5)."""

    name: bytes
    usage: int
    limit: int


@dataclass(frozen=True, slots=True)
class GetQuota:
    """RFC 9208 section 4.1.1."""

    root: bytes


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    """RFC 9208 section 4.1.2; there need be no such mailbox."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota:
    """RFC 9208 section 4.1.3: limits by the names of resources, in capitals."""

    root: bytes
    limits: tuple[tuple[bytes, int], ...]


def parse_get_quota(cursor: Cursor) -> GetQuota:
    cursor.space()
    return GetQuota(cursor.astring())


def parse_get_quota_root(cursor: Cursor) -> GetQuotaRoot:
    cursor.space()
    return GetQuotaRoot(from_wire(cursor.astring(), utf8=cursor.utf8))


def parse_set_quota(cursor: Cursor) -> SetQuota:
    cursor.space()
    root = cursor.astring()
    cursor.space()
    cursor.expect(b"(")
    limits: list[tuple[bytes, int]] = []
    while not cursor.accept(b")"):
        if limits:
            cursor.space()
        name = cursor.atom().upper()
        cursor.space()
        limits.append((name, int(cursor.take(_LIMIT, "a limit"))))
        if len(limits) > _RESOURCES_MAX:
            raise BadSyntax("Too many resources")
    return SetQuota(root, tuple(limits))


def quota(root: bytes, resources: Iterable[Resource]) -> bytes:
    """A QUOTA response (RFC 9208 section 4.2.1)."""
    return data(b"QUOTA", astring(root), b"(%b)" % b" ".join(b"%b %d %d" % resource for resource in resources))


def quota_root(name: str, roots: Iterable[bytes], *, utf8: bool = False) -> bytes:
    """A QUOTAROOT response (RFC 9208 section 4.2.2)."""
    return data(b"QUOTAROOT", mailbox(name, utf8=utf8), *map(astring, roots))
