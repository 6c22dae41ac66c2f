"""Completes and signs messages of the queue, and remembers the signatures while a message goes to several servers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from mailbox_d.queue.message import Queued
from mailbox_d.relay.signing.body_hash import BodyHash
from mailbox_d.relay.signing.dkim import Signer, sign
from mailbox_d.relay.signing.missing_fields import missing_fields

Read = Callable[[int, int], bytes]
"""Octets of a message, by offset and length; fewer only at its end. Blocks. Raises `StorageFault`."""

_BLOCK = 65536
_HEADER_END = b"\r\n\r\n"
_KEPT = 256


class Signing:
    """Blocks, and is safe for threads."""

    def __init__(self, signer: Signer, hostname: str, clock: Callable[[], float]) -> None:
        """`hostname`: ours, for the identifiers of messages that have none."""
        self._signer = signer
        self._hostname = hostname
        self._clock = clock
        self._guard = threading.Lock()
        self._known: OrderedDict[tuple[str, int, bool], bytes] = OrderedDict()

    def fields(self, message: Queued, octets: int, header: bytes, read: Read, *, is_converted: bool = False) -> bytes:
        """The fields to put in front of a message of so many octets, which begins with `header` and the empty line
        behind it: those that it lacks, and signatures where somebody signs. `is_converted`: it is another text than
        what is in the queue, though it may be as long. Raises `StorageFault`."""
        missing = missing_fields(message, header, self._hostname)
        keys = self._signer.keys(message, header)
        if not keys:
            return missing
        key = message.identifier, octets, is_converted
        with self._guard:
            known = self._known.get(key)
        if known is None:
            known = missing + sign(missing + header, _body_hash(octets, len(header), read), keys, self._clock())
            self._remember(key, known)
        return known

    def _remember(self, key: tuple[str, int, bool], fields: bytes) -> None:
        with self._guard:
            self._known[key] = fields
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)


def _body_hash(octets: int, offset: int, read: Read) -> bytes:
    body = BodyHash()
    for place in range(offset, octets, _BLOCK):
        body.feed(read(place, min(_BLOCK, octets - place)))
    return body.finish()


def header_of(beginning: bytes) -> bytes:
    """The header with the empty line behind it, of a message's beginning."""
    end = beginning.find(_HEADER_END)
    return beginning if end < 0 else beginning[: end + len(_HEADER_END)]
