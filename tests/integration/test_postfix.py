"""A real Postfix as the server elsewhere, in both directions: what each sends to the other, and what comes back."""

from __future__ import annotations

import email
import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.message import EmailMessage, Message
from pathlib import Path

import dkim
import dns.resolver
import pytest

from tests.integration.authority import Authority
from tests.integration.fake_dns import FakeDns
from tests.integration.mail import ALL_MAIL, SMALL_MAIL, Mail, eight_bit, utf8_header
from tests.integration.outgoing import ELSEWHERE, RECORDS, OutgoingSite, outgoing_site
from tests.integration.policy_server import PolicyServer, policy
from tests.integration.ports import HOST
from tests.integration.postfix import CAROL, DAVE, GUARDED, NAME, NOBODY, ZOE, Postfix, parsed, postfix
from tests.integration.programs import require, run
from tests.integration.sending import envelope_options, submission
from tests.integration.site import ALICE, PASSWORD
from tests.integration.test_dkim import results
from tests.integration.test_explain import explained
from tests.unit.relay.dkim_domain import make_domain, published

AUTHORITY = Authority()
RIGHT = AUTHORITY.issue(NAME)
PUBLISHED = """\
_mta-sts.elsewhere.example TXT "v=STSv1; id=1"
mta-sts.elsewhere.example A 127.0.0.1
"""
ALIASES = """\
  away@example.org: dave@elsewhere.example
  gone@example.org: late@elsewhere.example
  circle@example.org: loop@elsewhere.example
"""
THEIR_ALIASES = """\
late@elsewhere.example nobody-any-more@elsewhere.example
loop@elsewhere.example circle@example.org
"""
SRS = re.compile(r"SRS0=[A-Z2-7]+=[A-Z2-7]+=elsewhere\.example=carol@example\.org")
SEVEN_BITS = "smtpd_discard_ehlo_keywords = 8bitmime\n"
GUARD = """\
postscreen_greet_action = enforce
postscreen_greet_wait = 2s
postscreen_pipelining_enable = yes
postscreen_pipelining_action = enforce
postscreen_non_smtp_command_enable = yes
postscreen_non_smtp_command_action = enforce
postscreen_bare_newline_enable = yes
postscreen_bare_newline_action = enforce
"""
REFUSING = """\
smtpd_sender_restrictions = check_sender_access static:{450 4.7.1 Not now}
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
"""
MESSAGES = 200
CONNECTIONS, OVER_ONE = 3, 20


@contextmanager
def site(
    folder: Path,
    *,
    settings: str = "",
    records: str = "",
    secure: bool = False,
    limits: str = "",
    as_operators_do: bool = False,
) -> Iterator[OutgoingSite]:
    """A site, its daemon started, that signs, publishes its keys in DNS, and trusts our authority. `as_operators_do`:
    commands make keys and records, which takes longer."""
    settings = f"  ca: {AUTHORITY.write(folder)}\n{settings}"
    records = RECORDS + records
    with outgoing_site(folder, records=records, settings=settings, aliases=ALIASES, secure=secure) as outgoing:
        text = outgoing.site.configuration.read_text()
        assert "\nlimits:\n" in text
        outgoing.site.configuration.write_text(text.replace("\nlimits:\n", f"\nlimits:\n{limits}"))
        outgoing.daemon.start()
        if not as_operators_do:
            make_domain(keys_of(outgoing))
            outgoing.dns.records.add("".join(map(txt_record, published(keys_of(outgoing)).items())))
        else:
            mailboxctl(outgoing, "dkim", "keygen", "example.org", "--activate")
            outgoing.dns.records.add(mailboxctl(outgoing, "dns", "example.org", "--zone", "--address", "192.0.2.25"))
        yield outgoing


@pytest.fixture
def outgoing(tmp_path: Path) -> Iterator[OutgoingSite]:
    with site(tmp_path) as outgoing:
        yield outgoing


@pytest.fixture
def peer(outgoing: OutgoingSite) -> Iterator[Postfix]:
    with postfix(outgoing, RIGHT, aliases=THEIR_ALIASES) as server:
        yield server


def keys_of(outgoing: OutgoingSite) -> Path:
    return outgoing.site.folder / "state/dkim"


