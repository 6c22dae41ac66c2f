"""What is kept of an account and can be made again, the index and the texts: what is wrong with it, and mending it.

Whoever reads there passes over what is damaged, so nothing that is found here has hidden or invented anything. Some of
what is gone is kept on purpose, since taking it out costs more than it takes up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from mailbox_d.errors import MailboxBusy
from mailbox_d.store.disk import Disk
from mailbox_d.store.files import find
from mailbox_d.store.index.answers import Answers, MailboxKey
from mailbox_d.store.index.mailbox_texts import KEPT_SECONDS, key_of
from mailbox_d.store.index.open_indexes import FILE_NAME, TEXT_FILE_NAME
from mailbox_d.store.index.text_checks import damage, rows_of_others
from mailbox_d.store.index.text_file import Contents
from mailbox_d.store.index.text_rewriting import rewritten
from mailbox_d.store.upkeep.accounts import AccountPlace, MailboxPlace
from mailbox_d.store.upkeep.findings import Finding, Kind
from mailbox_d.store.upkeep.inspection import Inspection
from mailbox_d.store.upkeep.steps import Pause, Progress, Work

_GONE_MIN = 1000
"""So many rows of messages that are gone the index may have of a mailbox, and as many as of those that are there."""

_TEXT_KEPT_SECONDS = 2 * KEPT_SECONDS
"""A session that leaves its mailbox gives back what is older than half of this."""

_LOOKS = 3
_PAUSE = 0.3


class Caches:
    """Those of any account. `text_name` is under which texts are kept now; None where nobody knows."""

    def __init__(self, disk: Disk, text_name: bytes | None) -> None:
        self._disk = disk
        self._text_name = text_name

    def of_account(self, place: AccountPlace, *, deep: bool) -> Work[None]:
        """What is damaged in the texts. Raises `OSError`."""
        told: list[str] | None = None
        for _ in range(_LOOKS):
            before, told = told, []
            contents = self._texts(place.maildir)
            with suppress(FileNotFoundError):  # it is changed just now
                for what in damage(self._disk.texts.of(place.maildir), contents, columns=deep) if contents else ():
                    told += [what] if what else []
                    yield Progress(f"{place.user}, text", 0, 0, "blocks")
            if not told:
                return
            if told == before:
                path = _text_path(place.maildir)
                yield from (Finding(Kind.TEXT_DAMAGED, place.user, "", path, what) for what in told)
                return
            yield Pause(_PAUSE)

    def of_mailbox(self, place: MailboxPlace, seen: Inspection) -> Work[None]:
        """What the index and the texts say of messages that are not there, and what the index says damaged."""
        bases = present(seen)
        answers = answers_of(self._disk, seen)
        for attribute in answers.attributes() if answers is not None else ():
            assert answers is not None
            yield from self._of_attribute(place, seen, answers, attribute, bases)
        yield from self._texts_of_gone(place, seen, bases)

    def _of_attribute(
        self, place: MailboxPlace, seen: Inspection, answers: Answers, attribute: bytes, bases: Mapping[int, bytes]
    ) -> Work[None]:
        damaged, gone = 0, 0
        for damaged_now, gone_now in answers.inspected(attribute, bases):
            damaged += len(damaged_now)
            gone += sum(uid < seen.uid_next for uid in gone_now)
            yield Progress(f"{place.user} {place.mailbox}, index", 0, 0)
        path, name = place.folder.maildir + b"/" + FILE_NAME.encode(), attribute.decode("ascii", "replace")
        if damaged:
            yield Finding(Kind.INDEX_DAMAGED, place.user, place.mailbox, path, f"of {damaged} messages, {name}")
        if gone > max(_GONE_MIN, len(bases)):
            yield Finding(Kind.INDEX_GONE, place.user, place.mailbox, path, f"of {gone} messages, {name}")

    def _texts_of_gone(self, place: MailboxPlace, seen: Inspection, bases: Mapping[int, bytes]) -> Iterator[Finding]:
        contents = self._texts(place.folder.maildir)
        key = self._text_key(seen)
        if contents is None or key is None or abs(self._disk.clock() - contents.since) <= _TEXT_KEPT_SECONDS:
            return
        file = self._disk.texts.of(place.folder.maildir)
        with suppress(FileNotFoundError):  # it is changed just now
            rows = rows_of_others(file, contents, key, bases, seen.uid_next)
            if rows:
                path = _text_path(place.folder.maildir)
                yield Finding(Kind.TEXT_GONE, place.user, place.mailbox, path, f"of {rows} messages")

    def mend_index(self, seen: Inspection) -> str:
        """Forget what is damaged, and what is of messages that are gone."""
        answers, bases = answers_of(self._disk, seen), present(seen)
        for attribute in answers.attributes() if answers is not None else ():
            assert answers is not None
            for damaged, gone in answers.inspected(attribute, bases):
                answers.forget(attribute, [*damaged, *(uid for uid in gone if uid < seen.uid_next)])
        return "forgot what is damaged, and what was said of messages that are gone"

    def mend_texts(self, maildir: bytes, seen: Inspection | None = None) -> str:
        """Write what is whole anew; of a mailbox that was looked at, what is of messages that are there. Raises
        `MailboxBusy`."""
        file, before = self._disk.texts.of(maildir), self._texts(maildir)
        key = self._text_key(seen) if seen is not None else None
        there = {key: present(seen)} if seen is not None and key is not None else {}
        file.rewrite(lambda descriptor, contents: rewritten(descriptor, contents, None, there))
        after = file.contents()
        if before is not None and after is not None and after.state == before.state:
            raise MailboxBusy("The texts are in use by another program")
        return "wrote what is whole anew"

    def _texts(self, maildir: bytes) -> Contents | None:
        if find(self._disk.files, _text_path(maildir)) is None:
            return None
        return self._disk.texts.of(maildir).contents()

    def _text_key(self, seen: Inspection) -> bytes | None:
        if self._text_name is None or not seen.header.guid:
            return None
        return key_of(_key(seen), self._text_name)


def answers_of(disk: Disk, seen: Inspection) -> Answers | None:
    """What the index says of a mailbox; None where there is no index, which is not made for this."""
    maildir = seen.folder.maildir
    if find(disk.files, maildir + b"/" + FILE_NAME.encode()) is None or not seen.header.guid:
        return None
    return Answers(disk.indexes.of(maildir), _key(seen))


def present(seen: Inspection) -> dict[int, bytes]:
    """The messages that are there and listed: UID and base name."""
    return {uid: base for base, uid in seen.lines.uid_of.items() if base in seen.by_base}


def _key(seen: Inspection) -> MailboxKey:
    return MailboxKey(seen.header.guid, seen.header.uid_validity)


def _text_path(maildir: bytes) -> bytes:
    return maildir + b"/" + TEXT_FILE_NAME.encode()
