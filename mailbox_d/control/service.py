"""The control socket as a service of the daemon."""

from __future__ import annotations

import grp
import os
import time
from functools import partial
from typing import Any

from mailbox_d.control.child import ENTRY
from mailbox_d.control.driver import Driver
from mailbox_d.control.jobs import Workshop
from mailbox_d.control.login_jobs import LoginRoom
from mailbox_d.control.queue_jobs import QueueRoom
from mailbox_d.control.rework import FetchAnswers, text_name
from mailbox_d.control.session import TOO_MANY, ControlService, ControlSession
from mailbox_d.limits import control_session_limits, mime_limits
from mailbox_d.net.children import Children
from mailbox_d.net.connections import SessionFactory
from mailbox_d.net.limits import ConnectionLimits
from mailbox_d.net.listening import UnixListener
from mailbox_d.site import Site

CHILD_SECONDS = 1800.0
"""For a child to answer one question: hundreds of messages, each as large as may be."""


def control_listener(site: Site) -> UnixListener:
    """Listens where the configuration says."""
    control = site.configuration.control
    group = None if control.group is None else grp.getgrnam(control.group).gr_gid
    limits = site.configuration.limits
    make = partial(ControlSession, control_service(site, group), control_session_limits(limits), reactor=site.reactor)
    factory = SessionFactory(
        make, ConnectionLimits(total=limits.control_connections, per_address=0), site.sessions, refusal=TOO_MANY
    )
    return UnixListener(site.reactor, site.configuration.control_socket, control.mode, factory, group=group)


def control_service(site: Site, group: int | None) -> ControlService:
    """What the sessions of the control socket share."""
    limits = site.configuration.limits
    store = site.maildirs
    workshop = Workshop(
        store=store,
        disk=store.disk,
        layout=store.layout,
        rework=FetchAnswers(mime_limits(limits)),
        text_name=text_name(limits),
        sessions=site.logins.sessions.count,
        ended=store.end,
    )
    return ControlService(
        workshop=workshop,
        queue=queue_room(site),
        logins=LoginRoom(site.logins.guesses),
        driver=lambda: Driver(site.reactor, site.lanes.control, control_children(site.reactor)),
        users=frozenset({0, os.geteuid()}),
        group=group,
        line=limits.control_line,
        job=limits.control_job,
    )


def queue_room(site: Site) -> QueueRoom:
    """What operators' work on the queue needs."""
    outgoing = site.outgoing
    return QueueRoom(
        queue=outgoing.queue,
        sending=outgoing.dispatcher,
        unreachable=outgoing.unreachable,
        remembered=outgoing.remembered,
        note=partial(site.reactor.callFromThread, site.record.tell),
        clock=time.time,
    )


def control_children(reactor: Any) -> Children:
    """The child processes of one request."""
    return Children(reactor, ENTRY, count=max(1, (os.cpu_count() or 1) - 1), seconds=CHILD_SECONDS)
