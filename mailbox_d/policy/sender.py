"""As whom a user may send."""

from __future__ import annotations

from mailbox_d.address import EmailAddress
from mailbox_d.auth.realm import User
from mailbox_d.errors import AddressError
from mailbox_d.mime.addresses import parse_mailbox_list
from mailbox_d.mime.header import HeaderScanner
from mailbox_d.policy.recipients import Recipients
from mailbox_d.policy.verdict import Reason, Refused

NOT_YOURS = "You may send only as an address that is yours"


async def check_sender(user: User, sender: EmailAddress | None, recipients: Recipients) -> Refused | None:
    """The envelope's sender must be the user's; the null sender is anybody's (RFC 8098 section 3)."""
    if sender is None or await is_theirs(user, sender, recipients):
        return None
    return Refused(Reason.SENDER_NOT_ALLOWED, NOT_YOURS, f"{user.address} as {sender}")


async def check_author(user: User, header: HeaderScanner, recipients: Recipients) -> Refused | None:
    """Every address in From must be the user's; what two programs could read as two authors is refused."""
    if header.begins_folded:
        return Refused(Reason.MALFORMED_HEADER, "The header begins with the rest of a field")
    if header.counts["from"] > 1:
        return Refused(Reason.MALFORMED_HEADER, "There is more than one From field")
    if "from" in header.cut:
        return Refused(Reason.MALFORMED_HEADER, "The From field is too long")
    for value in header.values["from"]:
        if refused := await _check_authors(user, value, recipients):
            return refused
    return None


async def _check_authors(user: User, value: str, recipients: Recipients) -> Refused | None:
    try:
        authors = parse_mailbox_list(value)
    except AddressError as error:
        return Refused(Reason.MALFORMED_HEADER, "The From field is not a list of addresses", str(error))
    if not authors:
        return Refused(Reason.MALFORMED_HEADER, "The From field names nobody")
    for author in authors:
        if not await is_theirs(user, author, recipients):
            return Refused(Reason.SENDER_NOT_ALLOWED, NOT_YOURS, f"{user.address} as {author} in From")
    return None


async def is_theirs(user: User, address: EmailAddress, recipients: Recipients) -> bool:
    """Whether mail to `address` reaches the user, other than by a catch-all: that alone gives nobody a name; or whether
    the user was given leave to send as it."""
    if any(grant.covers(address) for grant in user.senders):
        return True
    if not recipients.is_ours(address.domain):
        return False
    destination = await recipients.resolve(address)
    return user.address in destination.mailboxes and not destination.by_catch_all
