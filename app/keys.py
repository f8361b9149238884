"""Keys that open the service: clients send them, the settings hold their hashes.

A key is hashed with SHA-256, once. What a slow hash (argon2, scrypt) adds is work for whoever guesses passwords; a key
of `new_key` holds 256 random bits, which nobody guesses at any speed. A slow hash of every request's key, on the other
hand, would let anyone without a key keep the processors busy.
"""

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

SHORTEST_KEY = 16
LONGEST_KEY = 512
_RANDOM_BYTES = 32
_HASHED = re.compile(r"(?:(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,31})=)?sha256:(?P<digest>[0-9a-fA-F]{64})")
_MEANT_AS_HASH = re.compile(r"(?:[^=]*=)?(?:sha-?\d+:|\$\w+\$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the service knows it: the SHA-256 of what clients send, and a name to speak of it."""

    digest: bytes = field(repr=False)
    name: str | None = None
    is_plain: bool = False
    """Whether the settings held the key itself instead of its hash."""


def new_key() -> str:
    """A fresh random key of 256 bits, `md_` and 43 characters that are safe in a URL and a header."""
    return f"md_{secrets.token_urlsafe(_RANDOM_BYTES)}"


def hashed(key: str, name: str | None = None) -> str:
    """The form of a key that the settings hold: `sha256:<64 hex digits>`, after `<name>=` where it has one."""
    label = f"{name}=" if name else ""
    return f"{label}sha256:{sha256(key.encode()).hexdigest()}"


def parse_key(setting: str) -> Key:
    """The key that a setting holds, hashed or plain.

    Raises ValueError, never with the key in its message, for a hash of another form and for a plain key that is
    shorter than 16 characters, longer than 512 or could not travel in a header.
    """
    setting = setting.strip()
    if match := _HASHED.fullmatch(setting):
        return Key(bytes.fromhex(match["digest"]), match["name"])
    if _MEANT_AS_HASH.match(setting):
        raise ValueError(
            "a hashed key is written sha256:<64 hex digits>, or <name>=sha256:<64 hex digits> with a name of up to 32 "
            "letters, digits, dots, dashes and underscores. `medidiagnose keys new` prints one."
        )
    if not SHORTEST_KEY <= len(setting) <= LONGEST_KEY:
        raise ValueError(f"each key must have at least {SHORTEST_KEY} characters and at most {LONGEST_KEY}.")
    if not (setting.isascii() and setting.isprintable()):
        raise ValueError("a key must be printable ASCII, since it travels in a header.")
    return Key(sha256(setting.encode()).digest(), is_plain=True)


class KeyRing:
    """Keys of which any one opens the same doors. `kind` says which: `Api`, `Metrics`, `Admin`."""

    def __init__(self, kind: str, settings: Iterable[str]) -> None:
        """Raises ValueError where a setting is no key or two keys have one name."""
        self.kind = kind
        keys = [parse_key(setting) for setting in settings]
        self.plain = sum(key.is_plain for key in keys)
        self._keys = [(key.digest, key.name or f"key-{position}") for position, key in enumerate(keys, start=1)]
        self.names = tuple(name for _, name in self._keys)
        if len(set(self.names)) < len(self.names):
            raise ValueError("two keys have the same name.")

    def __repr__(self) -> str:
        return f"KeyRing({self.kind!r}, {', '.join(self.names)})"

    def find(self, sent: bytes) -> str | None:
        """The name of the key that was sent, None for one that is not on the ring; its time tells nothing of either."""
        if not sent:
            return None
        digest, found = sha256(sent).digest(), None
        for known, name in self._keys:
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def shares_a_key_with(self, other: "KeyRing") -> bool:
        """Whether one key opens both."""
        return bool({digest for digest, _ in self._keys} & {digest for digest, _ in other._keys})
