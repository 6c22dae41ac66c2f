"""Reports, judged by Python's reader of mail: whatever other servers and senders say, the same three parts come out."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError
from mailbox_d.queue.message import Attempt, Envelope, Fate, Queued, Recipient, Return, Source
from mailbox_d.queue.notices import notices_of_outcome
from mailbox_d.queue.reports import Report, octets_wanted, write_report
from mailbox_d.wire.smtp.commands import Body

ALICE = EmailAddress.parse("alice@example.org")
BOB = EmailAddress.parse("bob@example.net")
ORIGINAL = b"From: alice@example.org\r\nSubject: Hello\r\n\r\nText\r\n"

HOSTILE = st.one_of(
    st.text(max_size=300),
    st.text(alphabet='\r\n\t =-:;()<>"\\.r1\0\x85\u2028é😀', max_size=300),
    st.sampled_from(
        ("\r\n\r\n--r-1=0--\r\n", "550 \r\nBcc: x@example.com\r\n\r\n", "x" * 65536, " ".join("ab" * 40_000))
    ),
)


def report_of(
    *attempts: Attempt,
    original: bytes = ORIGINAL,
    shown: int | None = None,
    recipient: Recipient | None = None,
    **envelope: object,
) -> Report:
    recipients = (recipient,) if recipient else tuple(Recipient(attempt.recipient) for attempt in attempts)
    message = Queued("q-1", replace(Envelope(ALICE, recipients), **envelope), Source.USER, 1.7e9, len(original))  # type: ignore[arg-type]
    notices = notices_of_outcome(message, attempts)
    report = write_report(message, notices, original[:shown], hostname="mail.example.org", now=1.7e9, identifier="r-1")
    assert report is not None
    return report


def refused(reply: str = "550 5.1.1 Unknown", recipient: EmailAddress = BOB, reason: str = "") -> Attempt:
    return Attempt(1.7e9, recipient, Fate.FAILED, "5.1.1", "mx.example.net", "192.0.2.25", reply, reason)


def parsed(report: Report) -> tuple[EmailMessage, list[EmailMessage]]:
    """The report and its three parts, after what holds for every report was checked."""
    octets = report.octets
    assert octets.endswith(b"\r\n")
    assert b"\0" not in octets
    assert b"\r" not in octets.replace(b"\r\n", b"") and b"\n" not in octets.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    assert octets.isascii() or report.envelope.body is Body.EIGHT_BIT or report.envelope.smtputf8
    assert octets.split(b"\r\n\r\n")[0].isascii() or report.envelope.smtputf8
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert [str(defect) for defect in message.defects] == []
    parts = message.get_payload()
    assert isinstance(parts, list) and len(parts) == 3
    return message, parts  # type: ignore[return-value]


def blocks(part: EmailMessage) -> list[dict[str, str]]:
    """The delivery status as fields, names as they are written."""
    payload = part.get_payload()
    assert isinstance(payload, list)
    return [{name: " ".join(str(value).split()) for name, value in block.items()} for block in payload if block.keys()]  # type: ignore[union-attr]


def test_the_envelope_leads_back_to_the_sender() -> None:
    envelope = report_of(refused()).envelope
    assert envelope.sender is None
    assert [recipient.address for recipient in envelope.recipients] == [ALICE]


@given(reply=HOSTILE, reason=HOSTILE, identifier=HOSTILE)
def test_attack_118_a_peers_words_stay_in_their_field(reply: str, reason: str, identifier: str) -> None:
    report = report_of(refused(reply, reason=reason), envelope_id=identifier.encode("utf-8", "replace").decode())
    message, parts = parsed(report)
    assert message.get_all("Bcc") is None
    kinds = [part.get_content_type() for part in parts]
    assert kinds == ["text/plain", "message/delivery-status", "message/rfc822"]
    first, second = blocks(parts[1])
    assert set(first) <= {"Original-Envelope-Id", "Reporting-MTA", "X-Mailboxd-Queue-Id", "Arrival-Date"}
    fields = {"Final-Recipient", "Action", "Status", "Remote-MTA", "Last-Attempt-Date"}
    assert fields <= set(second) <= fields | {"Diagnostic-Code"}
    assert len(report.octets) < 30_000


@st.composite
def addresses(draw: st.DrawFn) -> EmailAddress:
    text = draw(st.text(min_size=1, max_size=60).filter(lambda t: t.isprintable()))
    try:
        return EmailAddress.parse(str(EmailAddress(text, "example.net")))
    except AddressError:
        return BOB


@given(sender=addresses(), recipient=addresses(), original=HOSTILE)
def test_every_address_can_be_reported(sender: EmailAddress, recipient: EmailAddress, original: str) -> None:
    utf8 = not (sender.is_ascii and recipient.is_ascii)
    said = Recipient(recipient, original=f"rfc822;{original.encode('utf-8', 'replace').decode()}")
    report = report_of(refused(recipient=recipient), sender=sender, smtputf8=utf8, recipient=said)
    parsed(report)
    assert f"To: <{sender}>\r\n".encode() in report.octets
    assert f"Final-Recipient: {'rfc822' if recipient.is_ascii else 'utf-8'}; {recipient}\r\n".encode() in report.octets


@given(original=st.one_of(st.binary(max_size=400), st.binary(max_size=200).map(lambda b: ORIGINAL + b)))
def test_any_original_can_be_given_back(original: bytes) -> None:
    for shown in (None, len(original) // 2):
        parsed(report_of(refused(), original=original, shown=shown))


@pytest.mark.parametrize(
    ("original", "envelope", "kind", "encoding"),
    [
        (ORIGINAL, {}, "message/rfc822", "7bit"),
        (ORIGINAL, {"returns": Return.FULL}, "message/rfc822", "7bit"),
        (ORIGINAL, {"returns": Return.HEADERS}, "text/rfc822-headers", "7bit"),
        (ORIGINAL, {"require_tls": True}, "text/rfc822-headers", "7bit"),
        (ORIGINAL + b"\xe9\r\n", {}, "message/rfc822", "8bit"),
        (ORIGINAL + b"x" * 999, {}, "text/rfc822-headers", "7bit"),
        (ORIGINAL + b"\0", {}, "text/rfc822-headers", "7bit"),
        (b"X: \xe9\r\n" + ORIGINAL, {"returns": Return.HEADERS}, "text/rfc822-headers", "quoted-printable"),
        (b"X: \xe9\r\n" + ORIGINAL, {"smtputf8": True}, "message/rfc822", "8bit"),
        (b"X: \xc3\xa9\r\n" + ORIGINAL, {"smtputf8": True}, "message/global", "8bit"),
        (
            b"X: \xc3\xa9\r\n" + ORIGINAL,
            {"smtputf8": True, "returns": Return.HEADERS},
            "message/global-headers",
            "8bit",
        ),
        (b"X: " + b"y" * 2000 + b"\r\n" + ORIGINAL, {}, "text/rfc822-headers", "quoted-printable"),
        (b"\r\nno header\r\n", {"returns": Return.HEADERS}, "text/rfc822-headers", "7bit"),
        (b"", {}, "message/rfc822", "7bit"),
    ],
)
def test_the_form_in_which_a_message_is_given_back(
    original: bytes, envelope: dict[str, object], kind: str, encoding: str
) -> None:
    _, parts = parsed(report_of(refused(), original=original, **envelope))
    assert (parts[2].get_content_type(), parts[2]["Content-Transfer-Encoding"]) == (kind, encoding)


def test_of_a_longer_message_the_header_is_given_back_without_a_line_that_is_cut_off() -> None:
    message = Queued("q", Envelope(ALICE, ()), Source.USER, 0.0, 10_000)
    assert octets_wanted(message, 1024) == 1024
    original = ORIGINAL + b"x" * 10_000
    for shown, given_back in ((60, ORIGINAL[:41]), (30, ORIGINAL[:25]), (3, b"")):
        _, parts = parsed(report_of(refused(), original=original, shown=shown))
        assert parts[2].get_content_type() == "text/rfc822-headers"
        assert parts[2].get_content().encode() == given_back


def test_attack_118_a_boundary_in_the_message_ends_no_part() -> None:
    original = ORIGINAL + b"--r-1=0--\r\n--r-1=1\r\nContent-Type: text/html\r\n\r\n"
    _, parts = parsed(report_of(refused(), original=original))
    assert parts[2].get_content_type() == "message/rfc822"


def test_a_message_id_is_only_repeated_where_it_is_one() -> None:
    for identifier, repeated in ((b"<1@x>", "<1@x>"), (b"<1@x> <2@y>", None), (b"<\xc3\xa9@x>", None), (b"", None)):
        message, _ = parsed(report_of(refused(), original=b"Message-ID: " + identifier + b"\r\n" + ORIGINAL))
        assert message.get("In-Reply-To") == repeated
        assert message.get("References") == repeated


@pytest.mark.parametrize(
    ("status", "shown"), [("5.1.1", "5.1.1"), ("4.4.7", "5.4.7"), ("", "5.0.0"), ("5.1", "5.0.0"), ("9.9.9", "5.0.0")]
)
def test_a_failure_has_a_status_of_class_five(status: str, shown: str) -> None:
    _, parts = parsed(report_of(replace(refused(), status=status)))
    assert blocks(parts[1])[1]["Status"] == shown


def test_attack_118_a_thousand_long_replies_make_a_report_of_bounded_size() -> None:
    recipients = [EmailAddress.parse(f"r{number}@example.net") for number in range(1000)]
    reply = "550 5.7.1 " + "\U0001f600" * 32_000
    report = report_of(*(refused(reply, recipient) for recipient in recipients))
    _, parts = parsed(report)
    assert len(blocks(parts[1])) == 1001
    assert len(report.octets) < 6_000_000
