"""SMTP replies."""

from mailbox_d.wire.smtp.replies import MAX_REPLY_LINE, Reply


def test_one_line_with_a_status() -> None:
    assert Reply(250, "2.1.0", "Sender ok").encode() == b"250 2.1.0 Sender ok\r\n"


def test_several_lines_each_carry_the_code() -> None:
    assert Reply(250, "", ("mail.example.org", "SIZE 10")).encode() == b"250-mail.example.org\r\n250 SIZE 10\r\n"


def test_what_is_quoted_cannot_end_the_line() -> None:
    assert Reply(550, "", "no\r\n250 yes\x1b").encode() == b"550 no??250 yes?\r\n"


def test_a_line_keeps_to_the_limit() -> None:
    assert len(Reply(550, "5.1.1", "x" * 1000).encode()) == MAX_REPLY_LINE
