"""Answers about the queue for a person: tables and sentences."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from mailbox_d.control.telling import TROUBLE
from mailbox_d.ctl.terminal import Answer, Output, Teller, octets
from mailbox_d.wire.control.queue_requests import QueueVerb

_ROW: Final = "{:<14} {:>5} {:>10} {:>5} {:>6} {:>8}  {}"
_HEADING: Final = _ROW.format("message", "age", "size", "to", "tries", "next", "from, to, and what was said last")
_DOMAIN_ROW: Final = "{:>8} {:>8} {:>8}  {}"
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"))


class QueueTerminal(Teller):
    """Sentences and tables; a progress bar where standard error is a terminal."""

    def __init__(
        self,
        verb: QueueVerb,
        out: TextIO = sys.stdout,
        err: TextIO = sys.stderr,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._verb = verb
        self._output = Output(out, err)
        self._clock = clock
        self._heading = ""
        self.status = TROUBLE
        self.through = ""

    def tell(self, answer: Answer) -> None:
        """Tell one answer; of a kind that is newer than we are, nothing."""
        form = getattr(self, f"_tell_{answer['answer']}", None)
        if form is not None:
            form(answer)

    def _tell_progress(self, answer: Answer) -> None:
        if self._verb is not QueueVerb.LIST:
            self._output.progress(answer)

    def _tell_message(self, answer: Answer) -> None:
        self._head(_HEADING)
        shown = ", ".join(f"<{each}>" for each in answer["recipients"])
        more = answer["waiting"] - len(answer["recipients"])
        way = f"<{answer['sender']}> to {shown}{f' and {more} more' if more > 0 else ''}"
        words = f": {answer['words']}" if answer["words"] else ""
        figures = self._age(answer["arrived"]), octets(answer["octets"]), answer["waiting"], answer["attempts"]
        self._output.say(_ROW.format(answer["id"], *figures, self._next(answer), way + words))

    def _next(self, answer: Answer) -> str:
        if answer["state"] != "waiting":
            return str(answer["state"])
        seconds = answer["due"] - self._clock()
        return "now" if seconds <= 0 else span(seconds)

    def _tell_envelope(self, answer: Answer) -> None:
        extras = [word.upper() for word in ("smtputf8", "require_tls") if answer[word]]
        lines = {
            "message": f"{answer['id']} ({answer['state']})",
            "arrived": f"{_when(answer['arrived'])}, {self._age(answer['arrived'])} ago",
            "size": octets(answer["octets"]),
            "source": f"{answer['source']} {answer['user']}".rstrip(),
            "sender": f"<{answer['sender']}>",
            "ENVID": answer["envelope_id"],
            "RET": answer["returns"],
            "body": " ".join([answer["body"], *extras]),
            "recipients": f"{answer['recipients']}, of whom {answer['waiting']} wait",
        }
        for name, text in lines.items():
            if text:
                self._output.say(f"{name + ':':<12}{text}")

    def _tell_recipient(self, answer: Answer) -> None:
        next_at = f", next at {_when(answer['due'])}" if answer["due"] else ""
        tries = answer["attempts"]
        self._output.say(f"<{answer['to']}>: {answer['state']}, {tries} {_plural('attempt', tries)}{next_at}")
        notify = " ".join(answer["notify"]) or "never"
        original = f", ORCPT {answer['original']}" if answer["original"] else ""
        self._output.say(f"    notify {notify}{original}{', its sender was told of a delay' * answer['warned']}")
        if "at" in answer:
            self._tell_attempt(answer)

    def _tell_attempt(self, answer: Answer) -> None:
        host = f" by {answer['host']}" if answer.get("host") else ""
        address = f" [{answer['address']}]" if answer.get("address") else ""
        tls = f" over {answer['tls']}" if answer.get("tls") else ""
        secured = ", ".join(str(answer[word]) for word in ("security", "policy") if answer.get(word))
        self._output.say(f"    last at {_when(answer['at'])}: {answer['fate']}{host}{address}{tls}")
        if secured:
            self._output.say(f"    {secured}")
        self._output.say(f"    {answer.get('reply') or ' '.join((answer.get('status', ''), answer.get('reason', '')))}")

    def _tell_content(self, answer: Answer) -> None:
        self._output.say(f"    | {answer['text'].expandtabs(4)}")

    def _tell_queue(self, answer: Answer) -> None:
        oldest = f", the oldest {self._age(answer['oldest'])} old" if answer["oldest"] else ""
        self._output.say(f"{answer['messages']} {_plural('message', answer['messages'])}{oldest}")
        counts = f"{answer['waiting']} waiting, {answer['held']} held, {answer['sending']} being sent"
        self._output.say(f"for domains: {counts}; {octets(answer['octets'])} for {answer['domains']} domains")
        if answer["runs"] is not None:
            runs, sessions = answer["runs"], answer["connections"]
            self._output.say(f"now: {runs} {_plural('run', runs)}, {sessions} {_plural('connection', sessions)}")
        bounds = [f"under {span(seconds)}" for seconds in answer["ages_at"]] + ["older"]
        ages = zip(answer["ages"], bounds, strict=True)
        self._output.say("by age: " + ", ".join(f"{count} {bound}" for count, bound in ages))
        if answer["damaged"]:
            self._output.say(f"damaged files set aside: {answer['damaged']}")
        if not answer["is_complete"]:
            self._output.say("not all files have been looked at yet")

    def _tell_domain(self, answer: Answer) -> None:
        self._head(_DOMAIN_ROW.format("waiting", "held", "oldest", "domain"))
        age = self._age(answer["oldest"])
        self._output.say(_DOMAIN_ROW.format(answer["waiting"], answer["held"], age, answer["domain"] or "(others)"))

    def _tell_tls(self, answer: Answer) -> None:
        self._output.say(f"{answer['domain']}: {answer['level']}, last seen {_when(answer['seen'])}")

    def _tell_changed(self, answer: Answer) -> None:
        self._output.say(f"{answer['id']}: {answer['did']}")

    def _tell_missing(self, answer: Answer) -> None:
        self._output.complain(f"{answer['id']}: there is none")

    def _tell_trouble(self, answer: Answer) -> None:
        self._output.complain(f"{answer['id']}: {answer['why']}")

    def _tell_note(self, answer: Answer) -> None:
        self._output.complain(str(answer["text"]))

    def _tell_end(self, answer: Answer) -> None:
        self._output.end_bar()
        self.status = int(answer["status"])
        if "text" in answer:
            self._output.complain(str(answer["text"]))
        else:
            self._output.complain(f"{self._verb.value}, {self.through}: {self._outcome(answer)}")

    def _outcome(self, answer: Answer) -> str:
        if self._verb is QueueVerb.LIST:
            return f"{answer['messages']} {_plural('message', answer['messages'])}"
        counts = (("changed", "done"), ("missing", "not there"), ("troubles", "could not be done"))
        words = [f"{answer[name]} {label}" for name, label in counts if answer[name]]
        return ", ".join(words) or ("nothing to do" if self._verb in _DOING else "done")

    def _head(self, heading: str) -> None:
        if self._heading != heading:
            self._heading = heading
            self._output.say(heading)

    def _age(self, since: float) -> str:
        return span(self._clock() - since)


_DOING = frozenset({QueueVerb.RETRY, QueueVerb.HOLD, QueueVerb.RELEASE, QueueVerb.REMOVE})


def span(seconds: float) -> str:
    """A time as people read it."""
    for unit, name in _UNITS:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
