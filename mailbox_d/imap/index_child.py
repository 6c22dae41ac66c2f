"""What a child process works out for the index: what FETCH would tell of messages.

Asked with the MIME limits and the names under which answers are remembered, then the paths of messages; answers, for
each message, with the octets under each name: empty where there are none to be kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace

from mailbox_d.errors import MailError, MessageGone
from mailbox_d.imap.contents import ContentLimits, Contents
from mailbox_d.imap.remembered import answer_of, attributes_of
from mailbox_d.mime.structure import MimeLimits
from mailbox_d.store.filename import split_name
from mailbox_d.store.files import FileSystem
from mailbox_d.store.message_file import open_message
from mailbox_d.store.ports import WireReader
from mailbox_d.wire.imap.fetch import FetchAttribute


def question(limits: MimeLimits, names: Sequence[bytes], paths: Sequence[bytes]) -> list[bytes]:
    """What a child is asked."""
    return [json.dumps(asdict(limits)).encode(), b"%d" % len(names), *names, *paths]


def answers(answered: Sequence[bytes], names: int) -> list[Sequence[bytes]]:
    """What a child answered, message by message."""
    return [answered[start : start + names] for start in range(0, len(answered), names)]


def work(asked: Sequence[bytes]) -> list[bytes]:
    """Answer a question. A message that cannot be read, or is no message, has no answers."""
    limits, count = MimeLimits(**json.loads(asked[0])), int(asked[1])
    names, paths = asked[2 : 2 + count], asked[2 + count :]
    attributes = [attributes_of(name, limits) or () for name in names]
    return [octets for path in paths for octets in _of_message(path, attributes, limits)]


def _of_message(path: bytes, asked: Sequence[Sequence[FetchAttribute]], limits: MimeLimits) -> Iterator[bytes]:
    contents = Contents(_OneMessage(path), replace(ContentLimits(), mime=limits))
    for attributes in asked:
        octets: bytes | None = None
        with suppress(OSError, MailError):
            (told,) = contents.told([0], attributes)
            octets = answer_of(told)
        yield octets or b""
    contents.close()


class _OneMessage:
    """A mailbox of one message, as far as its contents go."""

    def __init__(self, path: bytes) -> None:
        self._path = path

    def read(self, uid: int) -> WireReader:
        base, _ = split_name(self._path.rpartition(b"/")[2])
        try:
            return open_message(FileSystem(), self._path, base)
        except FileNotFoundError as error:
            raise MessageGone("The message is gone") from error