def txt_record(named: tuple[str, str]) -> str:
    """A name and its text as a line of a zone, in strings that are short enough."""
    name, text = named
    strings = " ".join(f'"{text[start : start + 200]}"' for start in range(0, len(text), 200))
    return f"{name} TXT {strings}\n"


def mailboxctl(outgoing: OutgoingSite, *words: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "mailbox_d.ctl", *words, "--config", outgoing.site.configuration]
    return run(command, status=status).stdout.decode()


def by_swaks(outgoing: OutgoingSite, recipient: str, message_id: str) -> None:
    """Alice submits a message over TLS, logged in."""
    server = ["--server", HOST, "--port", str(outgoing.site.ports["submission"]), "--tls"]
    login = ["--auth", "PLAIN", "--auth-user", ALICE, "--auth-password", PASSWORD]
    content = ["--h-Subject", "Across", "--header", f"Message-Id: {message_id}", "--body", "Hello Carol"]
    run([require("swaks"), *server, *login, "--from", ALICE, "--to", recipient, *content])


def submit(outgoing: OutgoingSite, mail: Mail, *options: str) -> None:
    """Alice submits a message for Carol."""
    with submission(outgoing.site, implicit=False) as client:
        assert client.sendmail(ALICE, [CAROL], mail.octets, options) == {}


