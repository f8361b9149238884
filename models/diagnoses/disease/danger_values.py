"""Numbers of a text that are dangers by themselves or with a symptom: their classes and where they stand."""

import re
from collections.abc import Iterator

_NUMBER = re.compile(r"(?<![\w.,])(\d{1,4}(?:[.,]\d{1,2})?)(?!\d)")
_MOST_NUMBERS = 100
_BEFORE, _AFTER = 42, 30

_TEMPERATURE_BEFORE = re.compile(
    r"\b(?:temp(?:erature)?s?|fever|feels hot|rectal|thermometer)\b[^\d.;!?]{0,24}$|(?:^|[\s,])t\s?[:=]?\s?$"
)
_CELSIUS_AFTER = re.compile(
    r"\s*(?:\u00b0|\u00ba|deg(?:ree)?s?)?\s*(?:c\b|celsius|centigrade)|\s*(?:\u00b0|\u00ba)|\s*deg(?:ree)?s?\b(?!\s*f)"
)
_FAHRENHEIT_AFTER = re.compile(r"\s*(?:\u00b0|\u00ba|deg(?:ree)?s?)?\s*(?:f\b|fahrenheit)")
_DIASTOLIC = re.compile(r"\s*(?:/|\bover\b|\bon\b)\s*(\d{2,3})\b(?!\s*/)")
_PRESSURE_BEFORE = re.compile(r"\b(?:pressures?|bp|b/p|systolic)\b[^\d;!?]{0,24}$")
_SATURATION_BEFORE = re.compile(r"\b(?:sats?|spo2|saturations?|oxygen|o2|oximeter|pulse ?ox)\b[^\d;!?]{0,24}$")
_SATURATION_AFTER = re.compile(
    r"\s*(?:%|per ?cent)?\s*(?:sats?|spo2|saturation|oxygen|on (?:the )?(?:oximeter|finger))"
)
_GLUCOSE_BEFORE = re.compile(r"\b(?:sugars?|glucose|bm|bms|meter|glucometer|blood sugar)\b[^\d;!?]{0,24}$")
_MMOL_AFTER = re.compile(r"\s*mmol")
_MG_DL_AFTER = re.compile(r"\s*mg\s*(?:/|per)?\s*dl")
_KETONES_BEFORE = re.compile(r"\bketones?\b[^\d;!?]{0,16}$")
_PULSE_BEFORE = re.compile(r"\b(?:heart(?: ?rate)?|pulse|hr|heart beat(?:ing)?)\b[^\d;!?]{0,20}$")
_PULSE_AFTER = re.compile(r"\s*(?:bpm\b|beats)")
_BREATHS_BEFORE = re.compile(r"\b(?:respirat\w+(?: rate)?|breath\w*|rr|resps?)\b[^\d;!?]{0,16}$")
_BREATHS_AFTER = re.compile(r"\s*(?:breaths|times a minute|a minute|/ ?min)")
_WEEKS_AFTER = re.compile(r"\s*-?\s*(?:\+\s*\d\s*)?(?:weeks?|wks?|/40)\b")
_PREGNANT_NEAR = re.compile(
    r"pregnan|\bpreg\b|\bgone\b|gestation|waters|womb|\bbaby (?:has|is|not|hasn|isn)|trimester|scan|/40"
    r"|contraction|labou?r|\bbump\b|movement|kick|moved|\bmove\b|\bg\dp\d"
)
_BARE_WEEKS = re.compile(r"(?:^|[.,;!?\n]\s?|\bi'?m |\bi am |\bonly )$")
_AFTER_BARE = re.compile(r"^\s*(?:weeks?|wks?)\s*(?:$|[,.;]|and\b|with\b|bp\b|blood\b)")
_AFTER_BIRTH = re.compile(r"^\s*(?:weeks?|wks?)\s*(?:after|post|ago|since)")
_AGE_AFTER = re.compile(r"\s*-?\s*(days?|weeks?|wks?|months?|mths?|mo)\s*-?\s*(?:old\b|of age)")
_NOT_A_COUNT = re.compile(
    r"\s*-?\s*(?:days?|weeks?|wks?|months?|mths?|years?|yrs?|yo\b|y/o|hours?|hrs?|min(?:ute)?s?|secs?|mg"
    r"|mcg|ml|g\b|grams?|%"
    r"|am\b|pm\b|/40|:|/|kg|stone|lbs?|pounds?|cm|mm|percent|times|degrees?|c\b|f\b|o'?clock|left)"
)
_DOSE = re.compile(
    r"\s*(?:x\s*)?(?:of\s+)?(?:my |his |her |the |those |these |extra |strength |strong "
    r"|\d+ ?mg )*(\w+)(?:\s+(\w+))?(?:\s+(\w+))?"
)
_MEDICINE = re.compile(
    r"^(?:paracetamols?|acetaminophen|tylenols?|panadols?|ibuprofens?|nurofens?|aspirins?|codeines?"
    r"|co-?codamols?|tablets?|pills?"
    r"|capsules?|caplets?|tabs?|painkillers?|antidepressants?|sertralines?|fluoxetine|prozac|citalopram|amitriptylines?"
    r"|diazepams?|valiums?|xanax|zopiclones?|sleeping|insulin|units|metformin|propranolols?|tramadols?"
    r"|morphine|oxycodone"
    r"|benadryl|advil|aleve|naproxens?|warfarins?|iron|lithium|quetiapines?|blood)$"
)
_MANY = 9
_HAS_A_TEMPERATURE = re.compile(
    r"\b(?:has|have|got|had|running|with|and) (?:a|such a) (?:\w+ )?temp(?:erature)?\b(?! (?:of|is"
    r"|was) 3[5-7])(?!\s?3[5-7])"
)


