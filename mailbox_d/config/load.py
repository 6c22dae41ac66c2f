"""From the path of `mailboxd.yaml` to a configuration that can be served, or to all that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mailbox_d.config.checks import CHECKS_ACROSS_KEYS
from mailbox_d.config.disk_checks import CHECKS_ON_DISK
from mailbox_d.config.draft import Draft, read_draft
from mailbox_d.config.faults import ConfigurationError, Fault, kind
from mailbox_d.config.model import Configuration
from mailbox_d.config.report import Report
from mailbox_d.config.source import DEFAULT_LIMITS, Document, DocumentLimits, parse_document, read_text


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and what its operator should hear although it can be served."""

    configuration: Configuration
    warnings: tuple[Fault, ...]


def load(
    path: Path, *, limits: DocumentLimits = DEFAULT_LIMITS, now: datetime | None = None, on_disk: bool = True
) -> Loaded:
    """Read, check and return a configuration; relative paths in it start at the file's folder.

    `now` (with its time zone) stands for the present when certificates are judged. Not `on_disk`: nothing of what the
    configuration names is looked at, keys least of all, which who only asks the daemon may not read. Raises
    `ConfigurationError` with every fault of every kind, in the order of their places.
    """
    document = parse_document(read_text(path, limits), str(path), limits)
    if not isinstance(document.value, dict):
        problem = "the file is empty" if document.value is None else f"the file is {kind(document.value)}"
        raise ConfigurationError(
            [*document.faults, document.fault((), problem, "a mapping that begins with hostname:")]
        )
    draft = read_draft(document, path.absolute().parent)
    if not isinstance(draft, Draft):
        raise ConfigurationError([*document.faults, *_others(document, draft)])
    report = Report(draft, now or datetime.now(UTC))
    for check in (*CHECKS_ACROSS_KEYS, *(CHECKS_ON_DISK if on_disk else ())):
        check(report)
    if faults := (*document.faults, *_others(document, (*draft.faults, *report.faults))):
        raise ConfigurationError(faults)
    return Loaded(draft.configuration, tuple(sorted(set(report.warnings))))


def _others(document: Document, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """The faults that do not merely follow from one that the reader found at the same place or key."""
    places = {(fault.line, fault.column) for fault in document.faults}
    keys = {fault.key for fault in document.faults}
    return tuple(fault for fault in faults if (fault.line, fault.column) not in places and fault.key not in keys)
