"""SCRAM-SHA-256: the example of RFC 7677, a client of the tests', and everything that must fail (attack 39)."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbox_d.errors import AuthenticationFailed
from mailbox_d.wire.sasl.exchange import Challenge, MalformedResponse, OtherIdentity, Proven, WantsKeys, WrongProof
from mailbox_d.wire.sasl.scram import ScramKeys, ScramSha256, ScramSha256Plus
from tests.unit.wire.sasl.scram_client import Client, b64, keys_of

EXPORTER = {"tls-exporter": b"e" * 32, "tls-server-end-point": b"c" * 32}


KEYS = keys_of(b"pass")


def first_of(exchange: ScramSha256, client: Client, keys: ScramKeys = KEYS, *, known: bool = True) -> bytes:
    assert exchange.start(b64(client.first)) == WantsKeys("alice@example.org")
    return exchange.keys(keys, known=known).data


def test_the_example_of_rfc_7677() -> None:
    server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    exchange = ScramSha256(nonce=server_nonce)
    assert exchange.start(b64(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")) == WantsKeys("user")
    keys = keys_of(b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    assert exchange.keys(keys, known=True) == Challenge(
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    final = (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert exchange.step(b64(final)) == Challenge(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert exchange.step(b"") == Proven("user")


def test_without_an_initial_response_it_asks_with_an_empty_challenge() -> None:
    exchange = ScramSha256()
    assert exchange.start(None) == Challenge(b"")
    assert exchange.step(b64(Client().first)) == WantsKeys("alice@example.org")


@pytest.mark.parametrize("binding", EXPORTER)
def test_bound_to_its_connection(binding: str) -> None:
    client = Client(header=b"p=" + binding.encode() + b",,", bound=EXPORTER[binding])
    exchange = ScramSha256Plus(bindings=EXPORTER)
    final = exchange.step(b64(client.final(first_of(exchange, client))))
    assert isinstance(final, Challenge)
    assert client.believes(final.data)
    assert exchange.step(b"") == Proven("alice@example.org")


@pytest.mark.parametrize(
    ("header", "plus"),
    [
        (b"n,,", True),  # bound by name, and not by its header
        (b"y,,", True),
        (b"p=tls-exporter,,", False),
        (b"p=tls-unique,,", True),  # not served: broken before TLS 1.3, none with it
        (b"p=,,", True),
        (b"p=tls-exporter,", True),
        (b"x,,", False),
        (b"n,b=alice@example.org,", False),
        (b"n,a=al=ice,", False),
        (b"", False),
    ],
)
def test_attack_39_headers_that_are_not_what_the_mechanism_prescribes(header: bytes, plus: bool) -> None:
    exchange = (ScramSha256Plus if plus else ScramSha256)(bindings=EXPORTER)
    with pytest.raises(MalformedResponse):
        exchange.start(b64(Client(header=header).first))


def test_attack_39_a_client_that_saw_no_better_mechanism_is_told_no() -> None:
    """Somebody on the way took it off the list."""
    with pytest.raises(WrongProof):
        ScramSha256(bindings=EXPORTER).start(b64(Client(header=b"y,,").first))
    assert first_of(ScramSha256(), Client(header=b"y,,"))


@pytest.mark.parametrize("bound", [b"", b"f" * 32, b"e" * 31, EXPORTER["tls-server-end-point"]])
def test_attack_39_the_binding_of_another_connection(bound: bytes) -> None:
    client = Client(header=b"p=tls-exporter,,", bound=bound)
    exchange = ScramSha256Plus(bindings=EXPORTER)
    with pytest.raises(WrongProof):
        exchange.step(b64(client.final(first_of(exchange, client))))


def test_attack_39_a_header_that_is_another_one_at_the_end() -> None:
    exchange, client = ScramSha256(), Client()
    with pytest.raises(WrongProof):
        exchange.step(b64(client.final(first_of(exchange, client), channel=b"y,,")))


@pytest.mark.parametrize("cut", [-1, 1])
def test_attack_39_another_nonce(cut: int) -> None:
    exchange, client = ScramSha256(), Client()
    server_first = first_of(exchange, client)
    nonce = server_first.split(b",")[0][2:]
    with pytest.raises(WrongProof):
        exchange.step(b64(client.final(server_first, nonce=nonce[:cut] if cut < 0 else nonce + b"x")))


def test_attack_39_what_was_said_before_proves_nothing_again() -> None:
    client = Client()
    earlier = ScramSha256()
    final = client.final(first_of(earlier, client))
    assert isinstance(earlier.step(b64(final)), Challenge)
    again = ScramSha256()
    first_of(again, client)
    with pytest.raises(WrongProof):
        again.step(b64(final))


@pytest.mark.parametrize(
    "final",
    [
        b"",
        b"c=biws",
        b"c=biws,r=%s",
        b"r=%s,c=biws,p=AAAA",
        b"c=biws,r=%s,p=",
        b"c=biws,r=%s,p=AAAA",  # too short
        b"c=biws,r=%s,p=" + b64(b"x" * 33),
        b"c=biws,r=%s,p=" + b64(b"x" * 32) + b",x=y",
        b"c=biws,r=%s,p=" + b64(b"x" * 32)[:-1],
        b"c=biws,r=%s,m=x\0,p=" + b64(b"x" * 32),
        b"c=bi ws,r=%s,p=" + b64(b"x" * 32),
        b"c=\xff,r=%s,p=" + b64(b"x" * 32),
    ],
)
def test_attack_39_last_messages_that_are_malformed(final: bytes) -> None:
    exchange, client = ScramSha256(), Client()
    nonce = first_of(exchange, client).split(b",")[0][2:]
    with pytest.raises(MalformedResponse):
        exchange.step(b64(final.replace(b"%s", nonce)))


@pytest.mark.parametrize(
    "bare",
    [
        b"",
        b"n=,r=abc",
        b"r=abc,n=alice",
        b"n=alice",
        b"n=alice,r=",
        b"n=alice,r=a b",
        b"n=alice,r=\xc3\xa4",
        b"m=x,n=alice,r=abc",
        b"n=al=ice,r=abc",
        b"n=al\0ice,r=abc",
        b"n=alice,r=abc,",
        b"n=alice,r=" + b"x" * 513,
    ],
)
def test_attack_39_first_messages_that_are_malformed(bare: bytes) -> None:
    with pytest.raises(MalformedResponse):
        ScramSha256().start(b64(b"n,," + bare))


@pytest.mark.parametrize(
    "change",
    [{"stored_key": b"s" * 32}, {"salt": b"another salt"}, {"iterations": 4097}],
)
def test_a_wrong_password_is_no_proof(change: dict[str, object]) -> None:
    exchange, client = ScramSha256(), Client(b"guess")
    with pytest.raises(AuthenticationFailed):
        exchange.step(b64(client.final(first_of(exchange, client, replace(KEYS, **change)))))


def test_keys_that_were_made_up_prove_nobody() -> None:
    """Not even to whoever would know the password that they were made of."""
    exchange, client = ScramSha256(), Client()
    with pytest.raises(WrongProof):
        exchange.step(b64(client.final(first_of(exchange, client, known=False))))


def test_nothing_follows_the_last_message() -> None:
    exchange, client = ScramSha256(), Client()
    exchange.step(b64(client.final(first_of(exchange, client))))
    with pytest.raises(MalformedResponse):
        exchange.step(b64(b"more"))


def test_nobody_acts_as_somebody_else() -> None:
    with pytest.raises(OtherIdentity):
        ScramSha256().start(b64(Client(header=b"n,a=bob@example.org,").first))
    assert ScramSha256().start(b64(Client(header=b"n,a=ALICE@example.org,").first)) == WantsKeys("alice@example.org")


def test_names_are_unescaped() -> None:
    exchange = ScramSha256()
    assert exchange.start(b64(b"n,,n=a=2Cb=3Dc@example.org,r=abc")) == WantsKeys("a,b=c@example.org")


def test_keys_are_not_shown() -> None:
    assert "stored" not in repr(KEYS) and "server" not in repr(KEYS)


@given(name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_name_comes_as_it_is(name: str) -> None:
    escaped = name.replace("=", "=3D").replace(",", "=2C").encode()
    assert ScramSha256().start(b64(b"n,,n=" + escaped + b",r=abc")) == WantsKeys(name)
