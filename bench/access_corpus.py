"""The mail of `bench.access`: Maildirs to take links of, the same at every run, with known words to be sought.

Texts are in several scripts and charsets, in quoted-printable, base64 and as they are; some messages have an
alternative in HTML, some an attachment. Names are as both servers give them, and `dovecot-uidlist` has the UIDs.
"""

from __future__ import annotations

import base64
import os
import pwd
import quopri
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.header import Header
from pathlib import Path

SEED = 1
SUBJECT_WORDS = ("lighthouse", "gooseberry")
"""In the subject of a message of twenty each, and nowhere else."""
TEXT_WORDS = ("pineapple", "wheelbarrow")
"""In the text of a message of twenty each, and nowhere else."""
ONE_IN = 20
UNSEEN_ONE_IN = 3
BASE_SECONDS = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Script:
    """How mail of a language is often sent, and words of it."""

    charset: str
    encoding: str
    text: str


SCRIPTS = (
    Script("us-ascii", "7bit", "the meeting is on Monday please send your report about costs and plans"),
    Script("utf-8", "8bit", "voilà la réunion est déplacée à lundi prochain merci de répondre ça va"),
    Script("iso-8859-1", "quoted-printable", "Grüße aus Köln die Prüfung wäre für März möglich"),
    Script("utf-8", "quoted-printable", "Příliš žluťoučký kůň úpěl ďábelské ódy dnes večer"),
    Script("utf-8", "base64", "η γρήγορη αλεπού πηδά πάνω από το τεμπέλικο σκυλί"),
    Script("koi8-r", "base64", "Съешь ещё этих мягких французских булок да выпей чаю"),
    Script("utf-8", "base64", "会議 は 月曜日 に 変更 されました よろしく お願い します"),
    Script("utf-8", "base64", "שלום רב הפגישה נדחתה ליום שני בבוקר תודה"),
)
ASCII_SHARE = 0.4
ALTERNATIVE_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Corpus:
    """A Maildir to take links of, with so many messages; their octets on the wire in all."""

    folder: Path
    count: int
    octets: int
    folders: int = 0

    @property
    def found(self) -> int:
        """How many messages have one of the words."""
        return self.count // ONE_IN

    @property
    def unseen(self) -> int:
        return -(-self.count // UNSEEN_ONE_IN)

    def lay_out(self, maildir: Path) -> None:
        """Make a Maildir of links to the messages, with a list of UIDs of its own and no index."""
        maildir.parent.mkdir(parents=True)
        subprocess.run(["cp", "--archive", "--link", str(self.folder / "Maildir"), str(maildir)], check=True)
        shutil.copy(self.folder / "dovecot-uidlist", maildir)
        give(maildir.parent, maildir / "dovecot-uidlist")


def make_corpus(folder: Path, count: int, *, attached: float, folders: int = 0) -> Corpus:
    """Write messages, of which a share has an attachment, and beside the inbox empty folders."""
    octets, names = 0, []
    make_maildir(folder / "Maildir")
    for number, wire in enumerate(messages(count, attached)):
        path = folder / "Maildir/cur" / name_of(number, wire)
        path.write_bytes(wire.replace(b"\r\n", b"\n"))
        give(path)
        names.append(path.name)
        octets += len(wire)
    for number in range(folders):
        make_maildir(folder / f"Maildir/.Folder{number}")
    write_uidlist(folder, names)
    return Corpus(folder, count, octets, folders)


def many_of(corpus: Corpus, folder: Path, times: int) -> Corpus:
    """A corpus with each message so many times, as links: for what looks at names alone."""
    make_maildir(folder / "Maildir")
    sources = sorted((corpus.folder / "Maildir/cur").iterdir())
    names = []
    for turn in range(times):
        for number, source in enumerate(sources, turn * len(sources)):
            names.append(source.name.replace(f"M{number % len(sources)}P1", f"M{number}P{turn + 1}"))
            os.link(source, folder / "Maildir/cur" / names[-1])
    write_uidlist(folder, names)
    return replace(corpus, folder=folder, count=corpus.count * times, octets=corpus.octets * times)


def make_maildir(maildir: Path) -> None:
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
        give(maildir / part)
    give(maildir)


def write_uidlist(folder: Path, names: list[str]) -> None:
    lines = (f"{uid} :{name.partition(':')[0]}\n" for uid, name in enumerate(names, 1))
    header = f"3 V{BASE_SECONDS} N{len(names) + 1} G{SEED:032x}\n"
    (folder / "dovecot-uidlist").write_text(header + "".join(lines))


def give(*paths: Path) -> None:
    """To the user whose mail it is for Dovecot; nothing where it does not run."""
    if os.geteuid() == 0:
        owner = pwd.getpwnam("mail")
        for path in paths:
            os.chown(path, owner.pw_uid, owner.pw_gid)


def name_of(number: int, wire: bytes) -> str:
    seen = "S" if number % UNSEEN_ONE_IN else ""
    size = len(wire) - wire.count(b"\r\n")
    return f"{BASE_SECONDS + number}.M{number}P1.bench,S={size},W={len(wire)}:2,{seen}"


def messages(count: int, attached: float) -> Iterator[bytes]:
    """As they are on the wire. The words that are sought are in the 4th to 7th of every twenty messages."""
    chance = random.Random(SEED)
    for number in range(count):
        script = SCRIPTS[0] if chance.random() < ASCII_SHARE else chance.choice(SCRIPTS)
        place = number % ONE_IN
        subject = phrase(chance, script, chance.randint(2, 9), SUBJECT_WORDS[place - 3] if place in (3, 4) else "")
        size = min(2000, round(chance.lognormvariate(4.6, 0.9)))
        text = paragraphs(phrase(chance, script, size, TEXT_WORDS[place - 5] if place in (5, 6) else ""))
        fields = header(number, encoded_subject(subject, script))
        yield (fields + body(chance, script, text, attached)).replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def phrase(chance: random.Random, script: Script, count: int, word: str) -> str:
    words = chance.choices(script.text.split(), k=count)
    if word:
        words[chance.randrange(count)] = word
    return " ".join(words)


def paragraphs(text: str) -> str:
    """Lines of twelve words."""
    words = text.split()
    return "".join(" ".join(words[start : start + 12]) + "\n" for start in range(0, len(words), 12))


def header(number: int, subject: str) -> str:
    day, hour, minute = 1 + number // 1440 % 28, number // 60 % 24, number % 60
    return (
        f"Received: from mx{number % 7}.example.com (mx{number % 7}.example.com [192.0.2.{number % 250}])\n"
        f"\tby mail.example.org with ESMTPS id {number:08x}\n\tfor <reader@example.org>\n"
        f"From: Sender {number % 50} <sender{number % 50}@example.com>\nTo: Reader <reader@example.org>\n"
        f"Cc: team{number % 9}@example.org, Other <other{number % 99}@example.net>\nSubject: {subject}\n"
        f"Date: {day:02} Nov 2026 {hour:02}:{minute:02}:00 +0000\nMessage-ID: <{number}@bench.example.com>\n"
        f"References: <thread{number % 500}@bench.example.com>\n <{number - 1}@bench.example.com>\n"
        f"In-Reply-To: <{number - 1}@bench.example.com>\nMIME-Version: 1.0\n"
    )


def encoded_subject(subject: str, script: Script) -> str:
    return subject if subject.isascii() else Header(subject, script.charset, header_name="Subject").encode()


def body(chance: random.Random, script: Script, text: str, attached: float) -> str:
    content = part("text/plain", script, text)
    if chance.random() < ALTERNATIVE_SHARE:
        html = part(
            "text/html", script, f"<html><body><p>{text.replace(chr(10), '<br>' + chr(10))}</p></body></html>\n"
        )
        content = multipart("alternative", chance, content, html)
    if chance.random() < attached:
        content = multipart("mixed", chance, content, attachment(chance))
    return content


def part(kind: str, script: Script, text: str) -> str:
    """Header fields, an empty line and the text as the script's mail is often sent."""
    octets = text.encode(script.charset)
    if script.encoding == "base64":
        octets = base64.encodebytes(octets)
    elif script.encoding == "quoted-printable":
        octets = quopri.encodestring(octets)
    fields = f"Content-Type: {kind}; charset={script.charset}\nContent-Transfer-Encoding: {script.encoding}\n\n"
    return fields + octets.decode("utf-8", "surrogateescape")


def attachment(chance: random.Random) -> str:
    """About 25 kB, seldom a megabyte, of what no compression makes smaller."""
    octets = chance.randbytes(min(1_000_000, round(chance.lognormvariate(9.6, 1.0))))
    return (
        f'Content-Type: application/octet-stream; name="{len(octets)}.bin"\n'
        f'Content-Disposition: attachment; filename="{len(octets)}.bin"\nContent-Transfer-Encoding: base64\n\n'
        + base64.encodebytes(octets).decode("ascii")
    )


def multipart(kind: str, chance: random.Random, *parts: str) -> str:
    boundary = f"=_{chance.getrandbits(64):016x}"
    inner = "".join(f"--{boundary}\n{one}\n" for one in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{inner}--{boundary}--\n'
