"""The disk says no, or the process ends, at any step of writing the record: mail goes on, and little is lost."""

from __future__ import annotations

import contextlib
import os
import smtplib
from itertools import count
from pathlib import Path
from shutil import copytree

import pytest

from mailbox_d.record.events import Event
from mailbox_d.record.lookup import look_up, question
from mailbox_d.record.recorder import Recorder, record_folders
from mailbox_d.record.segments import segments_of
from mailbox_d.store.files import FileSystem
from tests.faults.store_files import ERRNOS, FailingFiles, MortalFiles
from tests.integration.daemon import running
from tests.integration.site import ALICE, make_site
from tests.unit.record.happenings import NOON, Time, flush, kept, received, recorder

MESSAGES = (1000, 1001, 1002, 1003)
"""One a flush."""

SIZE = 16_000
"""Small, so that files are begun and removed."""


def story(number: int) -> list[Event]:
    return [received(f"M{number}", NOON + number), kept(f"M{number}", NOON + number)]


def tell(record: Recorder, *numbers: int) -> None:
    for number in numbers:
        for event in story(number):
            record.tell(event)


def fill(state: Path) -> None:
    """A record that is full, and whose newest file is nearly so."""
    time = Time()
    time.now -= 1000
    record = recorder(state, size=SIZE, time=time)
    for number in range(0, 100, 5):
        time.now += 1
        tell(record, *range(number, number + 5))
        flush(record)
    record.close()


def known(state: Path, number: int) -> list[Event]:
    folders = [os.fsencode(folder) for folder in record_folders(state)]
    found = look_up(FileSystem(), folders, question(f"M{number}"), 10)
    return found[0].events if found else []


def octets(state: Path) -> int:
    folders = [os.fsencode(folder) for folder in record_folders(state)]
    return sum(segment.octets for folder in folders for segment in segments_of(FileSystem(), folder))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder with a record that is full."""
    state = tmp_path_factory.mktemp("full")
    fill(state)
    return state


def test_whatever_step_fails_what_was_told_is_written_later(full: Path, tmp_path: Path) -> None:
    for number in count(1):
        state, time = tmp_path / str(number), Time()
        copytree(full, state)
        files = FailingFiles(number, ERRNOS[number % len(ERRNOS)])
        record = recorder(state, size=SIZE, time=time, files=files)
        files.armed = True
        for message in MESSAGES:
            time.now += 1
            tell(record, message)
            flush(record)
        files.armed = False
        flush(record)
        record.close()
        assert all(known(state, message) == story(message) for message in MESSAGES), files.failed
        assert octets(state) <= SIZE
        if files.failed is None:
            break
    assert number > 2 * len(MESSAGES)


@pytest.mark.parametrize("before", [True, False])
def test_wherever_the_process_ends_what_was_written_stays_and_the_next_one_goes_on(
    full: Path, tmp_path: Path, before: bool
) -> None:
    for number in count(1):
        state, time = tmp_path / str(number), Time()
        copytree(full, state)
        flushed = flushes_until_it_dies(state, time, number, before=before)
        record = recorder(state, size=SIZE, time=time)
        tell(record, 2000)
        flush(record)
        record.close()
        there = [known(state, message) for message in MESSAGES]
        assert there[:flushed] == [story(message) for message in MESSAGES[:flushed]]
        assert all(events == story(message)[: len(events)] for message, events in zip(MESSAGES, there, strict=True))
        assert known(state, 2000) == story(2000) and octets(state) <= SIZE
        if flushed == len(MESSAGES):
            break
    assert number > 2 * len(MESSAGES)


def flushes_until_it_dies(state: Path, time: Time, number: int, *, before: bool) -> int:
    """Flushes in a child that ends at one of its file operations; how many it came to."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            files = MortalFiles(number, before=before)
            record = recorder(state, size=SIZE, time=time, files=files)
            files.armed = True
            for message in MESSAGES:
                tell(record, message)
                flush(record)
                os.write(writing, b".")
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        return len(pipe.read())


def test_mail_is_taken_where_the_record_cannot_be_written(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    (site.folder / "state").mkdir(exist_ok=True)
    (site.folder / "state/record").write_text("in the way")
    with running(site) as daemon:
        with smtplib.SMTP("127.0.0.1", site.ports["smtp"], timeout=60) as client:
            for _ in range(5):
                client.sendmail("peer@example.com", [ALICE], "Subject: x\n\nhello\n")
        daemon.stop()
        assert daemon.log_text().count("record of messages cannot be written now") == 1
        assert "10 events of messages could not be written" in daemon.log_text()
    assert len(site.message_files(ALICE)) == 5
    assert (site.folder / "state/record").read_text() == "in the way"