def is_signed(octets: bytes, server: FakeDns) -> bool:
    """Whether a message has two signatures of example.org, by RSA and Ed25519, which are right by the keys in DNS."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [HOST], server.port

    def text(name: bytes, timeout: int = 5) -> bytes:
        return b"".join(resolver.resolve(name.decode(), "TXT")[0].strings)

    verifier = dkim.DKIM(octets)
    right = [verifier.verify(idx=number, dnsfunc=text) for number in range(2)]
    return right == [True, True] and verifier.domain == b"example.org"


def contents(octets: bytes) -> list[bytes | None]:
    """What the parts of a message say, without their encodings."""
    parts = email.message_from_bytes(octets).walk()
    return [part.get_payload(decode=True) for part in parts]


def delivery_status(report: EmailMessage) -> list[Message]:
    """The fields of a report for programs: of the message, then of each recipient (RFC 3464)."""
    assert report.get_content_type() == "multipart/report"
    assert report["Return-Path"] == "<>"
    assert report["Content-Type"].params["report-type"] == "delivery-status"
    status = report.get_payload()[1]
    assert status.get_content_type() == "message/delivery-status"
    return list(status.get_payload())


def test_what_is_submitted_arrives_signed_over_tls_that_was_verified(tmp_path: Path) -> None:
    with ExitStack() as stack:
        policies = stack.enter_context(PolicyServer(AUTHORITY.issue("mta-sts.elsewhere.example"), policy(NAME)))
        settings = f"  mta_sts_port: {policies.port}\n"
        outgoing = stack.enter_context(site(tmp_path, settings=settings, records=PUBLISHED, as_operators_do=True))
        peer = stack.enter_context(postfix(outgoing, RIGHT))
        by_swaks(outgoing, CAROL, "<across@client.example.org>")
        (octets,) = peer.wait_for_mail()
        story = explained(outgoing.site, "<across@client.example.org>", "was passed on")
        assert is_signed(octets, outgoing.dns)
        assert results(tmp_path, octets, keys_of(outgoing)) == ["dkim=pass", "dkim=pass"]
    message = parsed(octets)
    assert message["Return-Path"] == f"<{ALICE}>"
    assert message.get_content().rstrip() == "Hello Carol"
    assert "(using TLSv1.3" in message.get_all("Received")[0]
    assert policies.asked == ["mta-sts.elsewhere.example /.well-known/mta-sts.txt"]
    assert re.search(rf"by {NAME} \[{ELSEWHERE}\] \(TLSv1\.3 \S+, authenticated, mta-sts\)", story), story
    assert re.search(r"it said: 250 2\.0\.0 Ok: queued as \w+", story), story


def test_what_is_sent_by_dane_is_explained_so(tmp_path: Path) -> None:
    with site(tmp_path, secure=True) as outgoing:
        usage, selector, matching, digest = RIGHT.tlsa(3, 1, 1)
        outgoing.dns.records.add(f"_{outgoing.port}._tcp.{NAME} TLSA {usage} {selector} {matching} {digest.hex()}")
        with postfix(outgoing, RIGHT) as peer:
            outgoing.send(CAROL)
            peer.wait_for_mail()
            assert "authenticated, dane)" in explained(outgoing.site, CAROL, "was passed on")


def test_all_kinds_of_mail_arrive_as_they_are_and_signed(outgoing: OutgoingSite, peer: Postfix) -> None:
    for mail in ALL_MAIL:
        submit(outgoing, mail, *envelope_options(mail))
    arrived = {parsed(octets)["Subject"]: octets for octets in peer.wait_for_mail(CAROL, len(ALL_MAIL))}
    for mail in ALL_MAIL:
        octets = arrived[parsed(mail.octets)["Subject"]]
        assert octets.partition(b"\r\n\r\n")[2] == mail.octets.partition(b"\r\n\r\n")[2], mail
        assert is_signed(octets, outgoing.dns), mail


def test_all_kinds_of_mail_arrive_in_seven_bits_and_signed(outgoing: OutgoingSite) -> None:
    kinds = [mail for mail in SMALL_MAIL if not mail.utf8_header]
    with postfix(outgoing, RIGHT, settings=SEVEN_BITS) as peer:
        for mail in kinds:
            submit(outgoing, mail, *envelope_options(mail))
        arrived = {parsed(octets)["Subject"]: octets for octets in peer.wait_for_mail(CAROL, len(kinds))}
    for mail in kinds:
        octets = arrived[parsed(mail.octets)["Subject"]]
        assert octets.isascii()
        assert contents(octets) == contents(mail.octets), mail
        assert is_signed(octets, outgoing.dns), mail


def test_a_server_that_watches_its_clients_finds_nothing_strange(outgoing: OutgoingSite) -> None:
    """postscreen turns a stranger away for now, at RCPT, and lets it in later if it kept to the rules meanwhile."""
    with postfix(outgoing, RIGHT, settings=GUARD, master=GUARDED) as peer:
        outgoing.send(CAROL)
        peer.wait_for_mail()
        outgoing.wait_until_empty()
        peer.wait_for_words("PASS NEW [127.0.0.1]")
        assert "NOQUEUE: reject: RCPT from [127.0.0.1]" in peer.log_text()


def test_a_server_that_asks_for_our_certificate_is_told_that_there_is_none(outgoing: OutgoingSite) -> None:
    with postfix(outgoing, RIGHT, settings="smtpd_tls_ask_ccert = yes\nsmtpd_tls_protocols = TLSv1.2\n") as peer:
        outgoing.send(CAROL)
        (octets,) = peer.wait_for_mail()
    received = " ".join(parsed(octets).get_all("Received")[0].split())
    assert "(using TLSv1.2" in received
    assert "(No client certificate requested)" not in received


def test_what_it_refuses_at_the_end_comes_back(outgoing: OutgoingSite) -> None:
    with postfix(outgoing, RIGHT, settings="header_checks = static:{REJECT No such words here}\n"):
        outgoing.send(CAROL, DAVE)
        (report,) = outgoing.wait_for_mail()
        outgoing.wait_until_empty()
    _, *recipients = delivery_status(report)
    assert [recipient["Final-Recipient"] for recipient in recipients] == [f"rfc822; {CAROL}", f"rfc822; {DAVE}"]
    for recipient in recipients:
        assert recipient["Diagnostic-Code"] == "smtp; 550 5.7.1 No such words here"


def test_of_two_recipients_one_has_it_and_one_is_reported(outgoing: OutgoingSite, peer: Postfix) -> None:
    outgoing.send(CAROL, NOBODY, DAVE)
    (report,) = outgoing.wait_for_mail()
    _, *recipients = delivery_status(report)
    assert [recipient["Final-Recipient"] for recipient in recipients] == [f"rfc822; {NOBODY}"]
    assert (len(peer.wait_for_mail(CAROL)), len(peer.wait_for_mail(DAVE))) == (1, 1)
    outgoing.wait_until_empty()


def test_an_unknown_user_there_comes_back_as_a_report(outgoing: OutgoingSite, peer: Postfix) -> None:
    by_swaks(outgoing, NOBODY, "<lost@client.example.org>")
    (report,) = outgoing.wait_for_mail()
    _, recipient = delivery_status(report)
    assert recipient["Final-Recipient"] == f"rfc822; {NOBODY}"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    assert recipient["Remote-MTA"] == f"dns; {NAME}"
    words = " ".join(recipient["Diagnostic-Code"].split())
    assert words.startswith(f"smtp; 550 5.1.1 <{NOBODY}>: Recipient address rejected: User unknown in virtual mailbox")
    returned = report.get_payload()[2]
    assert "Message-Id: <lost@client.example.org>" in returned.as_string()
    assert "Subject: Across" in returned.as_string()
    outgoing.wait_until_empty()


def test_it_sends_to_a_user_here_over_tls(outgoing: OutgoingSite, peer: Postfix) -> None:
    peer.send(CAROL, ALICE)
    (message,) = outgoing.wait_for_mail()
    assert message["Return-Path"] == f"<{CAROL}>"
    assert re.search(rf"from {NAME} .*\[{ELSEWHERE}\].* with ESMTPS", " ".join(message["Received"].split()))


def test_all_kinds_of_mail_come_from_it_as_they_are(outgoing: OutgoingSite, peer: Postfix) -> None:
    for mail in ALL_MAIL:
        peer.send(CAROL, ALICE, octets=mail.octets, mail_options=envelope_options(mail))
    outgoing.wait_for_mail(count=len(ALL_MAIL))
    files = [path.read_bytes() for path in outgoing.site.message_files(ALICE)]
    arrived = sorted(octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2] for octets in files)
    assert arrived == sorted(mail.octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2] for mail in ALL_MAIL)


def test_we_report_success_to_its_user(outgoing: OutgoingSite, peer: Postfix) -> None:
    peer.send(CAROL, ALICE, mail_options=("ENVID=theirs",), rcpt_options=("NOTIFY=SUCCESS",))
    (octets,) = peer.wait_for_mail(CAROL)
    message, recipient = delivery_status(parsed(octets))
    assert (message["Reporting-MTA"], message["Original-Envelope-Id"]) == ("dns; mail.example.org", "theirs")
    assert (recipient["Final-Recipient"], recipient["Action"]) == (f"rfc822; {ALICE}", "delivered")
    assert len(outgoing.wait_for_mail()) == 1


def test_its_report_of_an_unknown_user_here_can_be_read(outgoing: OutgoingSite, peer: Postfix) -> None:
    peer.send(CAROL, "nobody@example.org")
    _, recipient = delivery_status(parsed(peer.wait_for_mail()[0]))
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    assert recipient["Remote-MTA"] == "dns; 127.0.0.1"
    assert "550 5.1.1 There is no such user here" in " ".join(recipient["Diagnostic-Code"].split())


def test_its_report_of_a_users_message_is_delivered(outgoing: OutgoingSite, peer: Postfix) -> None:
    """It takes the message, and finds out then that there is nobody."""
    outgoing.send("late@elsewhere.example", rcpt_options=("ORCPT=rfc822;late@elsewhere.example",))
    (report,) = outgoing.wait_for_mail()
    _, recipient = delivery_status(report)
    assert recipient["Original-Recipient"] == "rfc822;late@elsewhere.example"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    outgoing.wait_until_empty()


def test_what_is_forwarded_to_it_has_a_sender_that_leads_back(outgoing: OutgoingSite, peer: Postfix) -> None:
    peer.send(CAROL, "away@example.org")
    sender = parsed(peer.wait_for_mail(DAVE)[0])["Return-Path"].strip("<>")
    assert SRS.fullmatch(sender)
    peer.send("", sender, octets=b"From: <>\r\nSubject: It came back\r\n\r\n")
    (message,) = map(parsed, peer.wait_for_mail(CAROL))
    assert (message["Subject"], message["Return-Path"]) == ("It came back", "<>")
    outgoing.wait_until_empty()


def test_its_own_report_of_what_was_forwarded_reaches_the_first_sender(outgoing: OutgoingSite, peer: Postfix) -> None:
    peer.send(CAROL, "gone@example.org")
    _, recipient = delivery_status(parsed(peer.wait_for_mail(CAROL)[0]))
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    outgoing.wait_until_empty()
    peer.wait_until_empty()
    assert len(peer.files(CAROL)) == 1


def test_attack_120_a_circle_of_two_servers_ends_with_one_report(outgoing: OutgoingSite, peer: Postfix) -> None:
    peer.send(CAROL, "circle@example.org")
    _, recipient = delivery_status(parsed(peer.wait_for_mail(CAROL)[0]))
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.4.6")
    outgoing.wait_until_empty()
    peer.wait_until_empty()
    assert len(peer.files(CAROL)) == 1


def test_attack_120_a_circle_that_a_user_here_began_ends_too(outgoing: OutgoingSite, peer: Postfix) -> None:
    outgoing.send("circle@example.org")
    (report,) = outgoing.wait_for_mail()
    assert delivery_status(report)[1]["Status"] == "5.4.6"
    outgoing.wait_until_empty()
    peer.wait_until_empty()
    assert len(outgoing.site.message_files(ALICE)) == 1


def test_a_report_of_success_is_left_to_it(outgoing: OutgoingSite, peer: Postfix) -> None:
    """It has our peculiar words for message and recipient, and tells them as they were."""
    wanted = ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Carol+2Bx@elsewhere.example")
    outgoing.send(CAROL, mail_options=("RET=HDRS", "ENVID=one+2Btwo"), rcpt_options=wanted)
    (report,) = outgoing.wait_for_mail()
    message, recipient = delivery_status(report)
    assert message["Reporting-MTA"] == f"dns; {NAME}"
    assert message["Original-Envelope-Id"] == "one+two"
    assert recipient["Original-Recipient"] == "rfc822;Carol+x@elsewhere.example"
    assert recipient["Action"] == "delivered"
    outgoing.wait_until_empty()
    assert len(outgoing.site.message_files(ALICE)) == 1


def test_without_dsn_we_say_ourselves_that_it_was_passed_on(outgoing: OutgoingSite) -> None:
    with postfix(outgoing, RIGHT, settings="smtpd_discard_ehlo_keywords = dsn\n") as peer:
        outgoing.send(CAROL, rcpt_options=("NOTIFY=SUCCESS",))
        peer.wait_for_mail()
        (report,) = outgoing.wait_for_mail()
    message, recipient = delivery_status(report)
    assert message["Reporting-MTA"] == "dns; mail.example.org"
    assert recipient["Action"] == "relayed"


@pytest.mark.parametrize("keyword", ["pipelining", "8bitmime", "chunking", "size", "enhancedstatuscodes", "starttls"])
def test_what_it_does_not_offer_is_done_without(outgoing: OutgoingSite, keyword: str) -> None:
    mail = eight_bit()
    with postfix(outgoing, RIGHT, settings=f"smtpd_discard_ehlo_keywords = {keyword}\n") as peer:
        submit(outgoing, mail, "BODY=8BITMIME")
        (octets,) = peer.wait_for_mail()
    message = parsed(octets)
    body = mail.octets.partition(b"\r\n\r\n")[2]
    assert message.get_payload(decode=True).replace(b"\r\n", b"\n") == body.replace(b"\r\n", b"\n")
    assert is_signed(octets, outgoing.dns)
    assert octets.isascii() == (keyword == "8bitmime")
    assert ("(using TLSv1.3" in message.get_all("Received")[0]) == (keyword != "starttls")


def test_a_message_with_a_header_in_utf8_comes_back_where_it_is_not_taken(outgoing: OutgoingSite) -> None:
    with postfix(outgoing, RIGHT, settings="smtputf8_enable = no\n") as peer:
        submit(outgoing, utf8_header(), "SMTPUTF8", "BODY=8BITMIME")
        (report,) = outgoing.wait_for_mail()
        assert peer.files(CAROL) == []
    status = report.get_payload()[1]
    assert status.get_content_type() == "message/global-delivery-status"
    assert "Action: failed\nStatus: 5.6.7\n" in status.as_string()
    outgoing.wait_until_empty()


def test_a_message_with_a_header_in_utf8_arrives_where_it_is_taken(outgoing: OutgoingSite, peer: Postfix) -> None:
    submit(outgoing, utf8_header(), "SMTPUTF8", "BODY=8BITMIME")
    (octets,) = peer.wait_for_mail()
    assert is_signed(octets, outgoing.dns)
    assert "Subject: Grüße, 日本語, emoji 🎉\r\n".encode() in octets


def test_a_user_there_whose_name_is_not_ascii_has_mail(outgoing: OutgoingSite, peer: Postfix) -> None:
    outgoing.send(ZOE, mail_options=("SMTPUTF8",))
    (octets,) = peer.wait_for_mail(ZOE)
    assert f"To: {ZOE}\r\n".encode() in octets
    assert is_signed(octets, outgoing.dns)


def test_a_message_that_requires_tls_all_the_way_comes_back(outgoing: OutgoingSite, peer: Postfix) -> None:
    """It has TLS, and does not know REQUIRETLS."""
    outgoing.send(CAROL, mail_options=("REQUIRETLS",))
    (report,) = outgoing.wait_for_mail()
    _, recipient = delivery_status(report)
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.7.30")
    assert peer.files(CAROL) == []


def test_more_recipients_than_it_takes_at_once_all_have_the_message(outgoing: OutgoingSite) -> None:
    names = [f"n{number}@elsewhere.example" for number in range(12)]
    aliases = "".join(f"{name} {CAROL}\n" for name in names)
    with postfix(outgoing, RIGHT, settings="smtpd_recipient_limit = 5\n", aliases=aliases) as peer:
        outgoing.send(*names)
        outgoing.wait_until_empty()
        peer.wait_until_empty()
        delivered = [name for name in names if f"orig_to=<{name}>" in peer.log_text()]
    assert delivered == names


def test_records_as_they_are_printed_are_right_beside_the_daemon(tmp_path: Path) -> None:
    with site(tmp_path, records="25.2.0.192.in-addr.arpa PTR mail.example.org\n", as_operators_do=True) as outgoing:
        said = mailboxctl(outgoing, "dns", "example.org", "--check", "--json")
    answers = [json.loads(line) for line in said.splitlines()]
    assert answers[-1] == {"answer": "end", "status": 0}
    assert {answer["state"] for answer in answers if answer["answer"] == "record"} == {"right"}


def test_a_server_that_takes_nothing_for_now_sees_no_more_connections_than_there_may_be(tmp_path: Path) -> None:
    limits = f"  queue_connections_per_domain: {CONNECTIONS}\n"
    with site(tmp_path, limits=limits) as outgoing, postfix(outgoing, RIGHT, settings=REFUSING) as peer:
        with submission(outgoing.site, implicit=False) as client:
            for number in range(30):
                client.sendmail(ALICE, [CAROL], f"Subject: {number}\r\n\r\n".encode())
        peer.wait_for_words("NOQUEUE: reject: RCPT from", 60)
        assert peer.most_sessions <= CONNECTIONS
        assert len(outgoing.queued) == 30


def test_fault_29_what_waited_for_a_server_that_was_down_goes_out_within_the_limits(tmp_path: Path) -> None:
    limits = f"  queue_connections_per_domain: {CONNECTIONS}\n  queue_messages_per_connection: {OVER_ONE}\n"
    with site(tmp_path, limits=limits) as outgoing, postfix(outgoing, RIGHT) as peer:
        peer.stop()
        with submission(outgoing.site, implicit=False) as client:
            for number in range(MESSAGES):
                client.sendmail(ALICE, [CAROL], f"Subject: {number}\r\n\r\n".encode())
        outgoing.wait_until_queued(MESSAGES)
        peer.start()
        outgoing.daemon.restart()
        octets = peer.wait_for_mail(CAROL, MESSAGES)
        outgoing.wait_until_empty()
        assert peer.most_sessions <= CONNECTIONS
        peer.wait_for_words(" data=", MESSAGES // OVER_ONE)
        over_each = [int(number) for number in re.findall(r"disconnect from .* data=(\d+)", peer.log_text())]
        assert max(over_each) <= OVER_ONE
    assert sorted(int(parsed(each)["Subject"]) for each in octets) == list(range(MESSAGES))
    assert outgoing.site.message_files(ALICE) == []
