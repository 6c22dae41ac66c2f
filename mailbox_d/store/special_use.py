"""`mailboxd-special-use`: what some of a user's mailboxes are for (RFC 6154), in a small file beside the Maildir's own.

Behind a line that names the form comes a line for each mailbox: the use as IMAP writes it, TAB, the name in modified
UTF-7. An assignment outlives its mailbox, so a client that removes its Trash and makes it again finds it in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mailbox_d import mutf7
from mailbox_d.store.ports import SEPARATOR, SpecialUse

FILE_NAME: Final = b"mailboxd-special-use"

_HEADER: Final = b"mailboxd special use 1\n"
_USES: Final = {use.value.encode("ascii"): use for use in SpecialUse}


def parse(content: bytes) -> Mapping[str, SpecialUse]:
    """The uses by mailbox name; lines that say nothing to us are passed over."""
    uses: dict[str, SpecialUse] = {}
    for line in content.splitlines()[1:]:
        use, _, written = line.partition(b"\t")
        try:
            name = mutf7.decode(written)
        except ValueError:
            continue
        if name and use in _USES:
            uses[name] = _USES[use]
    return uses


def format_uses(uses: Mapping[str, SpecialUse]) -> bytes:
    """The file's content."""
    lines = (b"%b\t%b\n" % (use.value.encode("ascii"), mutf7.encode(name)) for name, use in uses.items())
    return _HEADER + b"".join(lines)


def with_use(content: bytes, name: str, use: SpecialUse) -> bytes:
    """The file's content when one mailbox has this use."""
    return format_uses({**parse(content), name: use})


def renamed(uses: Mapping[str, SpecialUse], old: str, new: str) -> Mapping[str, SpecialUse]:
    """The uses when a mailbox and all below it have another name."""
    below = old + SEPARATOR
    return {
        new + name.removeprefix(old) if name == old or name.startswith(below) else name: use
        for name, use in uses.items()
    }


def with_renamed(content: bytes, old: str, new: str) -> bytes:
    """The file's content when a mailbox has another name."""
    return format_uses(renamed(parse(content), old, new))
