"""twistd's mailboxd with faults of ours where it sends mail: `python -m
tests.faults.failing_daemon SEED COUNT twistd ...`

Everything that an attempt awaits raises so often what nobody expects, at one call in three.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from mailbox_d.relay.dispatch.courier import Courier
from mailbox_d.relay.dispatch.local_attempt import LocalAttempting
from mailbox_d.relay.dispatch.packing import Packing
from mailbox_d.relay.peer.client import PeerSession
from mailbox_d.relay.routes.routing import Routing
from mailbox_d.relay.tls.policy import TlsPolicies

FAULT = "an unexpected fault"
AWAITED: list[tuple[type[Any], str]] = [
    (Routing, "route"),
    (TlsPolicies, "demand"),
    (PeerSession, "open"),
    (PeerSession, "send"),
    (PeerSession, "close"),
    (Packing, "shipment"),
    (LocalAttempting, "attempt"),
    (Courier, "post"),
]


def failing(call: Callable[..., Any], name: str, chance: random.Random, count: int) -> Callable[..., Any]:
    """What raises so often instead of beginning."""
    left = count

    @wraps(call)
    async def fail_or_call(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if left and chance.random() < 1 / 3:
            left -= 1
            raise RuntimeError(f"{FAULT} {left} in {name}")
        return await call(*args, **kwargs)

    return fail_or_call


def main() -> None:
    chance, count = random.Random(int(sys.argv[1])), int(sys.argv[2])
    del sys.argv[:3]
    for kind, name in AWAITED:
        setattr(kind, name, failing(getattr(kind, name), f"{kind.__name__}.{name}", chance, count))
    from twisted.scripts.twistd import run

    run()


if __name__ == "__main__":
    main()
