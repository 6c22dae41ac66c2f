"""What a child process works out for the index: what FETCH would tell of messages.

Asked with the MIME limits and the names under which answers are remembered, then the paths of messages; answers, for
each message, with the octets under each name: empty where there are none to be kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from mailbox_d.errors import MailError, MessageGone
from mailbox_d.imap.fetch.contents import ContentLimits, Contents, Told
from mailbox_d.imap.fetch.remembered import answer_of, attributes_of
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
    contents = Contents(_Messages(paths), replace(ContentLimits(), mime=limits, structures=0))
    return [_answer(contents, place, each) for place in range(len(paths)) for each in attributes]


def _answer(contents: Contents, place: int, attributes: Sequence[FetchAttribute]) -> bytes:
    try:
        (told,) = contents.told([place], attributes)
    except (OSError, MailError):
        return b""
    octets = answer_of(told)
    if isinstance(told, Told):
        contents.give_back(told)
    return octets or b""


class _Messages:
    """A mailbox of the messages at these paths, as far as their contents go; each has its place for a UID."""

    def __init__(self, paths: Sequence[bytes]) -> None:
        self._paths = paths
        self._files = FileSystem()

    def read(self, uid: int) -> WireReader:
        path = self._paths[uid]
        base, _ = split_name(path.rpartition(b"/")[2])
        try:
            return open_message(self._files, path, base)
        except FileNotFoundError as error:
            raise MessageGone("The message is gone") from error
