"""The avatars: what a stranger, a user and a local program may do with mail.

`IMessageDelivery` as twisted.mail has it, extended: the methods are coroutines, take our commands' addresses and raise
`RefusedByPolicy` instead of codes.
"""

from __future__ import annotations

from twisted.mail.interfaces import IMessageDelivery
from zope.interface import implementer

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import Service, User
from mailbox_d.mime.header import HeaderScanner
from mailbox_d.policy.recipients import Destination, Recipients, TooManyTargets
from mailbox_d.policy.sender import check_author, check_sender
from mailbox_d.policy.transaction import Delivered
from mailbox_d.policy.verdict import Reason, Refused

NO_SUCH_USER = "There is no such user here"
NO_MORE = "You may send no more"


class RefusedByPolicy(Exception):
    """A step of the policy said no."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.public)
        self.refused = refused


@implementer(IMessageDelivery)
class StrangerDelivery:
    """Anybody: may send as whom they like, to addresses of ours alone, wherever these lead."""

    user: User | None = None
    remote_refusal = "We do not relay for strangers"

    def __init__(self, recipients: Recipients) -> None:
        self.recipients = recipients

    async def validateFrom(self, helo: str, origin: EmailAddress | None) -> EmailAddress | None:
        """The sender, as it will stand in Return-Path. Raises `RefusedByPolicy`, `AuthenticationUnavailable`."""
        return origin

    async def validateTo(self, user: EmailAddress) -> Delivered:
        """Where mail for this recipient goes. Raises `RefusedByPolicy`, `AuthenticationUnavailable`."""
        if not self.may_send_to(user):
            raise RefusedByPolicy(Refused(Reason.RELAYING_DENIED, self.remote_refusal, str(user)))
        try:
            destination = await self.recipients.resolve(user)
        except TooManyTargets as error:
            raise RefusedByPolicy(Refused(Reason.TOO_MANY_TARGETS, error.public, error.cause)) from error
        if destination.is_nobody:
            raise RefusedByPolicy(Refused(Reason.UNKNOWN_RECIPIENT, NO_SUCH_USER, str(user)))
        return Delivered(
            user,
            destination.mailboxes,
            destination.remote,
            via=destination.via,
            by_catch_all=destination.by_catch_all,
        )

    def may_send_to(self, address: EmailAddress) -> bool:
        """Whether they may name this recipient at all."""
        return self.recipients.is_ours(address.domain)

    async def validate_author(self, header: HeaderScanner) -> Refused | None:
        """Whether the message's From may say what it says. Raises `AuthenticationUnavailable`."""
        return None

    def receivedHeader(self, helo: str, origin: EmailAddress | None, recipients: list[Destination]) -> bytes:
        """Not used: trace fields are `policy.trace`'s, one block for all recipients that can share it."""
        return b""


class UserDelivery(StrangerDelivery):
    """A user who has logged in: may send only as an address that is theirs at the moment, to everybody."""

    user: User
    remote_refusal = "Mail to other sites cannot be sent yet"

    def __init__(self, user: User, recipients: Recipients) -> None:
        super().__init__(recipients)
        self.user = user

    @property
    def address(self) -> EmailAddress:
        """Whose avatar this is."""
        return self.user.address

    async def validateFrom(self, helo: str, origin: EmailAddress | None) -> EmailAddress | None:
        user = await self._as_of_now()
        refused = self._no_more() if user is None else await check_sender(user, origin, self.recipients)
        if refused:
            raise RefusedByPolicy(refused)
        return origin

    def may_send_to(self, address: EmailAddress) -> bool:
        return True

    async def validate_author(self, header: HeaderScanner) -> Refused | None:
        user = await self._as_of_now()
        return self._no_more() if user is None else await check_author(user, header, self.recipients)

    async def _as_of_now(self) -> User | None:
        """The user as their realm has them now, not at login; None where they may send no more. Raises
        `AuthenticationUnavailable`."""
        user = await self.recipients.find_user(self.user.address)
        return user if user is not None and user.may_use(Service.SUBMISSION) else None

    def _no_more(self) -> Refused:
        return Refused(Reason.SENDER_NOT_ALLOWED, NO_MORE, f"{self.user.address} may send no more")
