"""JPEG files assembled by hand (ITU-T T.81): flat grey pictures whose cost is in their structure."""

import struct

LARGEST_RUN = 0x7FFF
"""Blocks that one end-of-band run covers at most: category 14 with all bits set."""

START, END = b"\xff\xd8", b"\xff\xd9"
_QUANTISATION = b"\x00" + bytes([16]) * 64
_ONE_DC_CODE = b"\x00" + bytes([1]) + bytes(15) + b"\x00"
_RUN = 0xE0


def segment(marker: int, content: bytes = b"") -> bytes:
    """A marker segment; its length counts itself."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def frame(width: int, height: int, *, kind: int = 0xC0, sampling: tuple[int, ...] = (0x11,), depth: int = 8) -> bytes:
    """A start of frame with a component for each sampling factor."""
    components = b"".join(bytes([number, factor, 0]) for number, factor in enumerate(sampling, 1))
    return segment(kind, struct.pack(">BHHB", depth, height, width, len(sampling)) + components)


def scan(coded: bytes, *, components: tuple[int, ...] = (1,), first: int = 0, last: int = 63, bits: int = 0) -> bytes:
    """A start of scan over the coefficients `first` to `last`, and its coded data."""
    chosen = b"".join(bytes([number, 0]) for number in components)
    return segment(0xDA, bytes([len(components)]) + chosen + bytes([first, last, bits])) + coded


def blocks(width: int, height: int) -> int:
    """8x8 blocks of one component that isn't subsampled."""
    return -(-width // 8) * -(-height // 8)


def zeros(bits: int) -> bytes:
    """Coded data of that many zero bits, the last byte filled with ones."""
    whole, rest = divmod(bits, 8)
    return bytes(whole) + (bytes([0xFF >> rest]) if rest else b"")


def tables(*, progressive: bool) -> bytes:
    """Tables in which a zero bit is `no difference` (DC), and `end of block` or the largest end-of-band run (AC)."""
    ac = b"\x10" + bytes([1]) + bytes(15) + bytes([_RUN if progressive else 0])
    return segment(0xDB, _QUANTISATION) + segment(0xC4, _ONE_DC_CODE) + segment(0xC4, ac)


def runs(count: int) -> bytes:
    """Coded end-of-band runs over `count` blocks: a zero bit, then 14 bits that add to 2^14; ones are stuffed."""
    text = ""
    while count >= 2**14:
        length = min(count, LARGEST_RUN)
        text += "0" + format(length - 2**14, "014b")
        count -= length
    if count:
        text += "0" + "0" * 14
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big")
    return data.replace(b"\xff", b"\xff\x00")


def baseline(width: int, height: int, *, components: int = 1, between: bytes = b"", kind: int = 0xC0) -> bytes:
    """A flat grey picture in one interleaved scan; `between` goes before its frame."""
    factors = (0x11,) * components
    coded = zeros(2 * components * blocks(width, height))
    body = scan(coded, components=tuple(range(1, components + 1)))
    return START + between + tables(progressive=False) + frame(width, height, kind=kind, sampling=factors) + body + END


def progressive(width: int, height: int, scans: int, *, components: int = 1) -> bytes:
    """A flat grey picture of one scan of the means and `scans` of everything else, each over every block."""
    count = blocks(width, height)
    factors, numbers = (0x11,) * components, tuple(range(1, components + 1))
    means = scan(zeros(components * count), components=numbers, first=0, last=0)
    rest = b"".join(scan(runs(count), components=(numbers[n % components],), first=1) for n in range(scans))
    head = START + tables(progressive=True) + frame(width, height, kind=0xC2, sampling=factors)
    return head + means + rest + END
