"""Whatever a client sends, the IMAP server answers it alike in every piece, and nothing of ours goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import globalLogPublisher

from tests.dialogues.imap_server import filled_store, imap_connection, imap_service

WORDS = (
    "a b1 NOOP LOGIN SELECT EXAMINE FETCH STORE SEARCH UID APPEND LIST LSUB STATUS CREATE DELETE RENAME EXPUNGE CLOSE "
    'CHECK LOGOUT ID NIL INBOX Archive/2024 new "" * % 1 2 1:* 2:1 4294967295 99:* FLAGS +FLAGS -FLAGS.SILENT (\\Seen) '
    "(\\Deleted x) () ALL (UID FLAGS) BODY[] BODY.PEEK[]<3.9> BODY[TEXT] RFC822.SIZE UNSEEN NOT OR DELETED KEYWORD x "
    '(MESSAGES UIDNEXT) {3} {3+} {0+} {2000+} abc "q\\"x" AUTHENTICATE PLAIN STARTTLS ann@example.org secret '
    'ENABLE UTF8=ACCEPT UTF8 (~{3+} ~{3} ~{3+} "Ä" RENAME SUBSCRIBE COPY CHARSET UTF-8 (SUBSCRIBED)'
)
lines = st.lists(st.sampled_from(WORDS.split(" ")), max_size=6).map(lambda words: " ".join(words).encode() + b"\r\n")
sensible = st.sampled_from(
    [
        b"s SELECT INBOX\r\n",
        b"x EXAMINE INBOX\r\n",
        b"f FETCH 1:* (UID FLAGS BODY.PEEK[HEADER])\r\n",
        b"u UID FETCH 1:* BODY[]\r\n",
        b"d STORE 1 +FLAGS (\\Deleted)\r\n",
        b"e EXPUNGE\r\n",
        b"p APPEND INBOX {3+}\r\nabc\r\n",
        b"l APPEND INBOX (\\Seen) {3}\r\n",
        b"q SEARCH OR UNSEEN DELETED\r\n",
        b"n ENABLE UTF8=ACCEPT\r\n",
        b"b APPEND INBOX ~{3+}\r\na\0c\r\n",
        b"8 APPEND INBOX UTF8 (~{3+}\r\nabc)\r\n",
        b'c CREATE "\xc3\xa4/A&-"\r\n',
        b'r RENAME "\xc3\xa4" &AOk-\r\n',
        b'm SUBSCRIBE "\xc3\xa4/\xff"\r\n',
        b'i LIST (SUBSCRIBED RECURSIVEMATCH) "" (*e% "\xc3\xa4%") RETURN (STATUS (MESSAGES))\r\n',
        b'j LIST "" *\r\n',
    ]
)
_UID_VALIDITY = re.compile(rb"(UIDVALIDITY|APPENDUID|COPYUID) [0-9]+")
"""Each store in memory has its own."""

streams = st.lists(st.one_of(lines, sensible, sensible, st.binary(max_size=12)), max_size=15).map(b"".join)


def answered(segments: Iterable[bytes]) -> bytes:
    """What the server says to a client who logs in and then sends this."""
    connection = imap_connection(imap_service(filled_store()), secure=True)
    connection.connect()
    connection.send(b"a LOGIN ann@example.org secret\r\n")
    for segment in segments:
        connection.send(segment)
    return _UID_VALIDITY.sub(rb"\1", connection.transport.take())


@settings(deadline=None)
@given(streams)
def test_whole_and_octet_by_octet_are_answered_alike(stream: bytes) -> None:
    assert answered([stream]) == answered(stream[at : at + 1] for at in range(len(stream)))


@settings(deadline=None)
@given(streams)
def test_nothing_of_ours_goes_wrong(stream: bytes) -> None:
    failures: list[dict[str, object]] = []

    def observe(event: dict[str, object]) -> None:
        if "log_failure" in event:
            failures.append(event)

    globalLogPublisher.addObserver(observe)
    try:
        said = answered([stream])
    finally:
        globalLogPublisher.removeObserver(observe)
    assert failures == []
    assert b"SERVERBUG" not in said
    assert said.endswith(b"\r\n")
