"""What machines print around the traces of an ECG: titles, made-up particulars, and speed and gain in many wordings."""

from typing import NamedTuple

from training.datasets.draws import Rng, between, chance, pick

TITLES = (
    "ECG REPORT",
    "Resting ECG",
    "12-Lead ECG",
    "ELECTROCARDIOGRAM",
    "Ruhe-EKG",
    "ECG de repos",
    "Electrocardiograma",
    "Standard 12-lead",
)
_WORDS = (
    "SITE",
    "DEVICE",
    "ROOM",
    "UNIT",
    "SERIES",
    "TEST",
    "OPERATOR",
    "LOCATION",
    "ORDER",
    "REQUEST",
    "VISIT",
    "WARD",
)
_REMARKS = (
    "Unconfirmed Diagnosis",
    "Technician :",
    "Referred by:",
    "Ref-Phys. :",
    "Report Confirmed by:",
    "Diagnosis Information:",
    "Comparison: none",
    "Page 1 of 1",
    "*** Poor data quality, interpretation may be adversely affected",
    "Sinus rhythm",
    "Borderline ECG",
    "Abnormal ECG",
    "Nonspecific T wave abnormality",
    "No previous ECGs available",
)


class MadeUpLines(NamedTuple):
    """Lines of a header about a made-up patient, by what they are about."""

    orders: tuple[str, ...]
    rates: tuple[str, ...]
    intervals: tuple[str, ...]


def made_up_lines(rng: Rng) -> MadeUpLines:
    """Lines in which nothing comes from the ECG."""
    number = int(rng.integers(0, 10**6))
    return MadeUpLines(
        (
            f"{_WORDS[rng.integers(len(_WORDS))]}: {number:06d}",
            f"{_WORDS[rng.integers(len(_WORDS))]} {number % 97}",
            f"{1 + number % 28:02d}-{1 + number % 12:02d}-20{number % 25:02d}  {number % 24:02d}:{number % 60:02d}",
        ),
        (f"Vent. rate  {number % 90 + 45} BPM", f"HR: {number % 90 + 45} /min"),
        (
            f"PR interval  {number % 120 + 110} ms",
            f"QRS duration  {number % 80 + 70} ms",
            f"QT/QTc  {number % 150 + 330}/{number % 130 + 360} ms",
            f"P-R-T axes  {number % 90}  {number % 180 - 60}  {number % 100}",
            f"RV5/SV1  {number % 30 / 10:.2f}/{number % 17 / 10:.2f} mV",
        ),
    )


def particulars(rng: Rng) -> str:
    """A line of a header; nothing in it comes from the ECG."""
    made_up = made_up_lines(rng)
    remarks = _REMARKS[: int(rng.integers(1, len(_REMARKS) + 1))]
    lines = (*made_up.orders, *made_up.rates, *made_up.intervals, *remarks)
    return lines[rng.integers(len(lines))]


def scale_words(rng: Rng, speed: float, gain: float) -> str:
    """Speed in mm/s and gain in mm/mV as one of many machines words them."""
    s, g = f"{speed:g}", f"{gain:g}"
    one = f"{s}.0" if chance(rng, 0.1) else s
    ten = f"{g}.0" if chance(rng, 0.1) else g
    words = pick(
        rng,
        (
            (f"{one}mm/s  {ten}mm/mV", 3.0),
            (f"{one} mm/s  {ten} mm/mV", 3.0),
            (f"{one} mm/sec   {ten} mm/mV", 1.5),
            (f"{one}mm/sec {ten}mm/mV", 1.0),
            (f"Speed: {one} mm/sec  Limb: {ten} mm/mV  Chest: {ten} mm/mV", 1.5),
            (f"Speed {one} mm/s  Gain {ten} mm/mV", 1.0),
            (f"{ten} mm/mV  {one} mm/s", 1.0),
            (f"{ten}mm/mV {one}mm/s", 1.0),
            (f"Vitesse: {one} mm/s   Gain: {ten} mm/mV", 0.4),
            (f"Vorschub {one} mm/s  Ampl. {ten} mm/mV", 0.4),
            (f"Velocidad {one} mm/s  Amplitud {ten} mm/mV", 0.4),
        ),
    )
    filters = pick(
        rng,
        (("", 2.0), ("0.05-150 Hz", 1.0), ("40Hz", 1.0), ("F 50~ 0.15-100 Hz", 1.0), ("0.67-25Hz AC50", 1.0)),
    )
    gap = " " * int(rng.integers(1, 6))
    return f"{filters}{gap}{words}".strip() if chance(rng, 0.35) else f"{words}{gap}{filters}".strip()


def machine_words(rng: Rng) -> str:
    """What a machine prints about itself beside its scales, in made-up letters."""
    letters = "".join(chr(65 + code) for code in rng.integers(0, 26, 2))
    version = f"V{int(rng.integers(1, 9))}.{int(rng.integers(0, 9))}"
    return f"{letters}-{int(rng.integers(1, 900))} {version} CID: {int(rng.integers(1, 60))}"


def text_size(rng: Rng) -> float:
    """Height of print in mm."""
    return between(rng, 2.0, 4.0)
