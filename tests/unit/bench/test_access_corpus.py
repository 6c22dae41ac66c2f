"""The mail of `bench.access` has what the works expect of it."""

import email
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from bench.access_corpus import (
    SUBJECT_WORDS,
    TEXT_WORDS,
    Corpus,
    make_corpus,
    many_of,
    messages,
)

COUNT = 100


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("bench") / "letters", COUNT, attached=0.2, folders=3)


def parsed(octets: bytes) -> EmailMessage:
    return email.message_from_bytes(octets, policy=policy.default)


def texts(message: EmailMessage) -> str:
    return "".join(part.get_content() for part in message.walk() if part.get_content_maintype() == "text")


def test_is_the_same_at_every_run() -> None:
    assert list(messages(COUNT, 0.2)) == list(messages(COUNT, 0.2))


def test_has_each_word_in_as_many_messages_as_it_says(corpus: Corpus) -> None:
    letters = [parsed(octets) for octets in messages(COUNT, 0.2)]
    for word in SUBJECT_WORDS:
        assert sum(word in letter["Subject"] for letter in letters) == corpus.found
        assert not any(word in texts(letter) for letter in letters)
    for word in TEXT_WORDS:
        assert sum(word in texts(letter) for letter in letters) == corpus.found
        assert not any(word in str(letter["Subject"]) for letter in letters)


def test_has_no_defects_and_is_of_many_kinds() -> None:
    letters = [parsed(octets) for octets in messages(COUNT, 0.2)]
    parts = [part for letter in letters for part in letter.walk()]
    assert not any(part.defects for part in parts)
    kinds = {"text/plain", "text/html", "multipart/alternative", "multipart/mixed", "application/octet-stream"}
    assert {part.get_content_type() for part in parts} == kinds
    assert {part["Content-Transfer-Encoding"] for part in parts} >= {"7bit", "8bit", "base64", "quoted-printable"}


def test_names_tell_sizes_and_flags(corpus: Corpus) -> None:
    paths = list((corpus.folder / "Maildir/cur").iterdir())
    assert sum(path.name.endswith(":2,") for path in paths) == corpus.unseen
    assert all(f",S={path.stat().st_size}," in path.name for path in paths)
    assert sum(int(path.name.partition(",W=")[2].partition(":")[0]) for path in paths) == corpus.octets


def test_is_laid_out_as_links_with_a_list_of_its_own(corpus: Corpus, tmp_path: Path) -> None:
    maildir = tmp_path / "user/Maildir"
    corpus.lay_out(maildir)
    assert all(path.stat().st_nlink == 2 for path in (maildir / "cur").iterdir())
    assert (maildir / "dovecot-uidlist").stat().st_nlink == 1
    assert len((maildir / "dovecot-uidlist").read_text().splitlines()) == COUNT + 1
    assert len(list(maildir.glob(".Folder*"))) == corpus.folders


def test_many_are_the_same_under_other_names(corpus: Corpus, tmp_path: Path) -> None:
    many = many_of(corpus, tmp_path / "many", 3)
    names = [path.name for path in (many.folder / "Maildir/cur").iterdir()]
    assert len(names) == many.count == 3 * COUNT
    assert len({name.partition(",")[0] for name in names}) == many.count
