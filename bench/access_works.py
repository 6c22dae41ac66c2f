"""What is measured of reading mail: the table of works, and how each is done on a server.

A work has a server of its own that was just started, over Maildirs without any index, and yields a figure for each of
its rows. Every answer is counted: who tells less than there is has not done the work.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bench.access_client import (
    IMAPClient,
    POP3Client,
    Refused,
    append_command,
    command,
    seconds_until_heard,
    together,
)
from bench.access_corpus import SUBJECT_WORDS, TEXT_WORDS
from bench.access_stage import OF_A_MESSAGE, SELECT, Figure, Stage
from bench.load import message_of
from bench.processes import pss_kilobytes
from bench.servers import PASSWORD

FLAGS = "UID FETCH 1:* (FLAGS)"
HEADERS = (
    "UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority "
    "X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])"
)
"""As Thunderbird looks through a mailbox."""
STRUCTURES = "FETCH 1:* (ENVELOPE BODYSTRUCTURE)"
BODIES = "FETCH 1:* (BODY.PEEK[])"
STATUS = "STATUS Other (MESSAGES UIDNEXT UNSEEN)"
LIST = 'LIST "" *'
OTHER_SESSIONS = 20
APPENDED = append_command("INBOX", message_of(11_000, "sender@example.com") + b"\r\n")
NEWS = 6
"""How often a client in IDLE is let hear of mail."""
RESOLUTION = 0.0001
"""Seconds; what is heard sooner after the OK, or before it, counts as this."""

Doing: TypeAlias = Callable[[Stage], Iterator[Figure]]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. The goal is how many times better than Dovecot."""

    name: str
    unit: str
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What is done on accounts with the mail of that name; it yields a figure for each row."""

    mail: str
    do: Doing
    rows: tuple[Row, ...]
    accounts: int = 1


def open_mailbox(stage: Stage) -> Iterator[Figure]:
    for count in (1, OTHER_SESSIONS):
        clients = [stage.imap() for _ in range(count)]
        yield stage.measure(count, select_in_turn, clients, stage.mail.count)
    yield stage.measure(stage.mail.count, clients[0].expect, stage.mail.count, OF_A_MESSAGE, FLAGS)


def select_in_turn(clients: Sequence[IMAPClient], count: int) -> None:
    for client in clients:
        client.expect(1, b"* %d EXISTS\r\n" % count, SELECT)


def fetch_twice(line: str) -> Doing:
    """All messages, each time in a new session."""

    def do(stage: Stage) -> Iterator[Figure]:
        for _ in range(2):
            client = stage.imap()
            yield stage.measure(stage.mail.count, select_and_fetch, client, stage.mail.count, line)
            client.close()

    return do


def select_and_fetch(client: IMAPClient, count: int, line: str) -> None:
    client.ask(SELECT)
    client.expect(count, OF_A_MESSAGE, line)


def download(stage: Stage) -> Iterator[Figure]:
    for tls in (False, False, True):
        client = stage.imap(tls=tls)
        yield stage.measure(stage.mail.octets / 1e6, select_and_fetch, client, stage.mail.count, BODIES)
        client.close()


def search(field: str, words: Sequence[str]) -> Doing:
    """For each word in a new session: it is the mail that is to be known again, not the answer."""

    def do(stage: Stage) -> Iterator[Figure]:
        for word in words:
            client = stage.selected()
            yield stage.measure(1, find, client, f"SEARCH {field} {word}", stage.mail.found)
            client.close()

    return do


def find(client: IMAPClient, line: str, count: int) -> None:
    numbers = [one.split()[2:] for one in client.ask(line).split(b"\r\n") if one.startswith(b"* SEARCH")]
    if [len(one) for one in numbers] != [count]:
        raise Refused(f"{sum(map(len, numbers))} messages found where {count} were expected, by {line}")


def search_unseen(stage: Stage) -> Iterator[Figure]:
    client, times = stage.selected(), 50

    def find_often() -> None:
        for _ in range(times):
            find(client, "SEARCH UNSEEN", stage.mail.unseen)

    yield stage.measure(times, find_often)


def store_all(stage: Stage) -> Iterator[Figure]:
    count = stage.mail.count
    yield stage.measure(count, stage.selected().expect, count, OF_A_MESSAGE, r"STORE 1:* +FLAGS (\Flagged)")


def store_each(stage: Stage) -> Iterator[Figure]:
    client, count = stage.selected(), min(1000, stage.mail.count)

    def store() -> None:
        for message in range(1, count + 1):
            client.expect(1, OF_A_MESSAGE, rf"STORE {message} +FLAGS (\Flagged)")

    yield stage.measure(count, store)


def append(stage: Stage) -> Iterator[Figure]:
    expected = stage.mail.count
    for connections, each in ((1, stage.some(400)), (8, stage.some(100))):
        clients = [stage.imap() for _ in range(connections)]
        yield stage.measure(connections * each, together, clients, APPENDED, each)
        expected += connections * each
        clients[0].expect(1, b"* %d EXISTS\r\n" % expected, SELECT)


def copy_move_expunge(stage: Stage) -> Iterator[Figure]:
    client, count = stage.imap(), stage.mail.count
    for line in ("CREATE Copies", "CREATE Moved", SELECT):
        client.ask(line)
    yield stage.measure(count, client.ask, "COPY 1:* Copies")
    yield stage.measure(count, client.expect, count, b" EXPUNGE\r\n", "MOVE 1:* Moved")
    client.expect(1, b"(MESSAGES %d)" % count, "STATUS Copies (MESSAGES)")
    client.expect(1, b"* %d EXISTS\r\n" % count, "SELECT Moved")
    client.ask(r"STORE 1:* +FLAGS.SILENT (\Deleted)")
    yield stage.measure(count, client.expect, count, b" EXPUNGE\r\n", "EXPUNGE")


def notify(stage: Stage) -> Iterator[Figure]:
    idler, sender, late, times = stage.selected(), stage.imap(), list[float](), stage.some(NEWS)
    idler.begin_idle()

    def send() -> None:
        for count in range(stage.mail.count + 1, stage.mail.count + times + 1):
            late.append(seconds_until_heard(idler, sender, APPENDED, b"* %d EXISTS" % count))

    figure = stage.measure(times, send)
    yield replace(figure, each=max(RESOLUTION, statistics.median(late)))


def ask_often(stage: Stage, connections: int, each: int, line: str) -> Figure:
    """On connections that have the mailbox selected, all at a time."""
    clients, times = [stage.selected() for _ in range(connections)], stage.some(each)
    return stage.measure(connections * times, together, clients, command(line), times)


def noop(stage: Stage) -> Iterator[Figure]:
    yield ask_often(stage, 1, 5000, "NOOP")
    yield ask_often(stage, 20, 500, "NOOP")


def status(stage: Stage) -> Iterator[Figure]:
    client = stage.selected()
    for line in ("CREATE Other", "COPY 1:* Other"):
        client.ask(line)
    client.expect(1, b"MESSAGES %d " % stage.mail.count, STATUS)
    yield ask_often(stage, 1, 5000, STATUS)


def list_folders(stage: Stage) -> Iterator[Figure]:
    """Counted are those of the mail, for servers have some of their own to tell."""
    for _ in range(2):
        client = stage.imap()
        yield stage.measure(1, client.expect, stage.mail.folders, b"Folder", LIST)
        client.close()


def retrieve(stage: Stage) -> Iterator[Figure]:
    """From the login on, for it is there that a POP3 server looks at the maildrop."""

    def session() -> None:
        client = POP3Client(stage.server.ports["pop3"], stage.address(), PASSWORD)
        octets = client.retrieve(stage.mail.count)
        client.close()
        if octets != stage.mail.octets:
            raise Refused(f"{octets} octets where {stage.mail.octets} were expected")

    for _ in range(2):
        yield stage.measure(stage.mail.count, session)


def idle(stage: Stage) -> Iterator[Figure]:
    """Connections one after the other, of many accounts; then what memory they take in all processes."""
    clients, count = list[IMAPClient](), stage.some(1000)
    stage.selected().close()  # so that what serves any session is weighed before
    before = pss_kilobytes(stage.server.pid)

    def begin() -> None:
        for number in range(count):
            clients.append(stage.imap(number))
            clients[-1].ask(SELECT)
            clients[-1].begin_idle()

    yield stage.measure(count, begin)
    yield Figure((pss_kilobytes(stage.server.pid) - before) / count, 0)


def first_and_again(name: str, unit: str, first: float | None = None, again: float | None = None) -> tuple[Row, Row]:
    return Row(f"{name}, first", unit, first), Row(f"{name}, again", unit, again)


WORKS = (
    Work(
        "many",
        open_mailbox,
        (*first_and_again("SELECT of 50,000", "ms", 1, 1), Row("UID FETCH 1:* (FLAGS) of 50,000", "messages/s", 1)),
    ),
    Work(
        "letters", fetch_twice(HEADERS), first_and_again("headers of 10,000 as Thunderbird asks", "messages/s", 0.5, 1)
    ),
    Work("letters", fetch_twice(STRUCTURES), first_and_again("ENVELOPE BODYSTRUCTURE of 10,000", "messages/s", 0.5, 1)),
    Work("letters", search("SUBJECT", SUBJECT_WORDS), first_and_again("SEARCH SUBJECT of 10,000", "ms", 1, 1)),
    Work("letters", search("TEXT", TEXT_WORDS), first_and_again("SEARCH TEXT of 10,000", "ms", 20, 20)),
    Work("letters", search_unseen, (Row("SEARCH UNSEEN of 10,000", "ms"),)),
    Work("letters", store_all, (Row("STORE 1:* +FLAGS of 10,000", "messages/s", 0.8),)),
    Work("letters", store_each, (Row("STORE, 1,000 single ones", "messages/s", 1),)),
    Work(
        "few",
        append,
        (Row("APPEND of 11 kB, 1 connection", "messages/s", 1), Row("APPEND of 11 kB, 8 connections", "messages/s", 1)),
    ),
    Work(
        "bodies",
        copy_move_expunge,
        (
            Row("COPY of 2,000", "messages/s", 1),
            Row("MOVE of 2,000", "messages/s", 1),
            Row("EXPUNGE of 2,000", "messages/s", 0.5),
        ),
    ),
    Work("few", notify, (Row("APPEND's OK until a client in IDLE hears of it", "ms", 50),)),
    Work(
        "bodies",
        download,
        (*first_and_again("download of 2,000 in one FETCH", "MB/s"), Row("the same over TLS", "MB/s")),
    ),
    Work("letters", noop, (Row("NOOP, 1 connection", "commands/s"), Row("NOOP, 20 connections", "commands/s"))),
    Work("bodies", retrieve, first_and_again("POP3 RETR of 2,000", "messages/s")),
    Work("bodies", status, (Row("STATUS of another mailbox", "commands/s"),)),
    Work("folders", list_folders, first_and_again("LIST of 2,000 folders", "ms")),
    Work("few", idle, (Row("1,000 connections to IDLE", "connections/s"), Row("memory of each", "kB")), accounts=100),
)
