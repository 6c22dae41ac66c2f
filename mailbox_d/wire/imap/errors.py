"""What can be wrong with a command, before anybody asks the store."""

from __future__ import annotations

from mailbox_d.errors import MailError


class BadSyntax(MailError):
    """Not a command of RFC 3501's grammar: to be answered BAD."""


class TooMuchAsked(MailError):
    """A command of the grammar that asks for more at once than is allowed; in pieces it would be served."""


class BadCharset(MailError):
    """SEARCH in a character set that is not known here (RFC 3501 section 6.4.4)."""


class UnknownCommand(BadSyntax):
    """A verb that is none of ours."""
