"""Our judgement by TLSA records beside OpenSSL's own, which we cannot use from Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from mailbox_d.relay.tls.dane import dane_fault, usable
from mailbox_d.wire.dns.records import TLSA
from tests.integration.authority import Authority, Pair, now, self_signed
from tests.integration.policy_server import PolicyServer
from tests.integration.programs import require, run

NAME = "mx.example.org"
ROOT = Authority()
BELOW = Authority("below", ROOT)
FURTHER = Authority("further below", BELOW)
FIELDS = [(usage, selector, matching) for usage in (2, 3) for selector in (0, 1) for matching in (0, 1)]


def in_disguise() -> Pair:
    """A certificate that is vouched for by one for another name, which is no authority's."""
    impostor = Authority("in disguise", ROOT)
    leaf = ROOT.issue("elsewhere.example")
    impostor.name, impostor._key, impostor.certificate = leaf.certificate.subject, leaf.key, leaf.certificate
    return impostor.issue(NAME, with_root=True)


PAIRS: dict[str, Callable[[], Pair]] = {
    "right": lambda: ROOT.issue(NAME, with_root=True),
    "right, without root": lambda: ROOT.issue(NAME),
    "below": lambda: BELOW.issue(NAME, with_root=True),
    "further below": lambda: FURTHER.issue(NAME, with_root=True),
    "below, without root": lambda: BELOW.issue(NAME),
    "for another": lambda: ROOT.issue("elsewhere.example", with_root=True),
    "wildcard": lambda: ROOT.issue("*.example.org", with_root=True),
    "expired": lambda: _with_root(ROOT.expired(NAME)),
    "not yet": lambda: _with_root(ROOT.not_yet_valid(NAME)),
    "by itself": lambda: self_signed(NAME),
    "by itself, expired": lambda: self_signed("elsewhere.example", expires=now() - timedelta(days=1)),
    "in disguise": in_disguise,
}


def _with_root(pair: Pair) -> Pair:
    return Pair(pair.certificate, pair.key, (*pair.chain, ROOT.certificate))


def openssl_says(server: PolicyServer, record: TLSA) -> bool:
    """Whether OpenSSL's client takes a server for authenticated by a record."""
    where = ["-connect", f"{server.address}:{server.port}", "-dane_tlsa_domain", NAME, "-dane_ee_no_namechecks"]
    done = run([require("openssl"), "s_client", *where, "-dane_tlsa_rrdata", _shown(record)], status=None)
    said = re.search(rb"Verify return code: ([0-9]+) ", done.stdout)
    assert said is not None, done
    return said[1] == b"0"


def _shown(record: TLSA) -> str:
    return f"{record.usage} {record.selector} {record.matching} {record.data.hex()}"


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("of", ["server", "root", "below"])
def test_records_of_every_kind(name: str, of: str) -> None:
    pair = PAIRS[name]()
    whose = {"server": pair, "root": ROOT.pair, "below": BELOW.pair}[of]
    chain = [pair.der, *(Pair(one, pair.key).der for one in pair.chain)]
    with PolicyServer(pair, b"") as server:
        for fields in FIELDS:
            record = TLSA(*whose.tlsa(*fields))
            ours = dane_fault(usable([record]), chain, [NAME], now()) is None
            assert ours == openssl_says(server, record), f"{name} by {fields} of the {of}'s"
