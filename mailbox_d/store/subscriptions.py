"""`subscriptions`: the mailbox names that a user follows, in either form that Dovecot writes.

Version 2 begins with `V<TAB>2` and an empty line, writes TAB between levels and escapes control characters; version 1
has no header and writes a dot. The form that is found is kept, and so is every line that says nothing to us.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from mailbox_d import mutf7
from mailbox_d.store.files import FileSystem
from mailbox_d.store.locked_file import Identity, LockedFile
from mailbox_d.store.ports import INBOX, SEPARATOR

_HEADER = b"V\t2\n\n"
_ESCAPES = {b"\x011": b"\x01", b"\x01t": b"\t", b"\x01n": b"\n", b"\x01r": b"\r", b"\x010": b"\0"}


def parse(content: bytes) -> Sequence[str]:
    """The names subscribed to, in the file's order; lines that are no mailbox names are passed over."""
    is_version_2, lines = _lines(content)
    names = (_parse_name(line, is_version_2) for line in lines)
    return tuple(dict.fromkeys(name for name in names if name))


def with_name(content: bytes, name: str, *, subscribed: bool) -> bytes:
    """The file's content with a name in it, or without."""
    is_version_2, lines = _lines(content) if content else (True, [])
    kept = [line for line in lines if line and _parse_name(line, is_version_2) != name]
    if subscribed:
        level_end = b"\t" if is_version_2 else b"."
        kept.append(mutf7.encode(name).replace(SEPARATOR.encode(), level_end))
    return (_HEADER if is_version_2 else b"") + b"".join(line + b"\n" for line in kept)


def nameless(content: bytes) -> Sequence[bytes]:
    """The lines that are no mailbox names."""
    is_version_2, lines = _lines(content)
    return [line for line in lines if not _parse_name(line, is_version_2)]


def without(content: bytes, unwanted: Collection[bytes]) -> bytes:
    """The file's content without these lines."""
    is_version_2, lines = _lines(content)
    kept = b"".join(line + b"\n" for line in lines if line not in unwanted)
    return (_HEADER if is_version_2 else b"") + kept


def _lines(content: bytes) -> tuple[bool, list[bytes]]:
    is_version_2 = content.startswith(b"V\t2\n")
    lines = content.split(b"\n")
    return is_version_2, [line for line in (lines[1:] if is_version_2 else lines) if line]


def _parse_name(line: bytes, is_version_2: bool) -> str | None:
    levels = line.split(b"\t" if is_version_2 else b".")
    try:
        name = SEPARATOR.join(mutf7.decode(_unescape(level)) for level in levels)
    except ValueError:
        return None
    return INBOX if name.lower() == INBOX.lower() else name


def _unescape(level: bytes) -> bytes:
    first, *rest = level.split(b"\x01")
    return first + b"".join(_ESCAPES.get(b"\x01" + part[:1], part[:1]) + part[1:] for part in rest)


class SubscriptionsFile:
    """One account's subscriptions, in a file that does not grow beyond `octets_max`. Methods raise `MailboxBusy`,
    `OSError`.

    Of a longer one, which another program wrote, that much is told. Taking names out brings the others to light.
    """

    def __init__(
        self,
        files: FileSystem,
        maildir: bytes,
        *,
        stale_after: float = 30.0,
        octets_max: int = 4 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
        left_behind: set[Identity] | None = None,
    ) -> None:
        self._file = LockedFile(
            files,
            maildir + b"/subscriptions",
            busy="The subscriptions are in use by another program",
            stale_after=stale_after,
            octets_max=octets_max,
            full="There is no room for more subscriptions",
            has_lines=True,
            clock=clock,
            left_behind=left_behind,
        )

    def read(self) -> Sequence[str]:
        return parse(self.content())

    def content(self) -> bytes:
        """The file as it stands, empty where there is none."""
        return self._file.read() or b""

    def change(self, name: str, *, subscribed: bool) -> None:
        """Add a name or take it out, durable. Raises `TooMuchKept`."""
        self._file.change(lambda content: with_name(content or b"", name, subscribed=subscribed))

    def drop(self, lines: Collection[bytes]) -> None:
        """Take lines out that are no names, durable."""
        self._file.change(lambda content: without(content or b"", lines))
