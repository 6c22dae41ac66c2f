"""What the letters in the file names of a folder stand for, as this process knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.logger import Logger

from mailbox_d.errors import MailError
from mailbox_d.store.disk import Disk
from mailbox_d.store.folder import Folder
from mailbox_d.store.keywords import Keywords, KeywordsFile, is_keyword
from mailbox_d.store.ports import Flags


class Meanings:
    """One folder's. `changed` is called when letters stand for something else, or for something at last.

    What reads or writes the file is called under the folder's lock.
    """

    _log = Logger()

    def __init__(self, disk: Disk, folder: Folder, changed: Callable[[], None]) -> None:
        self.keywords = Keywords()
        self._file = KeywordsFile(disk.files, folder, disk.clock)
        self._folder = folder
        self._changed = changed
        self._flags_of: dict[bytes, Flags] = {}

    def flags(self, letters: bytes) -> Flags:
        """The flags that letters stand for; equal ones are one object."""
        known = self._flags_of.get(letters)
        if known is None:
            known = self._flags_of[letters] = self.keywords.flags(letters)
        return known

    def read(self) -> None:
        """Read the file anew. Raises `OSError`."""
        self._take(self._file.read())

    def learn(self, flags: Iterable[str]) -> None:
        """See that every keyword among the flags has a letter. Raises `TooManyKeywords`, `MailError`, `OSError`."""
        spent = bytes({letter for letters in self._flags_of for letter in letters if ord("a") <= letter <= ord("z")})
        keywords = self.keywords.with_names(filter(is_keyword, flags), spent)
        if keywords != self.keywords:
            self._file.write(keywords)
            self._take(keywords)

    def learn_what_fits(self, flags: Flags) -> None:
        """As `learn`; a keyword that cannot be had here is passed over. Raises `OSError`."""
        for wanted in (flags, *({flag} for flag in sorted(flags))):
            try:
                self.learn(wanted)
            except MailError as error:
                self._log.warn(
                    "Not all keywords fit into {folder}: {error}", folder=self._folder.path, error=str(error)
                )
            else:
                if wanted is flags:
                    return

    def _take(self, keywords: Keywords) -> None:
        if keywords != self.keywords:
            self._changed()
        self.keywords = keywords
        self._flags_of = {letters: keywords.flags(letters) for letters in self._flags_of}
