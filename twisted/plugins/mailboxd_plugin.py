"""Makes `twistd mailboxd` known. Twisted imports this file to list its plugins, so it imports nothing heavy."""

from twisted.application.service import ServiceMaker

mailboxd = ServiceMaker(
    "mailboxd",
    "mailbox_d.tap",
    "The mail server in one process: SMTP, submission, LMTP and IMAP over Maildirs.",
    "mailboxd",
)
