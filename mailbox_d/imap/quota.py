"""GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208). All mailboxes of a user have one quota root, if the user has a limit.

It is called as Dovecot calls it where its documentation is followed, so that clients find it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mailbox_d.imap.errors import NoSuchQuotaRoot, NotPermitted
from mailbox_d.imap.session import IMAPSession
from mailbox_d.store.ports import Quota
from mailbox_d.wire.imap import commands
from mailbox_d.wire.imap import quota as responses
from mailbox_d.wire.imap.quota import Resource
from mailbox_d.wire.imap.responses import Completion, Condition

ROOT: Final = b"User quota"
_UNIT: Final = 1024
"""Octets in which STORAGE is told (RFC 9208 section 5.1)."""


async def get_quota(session: IMAPSession, command: commands.GetQuota) -> Completion:
    """RFC 9208 section 4.1.1."""
    quota = await session.user.quota() if command.root == ROOT else None
    if quota is None:
        raise NoSuchQuotaRoot("No such quota root")
    session.connection.send(responses.quota(ROOT, _resources(quota)))
    return Completion(Condition.OK, "GETQUOTA completed")


async def get_quota_root(session: IMAPSession, command: commands.GetQuotaRoot) -> Completion:
    """RFC 9208 section 4.1.2, also for a mailbox that is yet to be made."""
    quota = await session.user.quota()
    roots = () if quota is None else (ROOT,)
    session.connection.send(responses.quota_root(command.mailbox, roots, utf8=session.utf8))
    if quota is not None:
        session.connection.send(responses.quota(ROOT, _resources(quota)))
    return Completion(Condition.OK, "GETQUOTAROOT completed")


async def set_quota(session: IMAPSession, command: commands.SetQuota) -> Completion:
    """RFC 9208 section 4.1.3: not for users; QUOTASET is not announced."""
    raise NotPermitted("Quotas are not set by those who have them")


def _resources(quota: Quota) -> Iterator[Resource]:
    """What is limited. Part of a unit counts as a whole one."""
    limits, usage = quota.limits, quota.usage
    if limits.octets is not None:
        yield Resource(b"STORAGE", -(-usage.octets // _UNIT), -(-limits.octets // _UNIT))
    if limits.messages is not None:
        yield Resource(b"MESSAGE", usage.messages, limits.messages)
