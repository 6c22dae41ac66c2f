"""Answers for a person, or as JSON lines for a program."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from mailbox_d.config.units import GIB, KIB, MIB
from mailbox_d.control.telling import FINDINGS, FINE, TROUBLE
from mailbox_d.printable import escaped
from mailbox_d.wire.control.requests import Verb

Answer = Mapping[str, Any]

_ROW = "{:<40} {:>9} {:>10} {:>8} {:>11} {:>11}  {}"
_HEADING = _ROW.format("mailbox", "messages", "size", "unseen", "UIDNEXT", "UIDVALIDITY", "last delivery")


class Teller(Protocol):
    """Tells answers as they come. `status` is that of the last one; `through` says who does the work."""

    status: int
    through: str

    def tell(self, answer: Answer) -> None:
        """Tell one answer."""


class JsonLines(Teller):
    """Each answer a line; progress is not told. The last line says who did the work."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self.status = TROUBLE
        self.through = ""

    def tell(self, answer: Answer) -> None:
        if answer["answer"] == "progress":
            return
        if answer["answer"] == "end":
            self.status = int(answer["status"])
            answer = {**answer, "through": self.through}
        print(json.dumps(answer), file=self._out, flush=True)


class Output:
    """Lines on both streams, escaped, above a progress bar where there is one: where standard error is a terminal."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._err = err
        self._bar: Any = None
        self._bar_of = ""

    def progress(self, answer: Answer) -> None:
        """Show how far it is."""
        if not self._err.isatty():
            return
        what, total = str(answer["what"]), int(answer["total"])
        if what != self._bar_of:
            self.end_bar()
            unit = f" {answer['unit']}"
            self._bar_of = what
            self._bar = tqdm(total=total or None, desc=escaped(what), unit=unit, leave=False, file=self._err)
        self._bar.update(int(answer["done"]) - self._bar.n)

    def end_bar(self) -> None:
        """There is no more progress."""
        if self._bar is not None:
            self._bar.close()
        self._bar, self._bar_of = None, ""

    def say(self, text: str) -> None:
        """A line of what was asked for."""
        self._write(text, self._out)

    def complain(self, text: str) -> None:
        """A line for the one who asks."""
        self._write(text, self._err)

    def _write(self, text: str, where: TextIO) -> None:
        line = escaped(text)
        if self._bar is not None:
            tqdm.write(line, file=where)
        else:
            print(line, file=where, flush=True)


class Terminal(Teller):
    """Sentences and tables; a progress bar where standard error is a terminal."""

    def __init__(self, verb: Verb, out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> None:
        self._verb = verb
        self._output = Output(out, err)
        self._done: dict[str, int] = {}
        self._began = time.monotonic()
        self._totals = {"mailboxes": 0, "messages": 0, "octets": 0, "index_octets": 0}
        self._accounts = 0
        self._has_heading = False
        self.status = TROUBLE
        self.through = ""

    def tell(self, answer: Answer) -> None:
        """Tell one answer; of a kind that is newer than we are, nothing."""
        form = getattr(self, f"_tell_{answer['answer']}", None)
        if form is not None:
            form(answer)

    def _tell_progress(self, answer: Answer) -> None:
        self._done[str(answer["what"])] = int(answer["done"])
        self._output.progress(answer)

    def _tell_finding(self, answer: Answer) -> None:
        severity = f"{answer['severity']}: " if "severity" in answer else ""
        self._output.say(f"{_place(answer)}: {severity}{answer['kind']}: {answer['means']}")
        detail = f" ({answer['detail']})" if answer["detail"] else ""
        self._output.say(f"    {answer['path']}{detail}")
        self._output.say(f"    repair: {answer['repair'] or 'by hand'}")

    def _tell_mended(self, answer: Answer) -> None:
        self._output.say(f"{_place(answer)}: {answer['kind']}: {answer['did']}")
        self._output.say(f"    {answer['path']}")

    def _tell_trouble(self, answer: Answer) -> None:
        self._output.complain(f"{_place(answer)}: {answer['why']}")

    def _tell_note(self, answer: Answer) -> None:
        self._output.say(f"{answer['user']}: {answer['text']}")

    def _tell_command(self, answer: Answer) -> None:
        self._output.say(shlex.join(map(str, answer["words"])))

    def _tell_mailbox(self, answer: Answer) -> None:
        if not self._has_heading:
            self._has_heading = True
            self._output.say(_HEADING)
        last = answer["last_delivery"]
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(last)) if last else "-"
        figures = answer["messages"], octets(answer["octets"]), answer["unseen"]
        self._output.say(_ROW.format(_place(answer), *figures, answer["uid_next"], answer["uid_validity"] or "-", when))

    def _tell_account(self, answer: Answer) -> None:
        self._accounts += 1
        for name in self._totals:
            self._totals[name] += int(answer[name])
        self._output.say(f"{answer['user']}: {_sum(answer)}")

    def _tell_end(self, answer: Answer) -> None:
        self._output.end_bar()
        self.status = int(answer["status"])
        if self._accounts > 1:
            self._output.say(f"{self._accounts} accounts: {_sum(self._totals)}")
        if "text" in answer:
            self._output.complain(str(answer["text"]))
        else:
            self._output.complain(f"{self._verb.value}, {self.through}: {self._outcome(answer)}")

    def _outcome(self, answer: Answer) -> str:
        findings = "finding" if answer["findings"] == 1 else "findings"
        counts = (("findings", findings), ("mended", "mended"), ("troubles", "could not be done"))
        words = [f"{answer[name]} {label}" for name, label in counts if answer[name]]
        if self.status in (FINE, FINDINGS) and not words:
            words = ["nothing is wrong" if self._verb in (Verb.VERIFY, Verb.REPAIR) else "done"]
        seconds = time.monotonic() - self._began
        messages = sum(self._done.values())
        if self._verb is Verb.REINDEX and messages:
            words.append(f"{messages} messages in {seconds:.1f} s, {messages / max(seconds, 0.001):.0f} a second")
        return ", ".join(words)


def drop_output() -> None:
    """What standard output would not take is not tried again when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def octets(count: int) -> str:
    """A size as people read it."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def _place(answer: Answer) -> str:
    return " ".join(filter(None, (str(answer["user"]), str(answer["mailbox"])))) or "the store"


def _sum(figures: Answer) -> str:
    size, index = octets(int(figures["octets"])), octets(int(figures["index_octets"]))
    return f"{figures['messages']} messages in {figures['mailboxes']} mailboxes, {size}; index {index}"
