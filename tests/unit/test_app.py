"""How the configuration's limits reach the sessions."""

from __future__ import annotations

import pytest

from mailbox_d.app import login_session_limits, smtp_session_limits
from mailbox_d.config.model import Limits
from mailbox_d.smtp.service import Kind

LIMITS = Limits().model_copy(update={"greeting_delay": 5.0})


@pytest.mark.parametrize(("kind", "delay"), [(Kind.SMTP, 5.0), (Kind.SUBMISSION, 0.0), (Kind.LMTP, 0.0)])
def test_only_smtp_clients_from_outside_wait_for_the_greeting(kind: Kind, delay: float) -> None:
    assert smtp_session_limits(LIMITS, kind).greeting_delay == delay


def test_imap_clients_do_not_wait_for_the_greeting() -> None:
    assert login_session_limits(LIMITS).greeting_delay == 0.0
