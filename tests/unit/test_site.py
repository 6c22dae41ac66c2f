"""What the services of a site share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactor

from mailbox_d.address import EmailAddress
from mailbox_d.auth.directory import Directory
from mailbox_d.auth.lasting_secret import LastingSecret
from mailbox_d.auth.realm import LoggedIn, Service
from mailbox_d.auth.users_file import read_users
from mailbox_d.auth.yaml_realm import YamlRealm
from mailbox_d.config.limits import Limits
from mailbox_d.config.load import load
from mailbox_d.config.model import Quota
from mailbox_d.net.lanes import InlineLane, Lanes
from mailbox_d.realms import build_realms
from mailbox_d.site import quota_rules, residence_rules, store_settings
from mailbox_d.store.disk import StoreSettings
from mailbox_d.store.maildir_store import MaildirStore
from mailbox_d.store.ports import QuotaLimits
from mailbox_d.store.residences import Residence
from tests.unit.ctl.site_files import make_site

P = ParamSpec("P")
T = TypeVar("T")

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


def test_where_maildirs_are_to_be_is_as_the_realms_say(tmp_path: Path) -> None:
    configuration = load(make_site(tmp_path), on_disk=False).configuration
    path = tmp_path / "residents.yaml"
    path.write_text(USERS.replace("quota: 1 kB", "maildir: staff/alice"))
    lane = InlineLane()
    realm = YamlRealm("staff", path, read_users(path), read=lane.run, verify=lane.run, clock=lambda: 0.0)
    (name,) = {domain.realm for domain in configuration.domains.values()}
    for provision in (True, False):
        changed = configuration.realms[name].model_copy(update={"provision": provision})
        configured = configuration.model_copy(update={"realms": {name: changed}})
        rules = residence_rules(configured, Directory({"example.org": realm}))
        people = [EmailAddress.parse(f"{local_part}@example.org") for local_part in ("alice", "bob", "nobody")]
        said = [Residence("staff/alice", provision), Residence(None, provision), None]
        assert [rules.of(address) for address in people] == said
        assert rules.are_plain(people[1]) is provision
        assert set(rules.domains) == set(configuration.domains)


class NotedLane(InlineLane):
    """Notes what it is given, and does it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.works: list[str] = []

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.works.append(getattr(work, "__name__", ""))
        return work(*args, **kwargs)


def test_passwords_are_stored_anew_where_nobody_waits(tmp_path: Path) -> None:
    """Not in the lane in which users are looked up."""
    path = make_site(tmp_path, "login: {upgrade_hashes: true, mechanisms: [PLAIN, SCRAM-SHA-256]}\n")
    (tmp_path / "users.yaml").write_text(USERS)
    lanes = Lanes(MemoryReactor())
    lanes.files, lanes.upgrades, lanes.hashing = NotedLane(), NotedLane(), NotedLane()
    realm = build_realms(load(path, on_disk=False).configuration, lanes, LastingSecret())["staff"]
    address = EmailAddress.parse("alice@example.org")
    logged_in: Deferred[LoggedIn] = Deferred.fromCoroutine(realm.authenticate(address, b"x", Service.IMAP))
    assert logged_in.result.user.address == address
    assert lanes.upgrades.works == ["replace_password"] and "replace_password" not in lanes.files.works
    assert read_users(tmp_path / "users.yaml").logins[address].password.scheme == "SCRAM-SHA-256"
    assert isinstance(realm, YamlRealm) and realm.users.logins[address].password.scheme == "SCRAM-SHA-256"


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
