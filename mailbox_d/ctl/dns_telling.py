"""Records and verdicts for a person, as a zone file, or as JSON lines for a program."""

from __future__ import annotations

import json
from typing import Any, Protocol

from mailbox_d.policy.domain_records import WantedRecord
from mailbox_d.policy.record_checks import Checked, State
from mailbox_d.policy.zone_file import comment, txt_strings, zone_line
from mailbox_d.printable import escaped, one_line

_INDENT = " " * 10


class DnsTeller(Protocol):
    """Tells what the command came to, as it comes."""

    def record(self, record: WantedRecord) -> None:
        """A record that is wanted."""

    def checked(self, checked: Checked) -> None:
        """A record, and what DNS says of it."""

    def policy(self, place: str, text: str) -> None:
        """The MTA-STS policy, and the URL where it must be."""

    def end(self, status: int) -> None:
        """All was told; `status`: the exit status."""


class Sentences(DnsTeller):
    """For a person."""

    def record(self, record: WantedRecord) -> None:
        _say(f"{record.need.value:<9} {_shown(record)}", f"{_INDENT}{record.why}")

    def checked(self, checked: Checked) -> None:
        verdict = checked.verdict
        word = verdict.state.value.upper() if checked.is_fault else verdict.state.value
        _say(f"{word:<9} {_shown(checked.record)}")
        if verdict.text:
            _say(_INDENT + verdict.text)
        _say(*(f"{_INDENT}found: {one_line(found)}" for found in verdict.found))
        if verdict.state is not State.RIGHT:
            _say(_INDENT + checked.record.why)

    def policy(self, place: str, text: str) -> None:
        _say("", f"The MTA-STS policy, to be served at {place}:", *(f"  {line}" for line in text.splitlines()))

    def end(self, status: int) -> None:
        pass


class Zone(DnsTeller):
    """A zone file: the domain's records as they are, everything else as comments."""

    def __init__(self, domain: str) -> None:
        self._domain = domain

    def record(self, record: WantedRecord) -> None:
        print(comment(record.why))
        if record.value and f".{record.name}".endswith(f".{self._domain}"):
            print(zone_line(record.name, record.kind, record.value))
        else:  # an operator must fill it in, or it belongs into another zone, such as the provider's
            print(comment(_shown(record)))

    def checked(self, checked: Checked) -> None:
        self.record(checked.record)

    def policy(self, place: str, text: str) -> None:
        print(comment(f"The MTA-STS policy, to be served at {place}:\n{text}"))

    def end(self, status: int) -> None:
        pass


class JsonRecords(DnsTeller):
    """Each record a line, then the policy, then the end with the exit status."""

    def record(self, record: WantedRecord) -> None:
        _print(_as_json(record))

    def checked(self, checked: Checked) -> None:
        verdict = checked.verdict
        found = list(verdict.found)
        told = {"state": verdict.state.value, "text": verdict.text, "found": found, "fault": checked.is_fault}
        _print({**_as_json(checked.record), **told})

    def policy(self, place: str, text: str) -> None:
        _print({"answer": "policy", "place": place, "text": text})

    def end(self, status: int) -> None:
        _print({"answer": "end", "status": status})


def _as_json(record: WantedRecord) -> dict[str, Any]:
    return {
        "answer": "record",
        "purpose": record.purpose.value,
        "name": record.name,
        "type": record.kind,
        "value": record.value,
        "why": record.why,
        "need": record.need.value,
    }


def _shown(record: WantedRecord) -> str:
    """A record on a line; what only the operator knows is left open."""
    name = record.name or "the server's address"
    value = txt_strings(record.value) if record.kind == "TXT" and record.value else record.value
    return f"{name} {record.kind} {value or '...'}"


def _say(*lines: str) -> None:
    for line in lines:
        print(escaped(line))


def _print(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)
