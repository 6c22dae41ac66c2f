"""What the services of a site share."""

from __future__ import annotations

from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.auth.users_file import read_users
from mailbox_d.auth.yaml_realm import YamlRealm
from mailbox_d.config.limits import Limits
from mailbox_d.config.model import Quota
from mailbox_d.net.lanes import InlineLane
from mailbox_d.site import quota_rules, store_settings
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import QuotaLimits

USERS = """
users:
  alice@example.org: {password: "{PLAIN}x", quota: 1 kB, quota_messages: 7}
  bob@example.org: {password: "{PLAIN}x"}
"""


def test_limits_are_those_of_the_realms(tmp_path: Path) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(USERS)
    lane = InlineLane()
    realm = YamlRealm("staff", path, read_users(path), read=lane.run, verify=lane.run, clock=lambda: 0.0)
    rules = quota_rules(Directory({"example.org": realm}), Quota(grace_percent=3))
    people = [EmailAddress.parse(f"{name}@example.org") for name in ("alice", "Alice", "bob", "nobody")]
    limits = QuotaLimits(1000, 7)
    assert [rules.limits(address) for address in people] == [limits, limits, None, None]
    assert rules.limits(EmailAddress.parse("alice@example.com")) is None
    assert rules.grace == 3


def test_the_store_has_the_limits_that_are_configured(tmp_path: Path) -> None:
    chosen = {
        "message_in_memory": 1,
        "subscriptions": 2,
        "imap_expunges": 3,
        "imap_index_file": 5,
        "imap_search_file": 4,
    }
    settings = store_settings("crlf", Limits().model_copy(update=chosen))
    assert settings == StoreSettings(
        "crlf", 1, subscriptions_octets_max=2, expunges_kept=3, index_octets_max=5, text_octets_max=4
    )
    assert MaildirStore(tmp_path, settings=settings).disk.indexes.of(bytes(tmp_path)).octets_max == 5
    assert MaildirStore(tmp_path, settings=settings).disk.texts.of(bytes(tmp_path)).is_full()


def test_the_store_s_limits_are_the_same_with_and_without_a_configuration() -> None:
    assert store_settings("lf", Limits()).text_octets_max == StoreSettings().text_octets_max
    assert store_settings("lf", Limits()).index_octets_max == StoreSettings().index_octets_max
