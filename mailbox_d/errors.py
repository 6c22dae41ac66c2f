"""What can go wrong, in terms that every protocol can answer.

A `MailError` carries a text fit for the peer, a private cause fit for the log, and whether trying again can help.
Each protocol turns these classes into its own replies in one table; nothing else of an exception ever reaches a peer.
A fault on our side (disk, realm, lock) is always temporary to the peer.
"""

from __future__ import annotations


class MailError(Exception):
    """An operation failed in a way that the peer may be told about.

    `public` is one line of ASCII for the peer; `cause` is for the log alone.
    """

    temporary: bool = False

    def __init__(self, public: str, *, cause: str = "") -> None:
        super().__init__(public if not cause else f"{public} ({cause})")
        self.public = public
        self.cause = cause


class TemporaryError(MailError):
    """Trying again later can help; every fault on our side is of this kind."""

    temporary = True


class AddressError(MailError):
    """Text that is not a mail address (RFC 5321 section 4.1.2)."""


class MailboxNameError(MailError):
    """A mailbox name that the store cannot or will not hold."""


class NoSuchMailbox(MailError):
    """The named mailbox does not exist."""


class MailboxExists(MailError):
    """The named mailbox exists already."""


class MessageGone(MailError):
    """The message was expunged, here or by another program."""


class UnknownEncoding(MailError):
    """A part of a message has a transfer encoding that nobody here can take off (RFC 3516 section 4.3)."""


class TooManyKeywords(MailError):
    """A mailbox has letters for 26 keywords and no more."""


class TooMuchKept(MailError):
    """What is kept of a user beside the mail, such as subscriptions, has a limit."""


class MailboxBusy(TemporaryError):
    """Another program holds the mailbox's lock; the operation changed nothing and may be repeated as it is."""


class StorageFault(TemporaryError):
    """The disk refused: I/O error, permissions, read-only, too many open files."""


class StorageFull(StorageFault):
    """No space, no inodes, or over the file system's quota."""


class OverQuota(TemporaryError):
    """The message does not fit into what its owner may keep; when they remove others it will."""


class AuthenticationFailed(MailError):
    """Unknown user, disabled user or wrong password: the same for all three."""


class TooManySessions(TemporaryError):
    """The user has as many connections as a user may have."""


class AuthenticationUnavailable(TemporaryError):
    """The realm could not be asked; never to be told as a wrong password."""
