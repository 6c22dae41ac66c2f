"""`dovecot-keywords`: which keyword each of the letters `a` to `z` stands for in a folder.

A letter once given is never given to another keyword, and a new keyword takes the letter behind the last one. Names
are compared without case.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mailbox_d.errors import MailError, TooManyKeywords
from mailbox_d.store.files import FileSystem, find, forget, read_whole, write_new
from mailbox_d.store.folder import Folder
from mailbox_d.store.ports import Flags

MAX_KEYWORDS = 26
KEYWORD_OCTETS_MAX = 200
_FILE_OCTETS_MAX = 1_000_000
_FORBIDDEN = frozenset('(){%*"\\]')

SYSTEM_LETTERS: Mapping[str, int] = {
    "\\Answered": ord("R"),
    "\\Deleted": ord("T"),
    "\\Draft": ord("D"),
    "\\Flagged": ord("F"),
    "\\Seen": ord("S"),
}
_SYSTEM_FLAGS = {letter: flag for flag, letter in SYSTEM_LETTERS.items()}


@dataclass(frozen=True, slots=True)
class Keywords:
    """The keywords of a folder by index (0 is `a`)."""

    names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes) -> Keywords:
        """Read the file's lines `<index> <name>`; a line that is none is passed over."""
        names: dict[int, str] = {}
        for line in content.split(b"\n"):
            index, separator, name = line.rstrip(b"\r").partition(b" ")
            if separator and name and index.isdigit() and len(index) <= 2 and int(index) < MAX_KEYWORDS:
                names.setdefault(int(index), name.decode("utf-8", "backslashreplace"))
        return cls(names)

    def format(self) -> bytes:
        return b"".join(f"{index} {name}\n".encode() for index, name in sorted(self.names.items()))

    def is_full(self) -> bool:
        return max(self.names, default=-1) + 1 >= MAX_KEYWORDS

    def with_names(self, wanted: Iterable[str], spent_letters: bytes = b"") -> Keywords:
        """These keywords and the wanted ones; `spent_letters` stand in file names without having a name here.

        Raises `TooManyKeywords`, and `MailError` for what is no keyword (RFC 3501 `flag-keyword`).
        """
        names = dict(self.names)
        known = {name.lower() for name in names.values()}
        index = max([*names, *(letter - ord("a") for letter in spent_letters)], default=-1)
        for name in sorted(wanted):
            if name.lower() in known:
                continue
            index += 1
            if index >= MAX_KEYWORDS:
                raise TooManyKeywords("The mailbox has no room for another keyword")
            names[index] = _checked(name)
            known.add(name.lower())
        return Keywords(names)

    def letters(self, flags: Iterable[str]) -> bytes:
        """The letters of system flags and of those keywords that have one; other flags have none."""
        by_name = {name.lower(): ord("a") + index for index, name in self.names.items()}
        found = (SYSTEM_LETTERS.get(flag) or by_name.get(flag.lower()) for flag in flags)
        return bytes(letter for letter in found if letter is not None)

    def flags(self, letters: bytes) -> Flags:
        """The flags that letters stand for; those that stand for nothing are passed over."""
        found = (_SYSTEM_FLAGS.get(letter) or self.names.get(letter - ord("a")) for letter in letters)
        return frozenset(flag for flag in found if flag is not None)

    def meaning(self, letters: bytes) -> bytes:
        """Those of the letters that stand for a flag here; the rest belong to other programs and are left alone."""
        return bytes(letter for letter in letters if letter in _SYSTEM_FLAGS or letter - ord("a") in self.names)


def is_keyword(flag: str) -> bool:
    return not flag.startswith("\\")


def _checked(name: str) -> str:
    fit = name and len(name) <= KEYWORD_OCTETS_MAX and all("!" <= character <= "~" for character in name)
    if not fit or not _FORBIDDEN.isdisjoint(name):
        raise MailError("This is not a keyword")
    return name


class KeywordsFile:
    """One folder's keywords on disk; read and written under the folder's lock."""

    def __init__(self, files: FileSystem, folder: Folder, clock: Callable[[], float] = time.time) -> None:
        self._files = files
        self._folder = folder
        self._clock = clock

    def identity(self) -> tuple[int, int]:
        """Inode and time, by which a change is noticed; zeros where there is no file."""
        status = find(self._files, self._folder.keywords)
        return (status.st_ino, status.st_mtime_ns) if status is not None else (0, 0)

    def read(self) -> Keywords:
        return Keywords.parse(read_whole(self._files, self._folder.keywords, _FILE_OCTETS_MAX) or b"")

    def write(self, keywords: Keywords) -> None:
        """Replace the file, durable. Its time moves by a whole second at least: that is all that Dovecot looks at."""
        before = find(self._files, self._folder.keywords)
        temporary = self._folder.keywords + b".lock"
        forget(self._files, temporary)
        earliest = int(before.st_mtime) + 1 if before is not None else 0
        try:
            write_new(self._files, temporary, keywords.format())
            self._files.utime(temporary, max(int(self._clock()), earliest))
            self._files.rename(temporary, self._folder.keywords)
        except OSError:
            forget(self._files, temporary)
            raise
        self._files.fsync_directory(self._folder.path)
