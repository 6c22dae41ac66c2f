"""A message that is put into the queue, in steps that whoever also delivers it elsewhere can join with theirs."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from mailbox_d.queue.draft_file import DraftFile
from mailbox_d.queue.folders import Folders
from mailbox_d.queue.message import Queued
from mailbox_d.queue.message_file import Content
from mailbox_d.store.files import forget, storage_faults


class QueueDraft:
    """`write` what comes, `publish` it: it is durable, and not sent yet; then `schedule` or `withdraw` it. `abort` is
    for any moment before `schedule`, and harmless after it. Between `publish` and `schedule` the process's end makes it
    due. All block and, but for `schedule` and `abort`, raise `StorageFault`."""

    _log = Logger()

    def __init__(
        self,
        folders: Folders,
        file: DraftFile,
        identifier: str,
        published: set[str],
        schedule: Callable[[Content], None],
    ) -> None:
        """`published` has the names of those that are not to be found by who looks at all files."""
        self._folders = folders
        self._file = file
        self._identifier = identifier
        self._published = published
        self._schedule = schedule
        self._content: Content | None = None

    @storage_faults
    def write(self, octets: bytes) -> None:
        """Take the next piece."""
        self._file.write(octets)

    @storage_faults
    def publish(self) -> None:
        """Make the message durable. Where this fails there is none, unless the disk would not remove it either."""
        destination = self._folders.message(self._identifier)
        self._published.add(self._identifier)
        try:
            content = self._file.publish(destination)
        except BaseException:
            self._published.discard(self._identifier)
            self._file.discard()
            raise
        try:
            self._folders.directories.sync(self._folders.messages)
        except BaseException:
            self._remove()
            raise
        self._content = content

    def schedule(self) -> None:
        """From now on it is sent."""
        content, self._content = self._content, None
        assert content is not None, "it is not published"
        self._schedule(content)
        self._published.discard(self._identifier)

    def withdraw(self) -> None:
        """Take it back. A loss of power may bring it again."""
        if self._content is not None:
            self._content = None
            self._remove()

    def abort(self) -> None:
        """Leave nothing of it."""
        self._file.discard()
        self.withdraw()

    def _remove(self) -> None:
        """It stays hidden where the disk would not remove it: nobody was told that it is here."""
        if forget(self._folders.files, self._folders.message(self._identifier)):
            self._published.discard(self._identifier)
        else:
            self._log.error("The message {identifier} cannot be taken back", identifier=self._identifier)


def with_octets(message: Queued, content: Content) -> Queued:
    """A message as it is known once it is whole."""
    return Queued(message.identifier, message.envelope, message.source, message.arrived, content.octets, message.user)
