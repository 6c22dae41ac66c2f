"""Where Maildirs may lie: below the root, whoever names the place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.address import EmailAddress
from mailbox_d.errors import AddressError
from mailbox_d.store.layout import Layout, check_place

ROOT = Path("/srv/mail")
ALICE = EmailAddress.parse("alice@example.org")


@given(st.text(alphabet="ab./~ \0\n\udcff-", max_size=20), st.booleans())
def test_no_text_leads_out_of_the_root(text: str, is_whole: bool) -> None:
    given_text = f"{ROOT}/{text}" if is_whole else text
    try:
        place = Layout(ROOT).at(given_text)
    except AddressError:
        return
    check_place(given_text)
    assert os.path.normpath(place) == place
    assert place.startswith(b"/srv/mail/")
    assert b"/." not in place
    assert os.fsencode(given_text).removesuffix(b"/").endswith(b"/".join(Layout(ROOT).below(place)))


@pytest.mark.parametrize("text", ["/srv/mail", "/srv/mail/", "/srv/mailbox/alice", "/srv", "/", "srv/../alice"])
def test_what_is_not_below_the_root(text: str) -> None:
    with pytest.raises(AddressError):
        Layout(ROOT).at(text)


@pytest.mark.parametrize(
    "text", ["/elsewhere", "elsewhere", "staff/alice", "../other", "../../../x", "../../.x", "../../", "../..//x"]
)
def test_a_link_of_somebody_else_s_is_none(tmp_path: Path, text: str) -> None:
    own = tmp_path / "example.org/alice/Maildir"
    own.parent.mkdir(parents=True)
    own.symlink_to(text)
    assert Layout(tmp_path).maildir(ALICE) == os.fsencode(own)
