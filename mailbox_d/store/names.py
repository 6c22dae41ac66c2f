"""Mailbox names, and the Maildir++ folders that hold them.

`Work/Reports` is the folder `.Work.Reports` beside INBOX's `cur`, each level in modified UTF-7. Nothing that a client
writes can name anything but such a folder: a level holds no separator, no dot, no control character, and is none of
the names with which a path could leave the place.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailbox_d import mutf7
from mailbox_d.errors import MailboxNameError
from mailbox_d.store.ports import INBOX, SEPARATOR, Listed

_RESERVED = frozenset({"cur", "new", "tmp"})


@dataclass(frozen=True, slots=True)
class NameLimits:
    """How deep a mailbox may lie, in levels, and how long its folder's name may be, in octets on disk."""

    depth: int = 32
    octets: int = 240


def canonical_name(name: str, limits: NameLimits) -> str:
    """The name under which a mailbox is kept: INBOX in capitals. Raises `MailboxNameError` for what none can have."""
    levels = name.split(SEPARATOR)
    if levels[0].lower() == INBOX.lower():  # upper() would make an I of more than an i
        levels[0] = INBOX
    for level in levels:
        _check_level(level)
    canonical = SEPARATOR.join(levels)
    if len(levels) > limits.depth or len(_folder(canonical)) > limits.octets:
        raise MailboxNameError("The mailbox name is too long or too deep")
    return canonical


def folder_of(canonical: str) -> bytes:
    """The Maildir++ folder of a canonical name, empty for INBOX, which is the Maildir itself."""
    return b"" if canonical == INBOX else _folder(canonical)


def name_of(folder: bytes, limits: NameLimits) -> str | None:
    """The mailbox that lies in a folder of the Maildir; None for a folder that holds none that we could name."""
    if not folder.startswith(b".") or folder.startswith(b".."):
        return None
    try:
        name = mutf7.decode(folder[1:]).replace(".", SEPARATOR)
        return name if name != INBOX and canonical_name(name, limits) == name else None
    except (ValueError, MailboxNameError):
        return None


def tree(names: Iterable[str]) -> Sequence[Listed]:
    """All mailboxes of an account whose mailboxes beside INBOX are these, with the parents that exist only in names."""
    selectable = {INBOX, *names}
    parents = {parent for name in selectable for parent in _parents(name)}
    ordered = sorted(selectable | parents, key=lambda name: (name != INBOX, name.split(SEPARATOR)))
    return tuple(Listed(name, name in selectable, name in parents) for name in ordered)


def _parents(name: str) -> Iterable[str]:
    levels = name.split(SEPARATOR)
    return (SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels)))


def _folder(canonical: str) -> bytes:
    try:
        return b"." + mutf7.encode(canonical).replace(SEPARATOR.encode(), b".")
    except UnicodeError as error:
        raise MailboxNameError("The mailbox name is not valid text") from error


def _check_level(level: str) -> None:
    if not level:
        raise MailboxNameError("A level of the mailbox name is empty")
    if "." in level or level in _RESERVED or level.startswith("~"):
        raise MailboxNameError("The mailbox name is not allowed here")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in level):
        raise MailboxNameError("The mailbox name holds control characters")
