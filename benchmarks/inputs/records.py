"""WFDB records: damaged ones, and ones that announce what they are not."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np

from benchmarks.inputs import pick
from benchmarks.inputs.bombs import LARGEST
from benchmarks.pictures import made_up_record
from models.preprocessing.ecg_record import LEADS

Files = tuple[bytes, bytes]

_TOKENS = (b"0", b"-1", b"1e308", b"1e-308", b"nan", b"inf", b"9" * 30, b"9" * 5000, b"/", b"\n", b"x9", b":7", b"+100")
_WORDS = (
    b"(",
    b")",
    b"mmHg",
    b"V1",
    b"#",
    b"..",
    b"~",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xd9\xa3",
    b" ",
    b"\r",
    b"212",
)
_GAINS = (
    "0/mV",
    "-1/mV",
    "1e308/mV",
    "1e-308/mV",
    "nan/mV",
    "inf",
    "1000(9e99)/mV",
    "9" * 5000 + "/mV",
    "/",
)
_FIRST_LINES = (
    "",
    "a",
    "a 0",
    "a -12 100 1000",
    "a 12 0 1000",
    "a 12 1e-300 1000",
    "a 12 1e300 1000",
    "a 12 nan 1000",
    "a 12 100 999999999999999999",
    "a 12 100 -5",
    "a 12 100/1(1e9) 1000",
    "a 999999999 100 1000",
    "a/9999999 12 100 1000",
    "a/2 12 100 1000 25:61:61 99/99/9999",
    "../../etc/passwd 12 100 1000",
    "a 12 0.0001 1000",
    "a 12 1000000 1000",
    "a " + "9" * 5000,
)
_FORMATS = (0, 8, 16, 24, 32, 61, 80, 160, 212, 310, 311, 508, 516, 524, 99_999)


def damaged(rng: np.random.Generator) -> tuple[str, Files]:
    """A record with bits flipped in header or signal, a token put in or over, a piece lost; and what was done."""
    header, signal = (bytearray(part) for part in made_up_record())
    kind = pick(rng, ("header flipped", "signal flipped", "token", "word", "signal cut", "header cut", "lines"))
    place = int(rng.integers(len(header)))
    match kind:
        case "header flipped":
            for at in rng.integers(0, len(header), rng.integers(1, 6)):
                header[at] ^= 1 << int(rng.integers(8))
        case "signal flipped":
            for at in rng.integers(0, len(signal), rng.integers(1, 400)):
                signal[at] ^= 1 << int(rng.integers(8))
        case "token":
            words = bytes(header).split(b" ")
            words[rng.integers(len(words))] = pick(rng, _TOKENS)
            header = bytearray(b" ".join(words))
        case "word":
            header[place : place + int(rng.integers(6))] = pick(rng, _WORDS)
        case "signal cut":
            del signal[int(rng.integers(len(signal))) :]
        case "header cut":
            del header[place:]
        case "lines":
            lines = bytes(header).split(b"\n")
            rng.shuffle(lines)
            header = bytearray(b"\n".join(lines))
    return kind, (bytes(header), bytes(signal))


def header(
    *,
    first: str = "a 12 100 1000",
    file: str = "a.dat",
    storage: object = 16,
    gain: str = "1000/mV",
    names: tuple[str, ...] = LEADS,
    rest: str = "16 0 0 0 0",
    checksums: Sequence[int] | None = None,
) -> bytes:
    """A header whose parts can be replaced one by one; `checksums` go before the `rest` of each line."""
    told = [f"16 0 0 {checksum} 0" for checksum in checksums] if checksums else [rest] * len(names)
    lines = [f"{file} {storage} {gain} {each} {name}" for name, each in zip(names, told, strict=True)]
    return "\n".join([first, *lines]).encode()


def _headers() -> dict[str, Callable[[], bytes]]:
    return {
        **{f"format {number}": partial(header, storage=number) for number in _FORMATS},
        **{f"gain {gain[:12]}": partial(header, gain=gain) for gain in _GAINS},
        **{f"first line {first[:24]}": partial(header, first=first) for first in _FIRST_LINES},
        "another file": partial(header, file="../../../etc/shadow"),
        "standard input": partial(header, file="-"),
        "samples a frame": partial(header, storage="16x999999999"),
        "skew": partial(header, storage="16:999999999+999999999"),
        "equal names": partial(header, names=("V1",) * 12),
        "other names": partial(header, names=("EEG",) * 12),
        "names of a megabyte": partial(header, names=("V" * 10**6,) * 12),
        "hundred thousand signals": partial(header, first="a 100000 100 1000", names=("I",) * 10**5),
        "twelve and none": partial(header, names=()),
        "byte order mark": lambda: b"\xef\xbb\xbf" + header(),
        "UTF-16": lambda: header().decode().encode("utf-16"),
        "one line of 15 MB": lambda: b"a" * LARGEST,
        "spaces of 15 MB": lambda: b"a 12" + b" " * LARGEST,
        "comments of 15 MB": lambda: header() + b"\n#" * (LARGEST // 2),
        "lines of nothing": lambda: b"\n" * LARGEST,
        "NULs of 15 MB": lambda: bytes(LARGEST),
        "checksums and firsts": partial(header, rest="99 99999999999 -99999999999 99999999999 9"),
    }


def _signals() -> dict[str, Callable[[], Files]]:
    full = (LARGEST - 2000) // 24 * 24
    samples, differences = full // 24, 9_999_996
    return {
        "15 MB of signal at 100 Hz": lambda: (header(first=f"a 12 100 {samples}"), _long(full)),
        "15 MB of signal at 1000 Hz": lambda: (header(first=f"a 12 1000 {samples}"), _long(full)),
        "15 MB of signal at 1 Hz": lambda: (header(first=f"a 12 1 {samples}"), _long(full)),
        "15 MB of signal at 1000 Hz with checksums": lambda: (
            header(first=f"a 12 1000 {samples}", checksums=_checksums(_long(full))),
            _long(full),
        ),
        "15 MB of signal at 9973.7 Hz": lambda: (header(first=f"a 12 9973.7 {samples}"), _long(full)),
        "10 MB of differences": lambda: (header(first=f"a 12 500 {differences // 12}", storage=8), _long(differences)),
        "15 MB at 10 MHz": lambda: (header(first=f"a 12 10000000 {samples}"), _long(full)),
        "15 MB in format 8": lambda: (header(first=f"a 12 500 {2 * samples}", storage=80), _long(full)),
        "15 MB in format 212": lambda: (header(first=f"a 12 500 {full // 18}", storage=212), _long(full)),
        "all invalid": lambda: (header(), b"\x00\x80" * 12_000),
        "all the largest": lambda: (header(gain="1/mV"), b"\xff\x7f" * 12_000),
        "swapped": lambda: made_up_record()[::-1],
        "twice the header": lambda: (header(), header()),
        "empty": lambda: (b"", b""),
        "no signal": lambda: (header(), b""),
    }


def _checksums(signal: bytes) -> list[int]:
    """Of twelve signals in format 16; 65,536 in place of 0, which stands for none."""
    sums = np.frombuffer(signal, "<i2").reshape(-1, 12).sum(axis=0, dtype=np.int64)
    return [int(total) % 65536 or 65536 for total in sums]


def _with(make_header: Callable[[], bytes], signal: bytes) -> Files:
    return make_header(), signal


@cache
def _long(length: int) -> bytes:
    return (made_up_record()[1] * (length // 24_000 + 1))[:length]


HOSTILE: Mapping[str, Callable[[], Files]] = {
    **{name: partial(_with, made, made_up_record()[1]) for name, made in _headers().items()},
    **_signals(),
}
"""Each hostile record by its name."""
