"""CREATE, RENAME and their kin over a Maildir: no name that a client writes reaches what is no mailbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailbox_d.store.maildir_store import MaildirStore
from tests.dialogues.imap_server import imap_connection, imap_service
from tests.dialogues.memory import Connection

HOSTILE = [
    *("../x", "a/../../b", "/etc", "~root", "cur", "new", "tmp", "a/tmp", ".", "..", "a.b", "", "/", "a//b"),
    *("a\0b", "a\nb", "a\rb", "\x1b[2J", "\x7f", "a\u0085b", "a\u2028b", "a\u2029b"),
    *("/".join(["a"] * 1000), "b" * 300, "ü" * 300, "a/" * 40 + "b", "dovecot-uidlist\0", "../Maildir/cur"),
]
COMMANDS = [
    *("CREATE {}", "CREATE {} (USE (\\Junk))", "DELETE {}", "RENAME {} free", "RENAME INBOX {}", "RENAME kept {}"),
    *("SUBSCRIBE {}", "SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)", "APPEND {} {3+}\r\nabc"),
]


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    connection = imap_connection(imap_service(MaildirStore(tmp_path / "mail")), secure=True)
    connection.connect()
    connection.send(b"a LOGIN ann@example.org secret\r\nb CREATE kept\r\nc LIST (SPECIAL-USE) * *\r\n")
    connection.transport.take()
    return connection


def literal(octets: bytes) -> bytes:
    return b"{%d+}\r\n%b" % (len(octets), octets)


def paths(root: Path) -> set[Path]:
    return set(root.rglob("*"))


def in_utf_7(name: str) -> bytes:
    """As a client writes it that makes controls fit for modified UTF-7."""
    return name.encode("utf-7").replace(b"&", b"&-").replace(b"+", b"&")


IN_UTF_7 = [*map(in_utf_7, HOSTILE), *map(str.encode, HOSTILE), b"&AC4ALg-/x", b"&AC8-etc", b"&AAA-", b"&2D0-", b"a&b"]
IN_UTF_8 = [*map(str.encode, HOSTILE), b"\xc0\xae\xc0\xae/x", b"\xc0\xafetc", b"\xed\xa0\xbd", b"\xff", b"\xc3"]


@pytest.mark.parametrize(
    ("enabled", "names"), [(b"X", IN_UTF_7), (b"UTF8=ACCEPT", IN_UTF_8)], ids=["modified UTF-7", "UTF-8"]
)
@pytest.mark.parametrize("command", COMMANDS)
def test_attack_61_a_hostile_name_makes_nothing(
    command: str, enabled: bytes, names: list[bytes], connection: Connection, tmp_path: Path
) -> None:
    connection.send(b"d ENABLE %b\r\n" % enabled)
    connection.transport.take()
    before = paths(tmp_path)
    before_name, behind_name = (b"e " + command.encode() + b"\r\n").split(b"{}")
    for name in names:
        connection.send(before_name + literal(name) + behind_name)
        told = connection.transport.take()
        assert told.startswith((b"e NO [", b"e BAD ")), (name, told)
        assert not connection.closed
    assert paths(tmp_path) == before
