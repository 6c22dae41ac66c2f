"""What the services of a site share."""

from __future__ import annotations

from pathlib import Path

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.auth.users_file import read_users
from mailbox_d.auth.yaml_realm import YamlRealm
from mailbox_d.config.model import Quota
from mailbox_d.net.lanes import InlineLane
from mailbox_d.site import quota_rules
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
