"""The part of a report that people read: what happened to whom, what the other server said, what can be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mailbox_d.mime.encoded_words import decoded_words
from mailbox_d.mime.fields import split_fields
from mailbox_d.printable import escaped
from mailbox_d.queue.delivery_status import date, status_of
from mailbox_d.queue.message import Queued
from mailbox_d.queue.notices import Action, Notice
from mailbox_d.queue.quoting import fill, quoted_of_each, words

SUBJECTS: Final = {
    Action.FAILED: "Your message could not be delivered",
    Action.DELAYED: "Your message is late",
    Action.DELIVERED: "Your message was delivered",
    Action.RELAYED: "Your message was handed on",
    Action.EXPANDED: "Your message was sent to a list",
}
"""In the order of their weight."""

_WHAT: Final = {
    Action.FAILED: "Your message could not be delivered to the following recipients. It will not be tried again.",
    Action.DELAYED: "Your message is late for the following recipients. You need not do anything: it is still being"
    " tried.",
    Action.DELIVERED: "Your message was delivered to the following recipients, as you asked to be told.",
    Action.RELAYED: "Your message was taken by the servers of the following recipients. You asked to be told; these"
    " servers may not tell you what follows.",
    Action.EXPANDED: "Your message was sent on to the members of the following lists.",
}

_ADVICE: Final = {
    "1.0": "The address may be wrong. See whether it is written right.",
    "1.1": "There is no such address. See whether it is written right, or ask for the new one.",
    "1.2": "The domain of the address does not exist or takes no mail. See whether it is written right.",
    "1.3": "The address is not one. See whether it is written right.",
    "1.6": "The recipient has another address now. Ask for it.",
    "1.10": "The domain of the address takes no mail at all. See whether it is written right.",
    "2.1": "The mailbox is not in use. Try to reach the recipient in another way.",
    "2.2": "The mailbox is full. Send the message again later, or tell the recipient in another way.",
    "2.3": "The message is too large for this recipient. Send a smaller one, or a link to what is large.",
    "3.4": "The message is too large for the other server. Send a smaller one, or a link to what is large.",
    "4.1": "The other server did not answer. Send the message again later, or tell the recipient in another way.",
    "4.4": "No server was found for the recipient's domain. See whether it is written right.",
    "4.6": "The message went in circles between servers. Tell your postmaster.",
    "4.7": "The other server did not take the message in all this time. Tell the recipient in another way.",
    "6.7": "The other server cannot take addresses or subjects with such letters. Use an address in plain letters.",
    "7.10": "A safe connection was demanded, and could not be had. Tell your postmaster.",
    "7.30": "A safe connection was demanded, and could not be had. Tell your postmaster.",
}
_ADVICE_BY_SUBJECT: Final = {
    "2": "Something is wrong with the mailbox. Try to reach the recipient in another way.",
    "3": "Something is wrong with the other server. Send the message again later.",
    "4": "The other server could not be reached. Send the message again later.",
    "6": "The other server does not take messages of this form. Send it in another form, such as plain text.",
    "7": "The other server does not want this message. Show this report to your postmaster, who may ask the other one.",
}
_SHOW_POSTMASTER: Final = "Show this report to your postmaster, who may know more."

_INDENT: Final = "    "
_TEXT_WIDTH: Final = 68
_TOLD: Final = {b"subject": "Subject", b"date": "Date", b"message-id": "Message-ID"}


def report_text(message: Queued, notices: Sequence[Notice], header: bytes, *, hostname: str) -> str:
    """The whole text with CRLF line ends. `header`: of the message that it is about."""
    most = quoted_of_each(len(notices))
    lines = [f"This is the mail server {hostname}.", ""]
    for action, what in _WHAT.items():
        about = [notice for notice in notices if notice.action is action]
        if about:
            lines += [*fill(what), "", *(line for notice in about for line in _of_recipient(notice, most))]
    lines += ["The message:", "", *_of_message(message, header), ""]
    return "\r\n".join(lines)


def _of_recipient(notice: Notice, most: int) -> Iterator[str]:
    yield escaped(f"<{notice.recipient.address}>")
    for sentence in _sentences(notice, most):
        yield from (_INDENT + line for line in fill(sentence, _TEXT_WIDTH))
    yield ""


def _sentences(notice: Notice, most: int) -> Iterator[str]:
    attempt = notice.attempt
    server = " ".join(filter(None, (attempt.host, f"[{attempt.address}]" if attempt.address else "")))
    if attempt.reply:
        reply = words(attempt.reply, ascii_only=False, most=most)
        yield f"{words(server, ascii_only=True) or 'The server'} said: {reply}"
    if attempt.reason:
        yield words(attempt.reason, ascii_only=False, most=most)
    if notice.action is Action.FAILED:
        yield _advice(status_of(notice))
    if notice.until is not None:
        yield f"It is tried until {date(notice.until)}, and given back to you then."


def _advice(status: str) -> str:
    kind = status.partition(".")[2]
    return _ADVICE.get(kind) or _ADVICE_BY_SUBJECT.get(kind.partition(".")[0]) or _SHOW_POSTMASTER


def _of_message(message: Queued, header: bytes) -> Iterator[str]:
    for name, value in split_fields(header, _TOLD).items():
        if told := words(decoded_words(value), ascii_only=False):
            yield from (_INDENT + line for line in fill(f"{name}: {told}", _TEXT_WIDTH))
    yield f"{_INDENT}Came here: {date(message.arrived)}"
