"""One message to one server: MAIL, RCPT, DATA, the message.

Where the server knows PIPELINING the envelope goes in one segment (RFC 2920). What a server promised to one recipient
counts when it took the whole message, and not before: a reply that comes earlier than it can is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from mailbox_d.queue.message import Recipient
from mailbox_d.relay.peer.connection import PeerConnection
from mailbox_d.relay.peer.envelope_commands import command, mail_command, rcpt_command
from mailbox_d.relay.peer.failures import malformed, peer_reply
from mailbox_d.relay.peer.pieces import Pieces
from mailbox_d.relay.ports import Handed, Shipment
from mailbox_d.wire.smtp.extensions import Extensions
from mailbox_d.wire.smtp.peer_replies import ReceivedReply

TOO_MANY_RECIPIENTS = "5.5.3"

_DATA = command("DATA")
_RESET = command("RSET")
_LONE_DOT = b".\r\n"


@dataclass(frozen=True, slots=True)
class Answers:
    """What a server said to an envelope."""

    mail: ReceivedReply
    recipients: tuple[ReceivedReply, ...] = ()
    data: ReceivedReply | None = None

    @property
    def has_takers(self) -> bool:
        return any(map(_is_positive, self.recipients))


class Transaction:
    """One mail transaction (RFC 5321 section 3.3)."""

    def __init__(self, connection: PeerConnection, extensions: Extensions, shipment: Shipment) -> None:
        self._connection = connection
        self._extensions = extensions
        self._shipment = shipment
        self.leaves_rest = False
        """The server may still hold an envelope: RSET is to be said before the next one."""

    async def run(self, *, after_another: bool = False) -> tuple[Handed, ...]:
        """Send the message; what became of each recipient, in order. Raises `PeerFailure`: the connection cannot be
        used any more. `after_another`: say RSET first."""
        pieces = Pieces(self._shipment, self._connection.limits.piece)
        first = await pieces.next()  # a message that may not be sent is found before it is announced, if it is short
        piped = "PIPELINING" in self._extensions
        answers = await (self._ask_at_once(after_another) if piped else self._ask_in_turn(after_another))
        if not _is_positive(answers.mail):
            return self._handed_to_all(answers.mail)
        if not answers.has_takers or answers.data is None or answers.data.code != 354:
            self.leaves_rest = True
            return self._handed(answers.recipients, answers.data or answers.mail)
        return self._handed(answers.recipients, await self._send(pieces, first))

    # -- the envelope -------------------------------------------------------------------------------------------

    async def _ask_at_once(self, after_another: bool) -> Answers:
        """The whole envelope and DATA in one segment (RFC 2920 section 3.1)."""
        commands = [mail_command(self._shipment, self._extensions), *self._rcpt_commands(), _DATA]
        self._connection.stage = "mail"
        self._connection.write(b"".join([_RESET] * after_another + commands))
        if after_another:
            _check_reset(await self._connection.reply("mail"))
        mail = await self._reply("mail")
        recipients = tuple([await self._reply("rcpt") for _ in self._shipment.recipients])
        answers = Answers(mail, recipients, await self._reply("data"))
        if answers.data is not None and answers.data.code == 354:
            await self._take_back(answers)
        return answers

    async def _take_back(self, answers: Answers) -> None:
        """A server that asks for a message to nobody is given an empty one (RFC 2920 section 3.1)."""
        if not answers.has_takers:
            await self._connection.ask(_LONE_DOT, "data")
        elif not _is_positive(answers.mail):
            raise malformed("data", "it refused the sender, and takes recipients and message all the same")

    async def _ask_in_turn(self, after_another: bool) -> Answers:
        """One command after the other, for servers without PIPELINING."""
        if after_another:
            _check_reset(await self._connection.ask(_RESET, "mail"))
        mail = await self._ask(mail_command(self._shipment, self._extensions), "mail")
        if not _is_positive(mail):
            return Answers(mail)
        recipients = tuple([await self._ask(line, "rcpt") for line in self._rcpt_commands()])
        answers = Answers(mail, recipients)
        return replace(answers, data=await self._ask(_DATA, "data")) if answers.has_takers else answers

    def _rcpt_commands(self) -> list[bytes]:
        return [rcpt_command(recipient, self._extensions) for recipient in self._shipment.recipients]

    async def _ask(self, line: bytes, stage: str) -> ReceivedReply:
        self._connection.stage = stage
        self._connection.write(line)
        return await self._reply(stage)

    async def _reply(self, stage: str) -> ReceivedReply:
        """A reply that may stand at this stage: what DATA is not refused by is 354, which stands nowhere else."""
        reply = await self._connection.reply(stage)
        if reply.code < 400 and (reply.code != 354 if stage == "data" else reply.code >= 300):
            raise malformed(stage, f"it replied {reply.code} {reply.text}")
        return reply

    # -- the message --------------------------------------------------------------------------------------------

    async def _send(self, pieces: Pieces, piece: bytes) -> ReceivedReply:
        """Send the message; the server's last word, which may come before the end where it refuses."""
        connection = self._connection
        connection.allow(self._seconds_for_body())
        while (refusal := await self._early_refusal()) is None:
            connection.stage = "end" if pieces.ended else "body"
            connection.write(piece)
            await connection.drained(connection.limits.data)
            if pieces.ended:
                break
            piece = await pieces.next()
        if connection.is_full and refusal is None:  # it has not read to the end, and speaks all the same
            refusal = await self._early_refusal()
        if refusal is not None:
            connection.abort()
            return refusal
        connection.allow(math.inf)
        reply = await connection.reply("end", connection.limits.end)
        if 300 <= reply.code < 400:
            raise malformed("end", f"it replied {reply.code} {reply.text}")
        return reply

    def _seconds_for_body(self) -> float:
        """For the server to take all of it: whoever takes piece after piece just in time would keep it for days."""
        limits = self._connection.limits
        return limits.data + self._shipment.octets / limits.minimum_rate if limits.minimum_rate else math.inf

    async def _early_refusal(self) -> ReceivedReply | None:
        self._connection.stage = "body"
        return await self._connection.early_refusal()

    # -- the outcome --------------------------------------------------------------------------------------------

    def _handed_to_all(self, reply: ReceivedReply) -> tuple[Handed, ...]:
        told = peer_reply(reply)
        return tuple(Handed(recipient, told, taken=False) for recipient in self._shipment.recipients)

    def _handed(self, replies: tuple[ReceivedReply, ...], last: ReceivedReply) -> tuple[Handed, ...]:
        some_taken = any(map(_is_positive, replies))
        return tuple(
            _outcome(recipient, reply, last, some_taken)
            for recipient, reply in zip(self._shipment.recipients, replies, strict=True)
        )


def _outcome(recipient: Recipient, reply: ReceivedReply, last: ReceivedReply, some_taken: bool) -> Handed:
    if _is_positive(reply):
        return Handed(recipient, peer_reply(last), taken=_is_positive(last))
    if reply.code == 552 and some_taken and reply.status in ("", TOO_MANY_RECIPIENTS):
        reply = replace(reply, code=452, status="4.5.3")  # too many recipients (RFC 5321 section 4.5.3.1.10)
    return Handed(recipient, peer_reply(reply), taken=False)


def _is_positive(reply: ReceivedReply) -> bool:
    return reply.code < 300


def _check_reset(reply: ReceivedReply) -> None:
    if not _is_positive(reply):
        raise malformed("mail", f"it replied {reply.code} {reply.text} to RSET")
