"""Keys: made at random, held as hashes, compared in full, never shown."""

import hmac
import re

import pytest

from app.keys import KeyRing, hashed, new_key, parse_key

PLAIN = "a-key-of-sixteen-characters"
OTHER = "another-key-of-many-characters"


def test_new_keys_are_random_and_fit_a_header() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"md_[A-Za-z0-9_-]{43}", key) for key in made)
    assert all(parse_key(key).is_plain for key in made)


def test_a_key_and_its_hash_open_the_same_door() -> None:
    assert parse_key(hashed(PLAIN)).digest == parse_key(PLAIN).digest
    assert not parse_key(hashed(PLAIN)).is_plain
    for setting in (PLAIN, hashed(PLAIN), hashed(PLAIN).upper().replace("SHA256", "sha256"), f" {hashed(PLAIN)} "):
        ring = KeyRing("Api", [hashed(OTHER), setting])
        assert ring.find(PLAIN.encode()) == "key-2"
        assert ring.find(OTHER.encode()) == "key-1"


def test_names_come_with_the_hash() -> None:
    ring = KeyRing("Api", [hashed(PLAIN, "ward3"), OTHER])
    assert ring.names == ("ward3", "key-2")
    assert ring.find(PLAIN.encode()) == "ward3"
    assert ring.plain == 1


@pytest.mark.parametrize(
    "sent", [b"", b"x", PLAIN.encode()[:-1], PLAIN.encode() + b"x", hashed(PLAIN).encode(), b"\xff"]
)
def test_nothing_else_opens_it(sent: bytes) -> None:
    assert KeyRing("Api", [hashed(PLAIN), PLAIN + "y"]).find(sent) is None


def test_no_key_at_all_opens_no_door_even_where_its_hash_is_on_the_ring() -> None:
    assert KeyRing("Api", [hashed("")]).find(b"") is None


def test_every_key_is_compared_wherever_the_right_one_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    compare_digest = hmac.compare_digest

    def noting(known: bytes, sent: bytes, /) -> bool:
        compared.append(known)
        return compare_digest(known, sent)

    monkeypatch.setattr(hmac, "compare_digest", noting)
    ring = KeyRing("Api", [PLAIN, OTHER, hashed(new_key())])
    for sent in (PLAIN, OTHER, "none of them"):
        compared.clear()
        ring.find(sent.encode())
        assert len(compared) == 3


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("short", "at least 16"),
        ("", "at least 16"),
        ("x" * 513, "at most 512"),
        ("ein-schlüssel-mit-umlaut", "ASCII"),
        ("a key with a\ttab in its middle", "ASCII"),
        ("sha256:1234", "64 hex digits"),
        ("sha256:" + "g" * 64, "64 hex digits"),
        ("ward 3=" + hashed(PLAIN), "64 hex digits"),
        ("=" + hashed(PLAIN), "64 hex digits"),
        ("x" * 33 + "=" + hashed(PLAIN), "64 hex digits"),
        ("sha512:" + "0" * 128, "64 hex digits"),
        ("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "64 hex digits"),
        ("ward3=$argon2id$v=19$m=65536$c29tZXNhbHQ", "64 hex digits"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(setting: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        parse_key(setting)
    assert not setting or setting not in str(refusal.value)


def test_a_plain_key_may_hold_an_equals_sign() -> None:
    assert parse_key("YSBrZXkgaW4gYmFzZTY0IQ==").name is None


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        KeyRing("Api", [hashed(PLAIN, "ward3"), hashed(OTHER, "ward3")])


def test_nothing_of_a_key_is_shown() -> None:
    shown = repr(KeyRing("Api", [hashed(PLAIN, "ward3")])) + repr(parse_key(PLAIN))
    assert "ward3" in shown
    assert PLAIN not in shown
    assert hashed(PLAIN).removeprefix("sha256:") not in shown
    assert repr(parse_key(PLAIN).digest) not in shown