def values_in(text: str) -> Iterator[tuple[str, int]]:
    """The classes of the first 100 numbers of a lower-case text and where they begin.

    Temperatures in degrees C or F, pressures in mm Hg, saturation in %, glucose and ketones in mmol/L or mg/dL, pulse
    and breaths a minute, weeks of pregnancy, weeks or months of age, and tablets that are more than a day's dose.
    """
    for match in _HAS_A_TEMPERATURE.finditer(text):
        yield "measured_fever", match.start()
    for count, match in enumerate(_NUMBER.finditer(text)):
        if count == _MOST_NUMBERS:
            return
        start, end = match.span()
        value = float(match[1].replace(",", "."))
        before, after = text[max(0, start - _BEFORE) : start], text[end : end + _AFTER]
        for name in _classes(value, before, after, text):
            yield name, start


def _classes(value: float, before: str, after: str, text: str) -> Iterator[str]:
    if pressure := _DIASTOLIC.match(after):
        yield from _pressure(value, float(pressure[1]), before)
        if float(pressure[1]) != 40:
            return
    if _PRESSURE_BEFORE.search(before):
        yield from _pressure(value, 0, before)
        return
    yield from _temperature(value, before, after)
    yield from _blood(value, before, after)
    yield from _rates(value, before, after)
    yield from _person(value, before, after, text)
    dose = _DOSE.match(after) if value >= _MANY and not _NOT_A_COUNT.match(after) else None
    if value >= _MANY and value == int(value) and value <= 200 and not _NOT_A_COUNT.match(after):
        yield "many_number"
    if dose and any(word and _MEDICINE.match(word) for word in dose.groups()):
        yield "many_tablets"


def _pressure(systolic: float, diastolic: float, before: str) -> Iterator[str]:
    if not (diastolic == 0 or 30 <= diastolic < systolic) or not 60 <= systolic <= 320:
        return
    if systolic >= 180 or diastolic >= 120:
        yield "pressure_severe"
    if systolic >= 160 or diastolic >= 110:
        yield "pressure_160"
    if systolic < 90 and (diastolic or _PRESSURE_BEFORE.search(before)):
        yield "pressure_low"


def _temperature(value: float, before: str, after: str) -> Iterator[str]:
    named = _TEMPERATURE_BEFORE.search(before)
    fahrenheit = _FAHRENHEIT_AFTER.match(after)
    if (fahrenheit and 85 <= value <= 115) or (named and 93 <= value <= 112):
        value = (value - 32) / 1.8
    elif (
        not (_CELSIUS_AFTER.match(after) or named or value != int(value))
        or not 26 <= value <= 43
        or (not _CELSIUS_AFTER.match(after) and (_NOT_A_COUNT.match(after) or (not named and not 37.5 <= value <= 42)))
    ):
        return
    if value >= 37.95:
        yield "measured_fever"
    if value >= 40.3:
        yield "measured_heat"
    if value < 35:
        yield "measured_cold"


def _blood(value: float, before: str, after: str) -> Iterator[str]:
    if (_SATURATION_BEFORE.search(before) or _SATURATION_AFTER.match(after)) and 40 <= value <= 92:
        yield "saturation_low"
    if _KETONES_BEFORE.search(before):
        if value >= 1.6:
            yield "ketones_high"
        return
    milligrams = _MG_DL_AFTER.match(after)
    if milligrams or _MMOL_AFTER.match(after) or _GLUCOSE_BEFORE.search(before):
        millimoles = value / 18 if milligrams or value > 45 else value
        if millimoles < 3.9:
            yield "glucose_low"
        if millimoles < 3:
            yield "glucose_very_low"
        if millimoles >= 14:
            yield "glucose_high"


def _rates(value: float, before: str, after: str) -> Iterator[str]:
    if _PULSE_BEFORE.search(before) or _PULSE_AFTER.match(after):
        if 140 <= value <= 300:
            yield "pulse_fast"
        if 15 <= value <= 40:
            yield "pulse_slow"
    elif (_BREATHS_BEFORE.search(before) or _BREATHS_AFTER.match(after)) and 25 <= value <= 90:
        yield "breaths_fast"


def _person(value: float, before: str, after: str, text: str) -> Iterator[str]:
    if age := _AGE_AFTER.match(after):
        weeks = value * {"d": 1 / 7, "w": 1, "m": 4.345}[age[1][0]]
        if weeks < 13:
            yield "young_baby"
        if weeks < 105:
            yield "baby"
        return
    if (
        _WEEKS_AFTER.match(after)
        and 4 <= value <= 42
        and not _AFTER_BIRTH.match(after)
        and (_PREGNANT_NEAR.search(text) or (value >= 16 and _BARE_WEEKS.search(before) and _AFTER_BARE.match(after)))
    ):
        yield "pregnant"
        if value < 37:
            yield "weeks_early"
        if value >= 20:
            yield "weeks_late"
