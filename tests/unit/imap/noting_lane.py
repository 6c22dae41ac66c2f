"""A lane that does the work where it stands, and takes note for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from typing_extensions import ParamSpec

from mailbox_d.net.lanes import InlineLane

P = ParamSpec("P")
T = TypeVar("T")


class NotingLane(InlineLane):
    """`users` has an entry for each piece of work, also of those in the lanes for users that are made from this one."""

    def __init__(self) -> None:
        super().__init__()
        self.users: list[tuple[str, ...]] = []

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.users.append(self._users)
        return await super().run(work, *args, **kwargs)
