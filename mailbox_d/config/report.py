"""Where checks tell what they found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mailbox_d.config.draft import Draft
from mailbox_d.config.faults import Fault, KeyPath


@dataclass(slots=True)
class Report:
    """Collects faults, which refuse a configuration, and warnings, which do not."""

    draft: Draft
    now: datetime
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def fault(self, path: KeyPath, problem: str, expected: str = "", *, at_key: bool = False) -> None:
        self.faults.append(self.draft.document.fault(path, problem, expected, at_key=at_key))

    def warn(self, path: KeyPath, problem: str, expected: str = "") -> None:
        self.warnings.append(self.draft.document.fault(path, problem, expected))
