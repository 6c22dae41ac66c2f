"""The commands and responses of RFC 9208."""

from __future__ import annotations

import pytest

from mailbox_d.wire.imap.commands import Command
from mailbox_d.wire.imap.errors import BadSyntax
from mailbox_d.wire.imap.parser import parse_command
from mailbox_d.wire.imap.quota import GetQuota, GetQuotaRoot, Resource, SetQuota, quota, quota_root


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (b"GETQUOTA root", GetQuota(b"root")),
        (b'getquota ""', GetQuota(b"")),
        (b'GETQUOTA "a b"', GetQuota(b"a b")),
        (b"GETQUOTAROOT inbox", GetQuotaRoot("INBOX")),
        (b"GETQUOTAROOT &AOQ-", GetQuotaRoot("ä")),
        (b"SETQUOTA r ()", SetQuota(b"r", ())),
        (b"SETQUOTA r (STORAGE 5 Message 0)", SetQuota(b"r", ((b"STORAGE", 5), (b"MESSAGE", 0)))),
        (b"SETQUOTA r (X-NEW 9223372036854775807)", SetQuota(b"r", ((b"X-NEW", (1 << 63) - 1),))),
    ],
)
def test_commands(text: bytes, command: Command) -> None:
    assert parse_command(text, 0) == command


@pytest.mark.parametrize(
    "text",
    [
        b"GETQUOTA",
        b"GETQUOTA ",
        b"GETQUOTA a b",
        b"GETQUOTAROOT",
        b"SETQUOTA r",
        b"SETQUOTA r (",
        b"SETQUOTA r (STORAGE)",
        b"SETQUOTA r (STORAGE 5",
        b"SETQUOTA r (STORAGE 5 )",
        b"SETQUOTA r (STORAGE -5)",
        b"SETQUOTA r (" + b" ".join([b"STORAGE 5"] * 101) + b")",
    ],
)
def test_what_is_none(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_command(text, 0)


def test_responses() -> None:
    resources = [Resource(b"STORAGE", 10, 512), Resource(b"MESSAGE", 1, 2)]
    assert quota(b"User quota", resources) == b'* QUOTA "User quota" (STORAGE 10 512 MESSAGE 1 2)\r\n'
    assert quota(b"", []) == b'* QUOTA "" ()\r\n'
    assert quota_root("INBOX", [b"User quota"]) == b'* QUOTAROOT INBOX "User quota"\r\n'
    assert quota_root("ä b", []) == b'* QUOTAROOT "&AOQ- b"\r\n'
    assert quota_root("ä b", [], utf8=True) == '* QUOTAROOT "ä b"\r\n'.encode()
