"""Measured values in a text with their units and places, and the symptoms that they show or rule out."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from models.diagnoses.disease.reading import Measurement, Quantity
from models.diagnoses.disease.remembering import remembered
from models.diagnoses.disease.words import MEASURED, each

_FIRST = each(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
_ONES = {name: value for value, name in enumerate((*_FIRST, "eighteen", "nineteen"), 1)}
_DECADES = each("twenty thirty forty fifty sixty seventy eighty ninety")
_TENS = {name: 10 * value for value, name in enumerate(_DECADES, 2)}
_SPELT = {**_ONES, **_TENS, "a": 1, "an": 1}
_COUNT = (
    rf"(?:\d{{1,3}}(?:[.,]\d{{1,2}})?|(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(list(_ONES)[:9])}))?"
    rf"|{'|'.join(reversed(_ONES))})"
)
_SAYS = (
    r"(?:[\s:=(-]|\b(?:is|was|of|at|reads|reading|read|normal|around|about|approx|now|currently|up to|to|as high as"
    r"|high|low|only|just|says|said|showed|shows|hit|went|gone|has|down|up|over|under|between|been|measured|this|morning"
    r"|last|night|today|in|came|back|rate|level|it|her|his|my|on|the|meter|monitor|home|mostly|stays|staying|running|a"
    r"|then|tonight|by)\b|~){0,9}?"
)
"""What may stand between the name of a quantity and its value."""
_TIME = r"(?:minutes?|mins?|hours?|hrs?|days?|weeks?|wks?|months?|years?|yrs?)"
_WEEKS = r"(?:weeks?|wks?|w)"
_DEGREES = r"\s?(?:\u00b0|\u00ba|degrees?|deg)?\s?"
_NOT_BODY = re.compile(
    r"\s?(?:c|f|celsius|fahrenheit)?"
    r"\s?(?:outside|heat\b|weather|outdoors|in the (?:shade|room|house)|oven|water|day\b|sun\b|wash)"
)
_NOT_COUNT = rf"(?!\s?(?:{_TIME}|min|kg|lbs?|mg|ml|cm|times|x\b|%|st\b|th\b|/|\+))"

_CELSIUS = re.compile(
    rf"\b(2[6-9]|3\d|4[0-4])(?:[.,](\d{{1,2}}))?{_DEGREES}(c\b|celsius|centigrade|degrees?|\u00b0|\u00ba)"
)
_FAHRENHEIT = re.compile(
    rf"\b(8\d|9\d|10\d|11[0-4])(?:[.,](\d{{1,2}}))?{_DEGREES}(f\b|fahrenheit|degrees?|\u00b0|\u00ba)"
)
_TEMPERATURE = re.compile(
    rf"\b(?:temperatures?|temps?|fevers?|febrile|thermometer|t)(?![a-z])\.?{_SAYS}(?<![\d.,])(2[89]|3\d|4[0-4]|8\d|9\d|10\d|11[0-4])"
    rf"(?:[.,](\d{{1,2}}))?(?!\d){_DEGREES}(c\b|celsius|f\b|fahrenheit)?{_NOT_COUNT}"
)
_DECIMAL = re.compile(
    r"(?<![\d.,/+])\b(3[4-9]|4[01])[.,](\d)\b(?!\s?(?:kg|cm|mm|%|/|weeks?|years?|miles?|km|lbs?|mmol|percent))"
)
_FROM_TO = re.compile(
    rf"\bfrom\s(3[4-9]|4[0-2])(?:[.,]\d)?{_DEGREES}c?\s?to\s(3[4-9]|4[0-2])(?:[.,](\d))?(?!\d){_NOT_COUNT}"
)
"""A temperature that fell or rose: the second is the one now."""
_HALF = re.compile(r"\b(?:running|temp\w*|fever|reading)\W+(?:\w+\W+){0,2}?(3[5-9]|4[0-2])(?: and a half|\u00bd)")
_DECIMAL_F = re.compile(r"(?<![\d.,/+])\b(10[0-6])[.,](\d)\b(?!\s?(?:kg|cm|mm|%|/|miles?|km|lbs?|mmol|percent|fm\b))")
_WHO_MAY_BE_HOT = re.compile(
    r"\b(?:fever\w*|temp\w*|hot|thermometer|chills|(?:weeks?|months?|days?)[ -]old|baby|newborn)\b"
)
_OF_ANOTHER_KIND = re.compile(r"(?:weigh\w*|weight|bmi|size|sugar|glucose|distance|ran|aged?|score)\W+(?:\w+\W+){0,2}$")
_BEFORE_FEVER = re.compile(r"\b(3[89]|4[0-2])(?:[.,](\d))?\s(fever|temp(?:erature)?)\b")
_PRESSURE = re.compile(
    rf"(?:\b(?:blood pressure|pressure|bp)(?![a-z]){_SAYS}|\b)(?<![\d/.])(\d{{2,3}})\s?(?:/|over|on)\s?(\d{{2,3}})"
    r"(?!\d)(?!\s?[/\d])(?:\s?mm\s?hg)?"
)
_SATURATION = re.compile(
    r"\b(?:sp\s?o2|o2(?:\s?sats?|\s?saturations?|\s?levels?)?|sats?|saturations?|oximeter|pulse ox"
    rf"|oxygen(?:\s(?:sats?|saturations?|levels?))?)(?![a-z]){_SAYS}(100|[4-9]\d)(?![.,]?\d)s?\s?"
    r"(?:%|percent|per cent)?(?!\s?(?:years|days|weeks|bpm))"
)
_SATURATED = re.compile(
    r"\b([4-9]\d|100)\s?(?:%|percent|per cent)?\s?(?:sats?|sp\s?o2|saturations?|oxygen"
    r"|on (?:\w+ )?(?:oximeter|finger))\b"
)
_PULSE = re.compile(
    rf"\b(?:heart\s?rate|heart\s?beat(?:ing)?|heart|pulse(?:\srate)?|hr|puls)(?![a-z]){_SAYS}(\d{{2,3}})(?:\b|(?=reg|irreg|s\b))"
    rf"(?:\s?(?:bpm|beats|/\s?min)\b)?{_NOT_COUNT}"
)
_BEATS = re.compile(
    r"\b(\d{2,3})\s?(?:bpm|beats (?:a|per) min(?:ute)?)\b"
    r"|\b(?:heart|pulse)\w*\s(?:\w+\s){0,3}?(\d{2,3}) (?:times )?(?:a|per) min(?:ute)?\b"
    r"|(?<=\d)[,;]? p\s?:?\s?(\d{2,3})\b(?!\s?m\b)|\bp\s?:?\s?(\d{2,3})[,;]? (?:bp|rr|t)\b"
)
_BREATHS = re.compile(
    r"\b(?:respiratory rate|resp(?:iration)? rate|respirations?|breathing(?:\srate)?|breaths?|rr|resps?)(?![a-z])"
    rf"{_SAYS}(\d{{2,3}})\b(?:\s?(?:/\s?min|breaths?)?(?:\s?(?:a|per)\s?min(?:ute)?)?){_NOT_COUNT}"
)
_BREATHS_A_MINUTE = re.compile(
    r"\b(\d{2,3})\s(?:breaths|times) (?:a|per) min(?:ute)?\b|\bbreathing (\d{2,3}) (?:a|per) min(?:ute)?\b"
)
_GLUCOSE = re.compile(
    rf"\b(?:blood\s?sugars?|sugars?|glucose|bgl?|bm|bsl|cbg|libre|dexcom)(?![a-z]){_SAYS}(\d{{1,4}}(?:[.,]\d{{1,2}})?)\b"
    rf"\s?(mmols?(?:\s?/\s?l)?|mg\s?/\s?dl)?{_NOT_COUNT}"
)
_GLUCOSE_UNIT = re.compile(r"\b(\d{1,4}(?:[.,]\d{1,2})?)\s?(mmols?\s?/\s?l|mmols?|mg\s?/\s?dl)\b")
_PREGNANCY = re.compile(
    rf"\b({_COUNT})\s?(?:\+\s?\d\s?)?-?\s?({_WEEKS}|months?)\s?(?:and \d days?\s?)?(?:pregnant|preg\b|along|gone\b"
    r"|gestation|into (?:my|the|her) pregnancy|of pregnancy)"
    r"|\b(?:pregnant|pregnancy|gestation)\b[\s,(]{0,2}(?:is |at |now |of |by |about |around ){0,2}"
    rf"({_COUNT})\s?({_WEEKS}|months?)\b(?!\s?ago)"
    r"|(?<![\d/])\b([1-3]\d|4[0-2])\s?/\s?40\b|\b([1-3]\d|4[0-2])\s?\+\s?[0-6]\b"
    r"|\bi(?:'?m| am) (?:now |only |about |just )?(\d{1,2})\s?(?:weeks|wks)\b"
    r"(?!\s?(?:old|post|out|since|after|into|off))"
)
_BARE_WEEKS = re.compile(
    rf"(?:^|[.,;!\n]\s?|\bi'?m |\bi am |\bshe'?s |\bshe is |\bonly |\bnow |\bat |\bg\dp\d )({_COUNT})\s?({_WEEKS})\b"
    r"(?!\s?(?:ago|old|post|since|after|of\b))"
)
_EXPECTING = re.compile(
    r"\b(?:pregnan\w*|the baby|baby (?:move|kick|isn|is ?n|hasn|not|has)|waters|contraction|fetal|foetal|midwife|bump"
    r"|due date|trimester|womb|bleeding|antenatal|g\dp\d|feel (?:the|my) baby|palms|tummy has gone)"
)
_MAY_EXPECT = re.compile(
    r"\b(?:bled|bleeds?|leak\w*|fluid|gush\w*|bp|blood pressure|headache|puffed|swollen|swelling"
    r"|under (?:my|her|the) ribs)\b"
)
_LEAST_UNNAMED_WEEKS = 16
"""From so many weeks on a pregnancy is meant where what is told goes with one."""
_AGE = re.compile(
    rf"\b({_COUNT})\s?-?\s?(years?|yrs?|y|months?|mths?|mo|m|weeks?|wks?|w|days?|d)\s?-?\s?"
    r"(?:old\b|of age\b|/?\.?o\b\.?)"
)
_NOT_YEARS = (
    rf"(?!\s?(?:{_TIME}\b|%|kg|cm|mg|/|\+|percent|st\b|miles|km|times|st[oa]ne|and a|lbs?|degrees|on\b|now off|[.,]\d))"
)
_AGED = re.compile(
    r"\b(?:aged?|age is|i'?m|i am|he'?s|she'?s|he is|she is|who is|i turned|turned|just turned|nearly|almost)\s?:?\s?"
    rf"(\d{{1,3}}|(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(list(_ONES)[:9])})\b)?)\b{_NOT_YEARS}"
)
_AGE_SEX = re.compile(r"(?<![\d.,/])\b(\d{1,3})\s?(?:y/?o?\s?)?(?:f|m)\b(?![./'])")
_HAS_AGE = re.compile(
    r"\b(?:baby|son|daughter|boy|girl|child|kid|toddler|mum|mom|dad|mother|father|gran\w*|nan|he|she|little one"
    rf"|husband|wife|partner|newborn|infant)\s(?:is|was|'s)\s(?:only |just |now |about |nearly )?({_COUNT})\b"
    rf"(?:\s?({_TIME})\b)?(?!\s?(?:%|kg|/|{_TIME}|weeks? pregnant|months? pregnant|degrees))"
)
_DURATION = re.compile(
    r"\b(?:for|since|over|past|last|x|within|after|in)(?:\s|(?<=x))(?:the\s)?(?:last\s|past\s|about\s|around\s|over\s|nearly\s)?"
    rf"({_COUNT}|a|an|couple of|a couple of)\s({_TIME})\b"
    rf"|\b({_COUNT}|a|an)\s({_TIME})\s(?:ago|now|history)\b"
    r"|(?<![\d/])\b(\d{1,2})\s?/\s?(7|52|12|24)\b(?!\s?/)"
    rf"|(?<=[a-z] )({_COUNT})\s((?:days|weeks|months|years))(?=\s?(?:[,.;]|$))"
    rf"|\b(a|last|past|{_COUNT})\s(fortnights?)\b"
    r"|(?<=[a-z] )\d{1,2}\s?-\s?(\d{1,2})\s?((?:days|weeks|months|years)\b)(?! old)"
)
_SYSTOLIC = re.compile(
    rf"\b(?:blood pressure|bp|systolic)(?![a-z]){_SAYS}(\d{{2,3}})\b(?!\s?(?:/|over|on)\s?\d){_NOT_COUNT}"
)
_SYSTOLIC_DIASTOLIC = re.compile(
    rf"\bsystolic(?![a-z]){_SAYS}(\d{{2,3}})\W{{1,3}}(?:and\s)?(?:the\s)?diastolic\b{_SAYS}(\d{{2,3}})\b"
)
_KETONES = re.compile(rf"\bketones?(?![a-z]){_SAYS}(\d{{1,2}}(?:[.,]\d)?)\b(?:\s?mmols?(?:\s?/\s?l)?)?{_NOT_COUNT}")
_MEDICINE = (
    r"paracetamols?|acetaminophen|tylenols?|panadols?|ibuprofens?|advils?|nurofens?|aspirins?|codeines?|co-codamols?"
    r"|tramadols?|antidepressants?|sleeping (?:pills|tablets)|painkillers?|sertralines?|fluoxetines?|amitriptylines?"
    r"|diazepams?|valiums?|xanax|oxycodones?|morphines?|metformins?|iron|propranolols?|digoxin"
)
_TABLETS = re.compile(
    rf"\b({_COUNT})\s(?:x\s?)?"
    r"(?:of\s|more\s|extra\s|strength\s|strong\s|my\s|his\s|her\s|the\s|these\s|\d{1,4}\s?m?c?g\s){0,4}"
    rf"(?:(?:{_MEDICINE})\b(?:\s(?:tablets?|pills?|capsules?))?|(?:\w+\s)?(?:tablets?|pills?|capsules?|tabs|caplets?)\b)"
)
_POUNDS = r"(kgs?|kilos?|lbs?|pounds|stones?|st)"
_WEIGHT = re.compile(
    r"\b(?:weigh\w*|weight|dropped|drop|went|gone|lost|fell|fallen|down|gained|up|shrunk)\b(?: \w+){0,3}? from "
    rf"(\d{{1,3}}(?:[.,]\d)?)\s?{_POUNDS}?(?: down| up)? to (\d{{1,3}}(?:[.,]\d)?)\b(?:\s?{_POUNDS}\b)?"
)
_WEIGHTS = {"k": ("kg", 2, 300), "l": ("lb", 5, 700), "p": ("lb", 5, 700), "s": ("stone", 2, 50)}
_YEARS_OF = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}
_UNITS = {
    "mi": "minutes", "h": "hours", "d": "days", "w": "weeks", "mo": "months", "y": "years", "7": "days",
    "52": "weeks", "12": "months", "24": "hours",
}  # fmt: skip

_WARM = re.compile(r"(?<![\d.,])(?:2[6-9]|3\d|4[0-4]|8\d|9\d|1[01]\d)(?!\d)")
_DIGITS = re.compile(r"\d+")
_P = re.compile(r"\bp\s?:?\s?\d")
_PAIR = re.compile(r"\d\s?(?:/|over|on)")
_HUNDRED, _MOST_HUNDREDS = 100, 10
_LEAST_SPELT = 20
_SPELT_WORD = rf"(?:{'|'.join((*_TENS, *reversed(_ONES)))}|zero|oh|hundred)"
_SPELT_NUMBER = rf"{_SPELT_WORD}(?:(?: and|-|) ?{_SPELT_WORD}\b)*(?: point(?: {_SPELT_WORD}\b)+)?"
_SPELT_VALUE = re.compile(
    r"\b(?:temperature|temp|fever|pulse|heart ?rate|hr|sats?|saturations?|oxygen|bp|pressure|sugars?|glucose"
    r"|respiratory rate|breathing rate)"
    r"(?: (?:is|was|of|at|now|about|around|reads|says|reading|currently|up|to|just|only|a|as|high|low)\b)*"
    rf" (?:a )?({_SPELT_NUMBER})\b(?! {_TIME}\b)(?: over ({_SPELT_NUMBER})\b)?"
    rf"|\b({_SPELT_NUMBER})(?= (?:degrees|celsius|fahrenheit|on (?:the|my|our) (?:\w+ )?thermometer))"
)
"""A value in words behind the name of its quantity: temp thirty nine point four, pressure one forty over ninety."""

Stretches = Sequence[tuple[int, int]]
Reader = Callable[[str, Stretches], Iterator[Measurement]]

UNMASKED = frozenset({"age", "duration", "tablets", "weeks of pregnancy"})
"""Quantities whose words matter to the sentence they stand in."""


def measure(leveled: str) -> tuple[str, list[Measurement]]:
    """The measurements of a text that `words.level` gave, in order, and the text with `#` and blanks over those that
    stand for a symptom; ages, durations and tablets stay, since their words matter to the sentence."""
    if not _NUMBER.search(leveled):
        return leveled, []
    written, in_text = _in_digits(leveled)
    taken = [in_text(found) for found in _measured(written)]
    masked = leveled
    for found in taken:
        if found.quantity not in UNMASKED:
            masked = masked[: found.start] + MEASURED + " " * (found.end - found.start - 1) + masked[found.end :]
    return masked, taken


def _measured(leveled: str) -> list[Measurement]:
    taken: list[Measurement] = []
    for places, back, ahead, read in _READERS:
        for found in read(leveled, _stretches(leveled, places(leveled), back, ahead)):
            if all(found.end <= other.start or found.start >= other.end for other in taken):
                taken.append(found)
    return sorted(taken, key=lambda found: found.start)


def _in_digits(leveled: str) -> tuple[str, Callable[[Measurement], Measurement]]:
    """The text with values that are told in words as digits, and the way back: a measurement of it, at its place in
    the text."""
    numbers = [
        (*match.span(group), value)
        for match in _SPELT_VALUE.finditer(leveled)
        for group in (1, 2, 3)
        if match[group] and ((value := _spelt(match[group])) >= _LEAST_SPELT or " point " in match[group])
    ]
    if not numbers:
        return leveled, lambda found: found
    written, starts, ends, after = "", list[int](), list[int](), 0
    for start, end, value in numbers:
        digits = f"{value:g}"
        written += leveled[after:start] + digits
        starts += [*range(after, start), *[start] * len(digits)]
        ends += [*range(after, start), *[end - 1] * len(digits)]
        after = end
    starts += range(after, len(leveled))
    ends += range(after, len(leveled))
    return written + leveled[after:], lambda found: replace(
        found, start=starts[found.start], end=ends[found.end - 1] + 1
    )


def _spelt(number: str) -> float:
    """`thirty nine point four`, `thirty nine four`, `one hundred and forty`, `one forty`."""
    whole, _, decimals = number.partition(" point ")
    value, digits = 0, [_SPELT.get(word, 0) for word in decimals.split()]
    for word in whole.replace("-", " ").split():
        more = _SPELT.get(word, 0)
        if word == "hundred":
            value = (value or 1) * _HUNDRED
        elif value % 10 and more < 10:
            digits += [more] * (word != "and")
        else:
            value = value * (_HUNDRED if value < _MOST_HUNDREDS and more >= 10 else 1) + more
    return float(f"{value}.{''.join(map(str, digits)) or 0}")


def shown(found: Measurement, age: float | None) -> tuple[tuple[str, bool], ...]:
    """The symptoms that a value shows (True) or rules out (False) at that age in years.

    Fever from 38.0 °C (100.4 °F), high from 39.4 °C (103 °F), none from 35 to 37.4 °C; pressure high from 140/90 mm Hg,
    low below 90 systolic; glucose low below 4 and high from 11.1 mmol/L; oxygen low below 92 %; pulse slow below 50;
    fast pulse and breathing above the bounds of the age, those under 5 from NICE NG143.
    """
    value = found.value
    match found.quantity:
        case "temperature":
            return _fever(found.celsius)
        case "blood pressure":
            if value < 90:
                return (("low blood pressure", True),)
            return (("high blood pressure", True),) if value >= 140 or (found.second or 0) >= 90 else ()
        case "pulse":
            fast = next((most for years, most in _FAST_PULSE if age is not None and age < years), 100)
            slow = (("slow heart rate", True),) if value < 50 else ()
            return (("rapid heart rate", True),) if value > fast else slow
        case "breathing rate":
            fast = next((most for years, most in _FAST_BREATHING if age is not None and age < years), 24)
            return (("fast breathing", True),) if value > fast else ()
        case "glucose":
            low = (("low blood sugar", True),) if found.mmol < 4 else ()
            return (("diabetes", True),) if found.mmol >= 11.1 else low
        case "oxygen saturation":
            return (("low oxygen", True),) if value < 92 else ()
        case "weight":
            return (("weight loss" if (found.second or 0) < value else "weight gain", True),)
        case "weeks of pregnancy":
            return (("pregnancy", True),)
        case _:
            return ()


_FAST_PULSE = ((1.0, 160), (2.0, 150), (5.0, 140), (12.0, 120))
_FAST_BREATHING = ((0.5, 60), (1.0, 50), (5.0, 40), (12.0, 30))
_NUMBER = re.compile(rf"\d|\b(?:{'|'.join((*_ONES, *_TENS))})\b|\ba (?:couple|fortnight|{_TIME})\b|\ban hour\b")


def _fever(celsius: float) -> tuple[tuple[str, bool], ...]:
    if celsius >= 39.4:
        return (("high fever", True),)
    if celsius >= 37.95:
        return (("fever", True),)
    if celsius < 35:
        return (("low body temperature", True),)
    return (("fever", False),) if celsius < 37.5 else ()


@remembered
def _amount(written: str) -> float:
    """`38,6`, `six`, `twenty-five`."""
    if written[0].isdigit():
        return float(written.replace(",", "."))
    tens, _, ones = written.replace("-", " ").partition(" ")
    return float(_SPELT.get(written, _SPELT.get(tens, 0) + _SPELT.get(ones, 0)))


def _told_temperatures(text: str, stretches: Stretches) -> Iterator[Measurement]:
    """Temperatures that fell or rose to a value, with a half, and in Fahrenheit without the unit."""
    for match in _each(text, stretches, _FROM_TO):
        if _WHO_MAY_BE_HOT.search(text):
            yield Measurement("temperature", float(f"{match[2]}.{match[3] or 0}"), "C", match.start(), match.end())
    for match in _each(text, stretches, _HALF):
        yield Measurement("temperature", float(match[1]) + 0.5, "C", match.start(1), match.end())
    for match in _each(text, stretches, _DECIMAL_F):
        another = _OF_ANOTHER_KIND.search(text, max(0, match.start() - 40), match.start())
        if _WHO_MAY_BE_HOT.search(text) and not another:
            yield Measurement("temperature", float(f"{match[1]}.{match[2]}"), "F", match.start(), match.end())


def _temperatures(text: str, stretches: Stretches) -> Iterator[Measurement]:
    yield from _told_temperatures(text, stretches)
    named = list(_each(text, stretches, _TEMPERATURE))
    for match in named:
        value = float(f"{match[1]}.{match[2] or 0}")
        if not _NOT_BODY.match(text, match.end()):
            yield Measurement("temperature", value, "F" if value >= 80 else "C", match.start(), match.end())
    for match in _each(text, stretches, _BEFORE_FEVER):
        yield Measurement("temperature", float(f"{match[1]}.{match[2] or 0}"), "C", match.start(), match.end())
    for match in _each(text, stretches, _DECIMAL):
        value = float(f"{match[1]}.{match[2]}")
        if (named or value >= 38) and not _OF_ANOTHER_KIND.search(text, max(0, match.start() - 40), match.start()):
            yield Measurement("temperature", value, "C", match.start(), match.end())
    for pattern, unit, (low, high) in ((_CELSIUS, "C", (37.5, 42.5)), (_FAHRENHEIT, "F", (99.0, 108.0))):
        for match in _each(text, stretches, pattern):
            value = float(f"{match[1]}.{match[2] or 0}")
            bare = match[3].startswith("deg")
            if _NOT_BODY.match(text, match.end()) or (bare and not low <= value <= high and not match[2]):
                continue
            yield Measurement("temperature", value, unit, match.start(), match.end())


def _stretches(text: str, places: Iterable[int], back: int, ahead: int) -> Stretches:
    """What lies around places that are in order, each stretch up to the end of a word."""
    found: list[tuple[int, int]] = []
    for place in places:
        end = text.find(" ", place + ahead)
        end = len(text) if end < 0 else end
        if found and place - back <= found[-1][1]:
            found[-1] = found[-1][0], end
        else:
            found.append((max(0, place - back), end))
    return found


def _of_words(*words: str) -> Callable[[str], list[int]]:
    def places(text: str) -> list[int]:
        found = []
        for word in words:
            at = text.find(word)
            while at >= 0:
                found.append(at)
                at = text.find(word, at + 1)
        return sorted(found)

    return places


def _of(pattern: re.Pattern[str]) -> Callable[[str], list[int]]:
    return lambda text: [match.start() for match in pattern.finditer(text)]


def _each(text: str, stretches: Stretches, *patterns: re.Pattern[str]) -> Iterator[re.Match[str]]:
    for pattern in patterns:
        for start, end in stretches:
            yield from pattern.finditer(text, start, end)


def _pressures(text: str, stretches: Stretches) -> Iterator[Measurement]:
    for match in _each(text, stretches, _PRESSURE):
        systolic, diastolic = int(match[1]), int(match[2])
        named = not match[0][0].isdigit()
        if 30 <= diastolic < systolic <= 300 and systolic >= (50 if named else 70):
            yield Measurement("blood pressure", systolic, "mmHg", match.start(), match.end(), second=diastolic)


def _both_pressures(text: str, stretches: Stretches) -> Iterator[Measurement]:
    for match in _each(text, stretches, _SYSTOLIC_DIASTOLIC):
        systolic, diastolic = int(match[1]), int(match[2])
        if 30 <= diastolic < systolic <= 300:
            yield Measurement("blood pressure", systolic, "mmHg", match.start(), match.end(), second=diastolic)


def _simple(patterns: tuple[re.Pattern[str], ...], quantity: Quantity, unit: str, low: float, high: float) -> Reader:
    def read(text: str, stretches: Stretches) -> Iterator[Measurement]:
        for match in _each(text, stretches, *patterns):
            value = _amount(next(group for group in match.groups() if group))
            if low <= value <= high:
                yield Measurement(quantity, value, unit, match.start(), match.end())

    return read


def _glucoses(text: str, stretches: Stretches) -> Iterator[Measurement]:
    for match in _each(text, stretches, _GLUCOSE, _GLUCOSE_UNIT):
        value = _amount(match[1])
        unit = ("mg/dL" if match[2].startswith("mg") else "mmol/L") if match[2] else ""
        unit = unit or ("mg/dL" if value >= 36 else "mmol/L")
        if 0.5 <= value <= (2000 if unit == "mg/dL" else 110):
            yield Measurement("glucose", value, unit, match.start(), match.end())


def _pregnancies(text: str, stretches: Stretches) -> Iterator[Measurement]:
    matches = list(_each(text, stretches, _PREGNANCY))
    told = bool(matches)
    matches = matches or list(_each(text, stretches, _BARE_WEEKS))
    named = bool(matches) and (told or _EXPECTING.search(text) is not None)
    if not named and (not matches or not _MAY_EXPECT.search(text)):
        return
    for match in matches:
        groups = [group for group in match.groups() if group]
        weeks = _amount(groups[0])
        if not named and weeks < _LEAST_UNNAMED_WEEKS:
            continue
        if len(groups) > 1 and groups[1].startswith("month"):
            weeks *= 52 / 12
        if 1 <= weeks <= 43:
            place = next(number for number, group in enumerate(match.groups(), 1) if group)
            start = match.start() if match[0][0].isalnum() else match.start(place)
            yield Measurement("weeks of pregnancy", round(weeks, 1), "weeks", start, match.end())


def _ages(text: str, stretches: Stretches) -> Iterator[Measurement]:
    for match in _each(text, stretches, _AGE):
        unit = _UNITS["mo" if match[2][0] == "m" else match[2][0]]
        yield Measurement("age", _amount(match[1]), unit, match.start(), match.end())
    for match in _each(text, stretches, _AGE_SEX):
        yield Measurement("age", float(match[1]), "years", match.start(), match.end())
    for match in _each(text, stretches, _AGED):
        yield Measurement("age", _amount(match[1]), "years", match.start(), match.end())
    for match in _HAS_AGE.finditer(text):
        unit = _UNITS[match[2][:2] if match[2][0] == "m" else match[2][0]] if match[2] else "years"
        yield Measurement("age", _amount(match[1]), unit, match.start(1), match.end())


def _weights(text: str, stretches: Stretches) -> Iterator[Measurement]:
    for match in _each(text, stretches, _WEIGHT):
        before, now, unit = _amount(match[1]), _amount(match[3]), match[2] or match[4]
        name, low, high = _WEIGHTS[unit[0]] if unit else ("", 0, 0)
        if low <= min(before, now) < max(before, now) <= high:
            yield Measurement("weight", before, name, match.start(1), match.end(), second=now)


def _durations(text: str, stretches: Stretches) -> Iterator[Measurement]:
    for match in _each(text, stretches, _DURATION):
        amount, unit = [group for group in match.groups() if group][:2]
        name = next((name for start, name in _UNITS.items() if unit.startswith(start)), "weeks")
        value = 2.0 if "couple" in amount else 1.0 if amount in ("last", "past") else _amount(amount)
        if unit.startswith("fortnight"):
            value *= 2
        yield Measurement("duration", value, name, match.start(), match.end())


def _tablets(text: str, stretches: Stretches) -> Iterator[Measurement]:
    for match in _each(text, stretches, _TABLETS):
        yield Measurement("tablets", _amount(match[1]), None, match.start(), match.end())


def years(found: Measurement) -> float:
    """An age in years."""
    return found.value * _YEARS_OF[(found.unit or "y")[0]]


_MEDICINES = [word.removesuffix("s") for word in re.findall(r"[a-z]{4,}", _MEDICINE)]
_FAR, _PHRASE, _BEHIND = 120, 60, 40
"""Characters before the place that a reader looks around and behind it: where a name comes first, up to its number."""
_READERS: tuple[tuple[Callable[[str], list[int]], int, int, Reader], ...] = (
    (_of(_WARM), _FAR, _BEHIND, _temperatures),
    (_of_words("week", "wk", "preg", "along", "gone", "gest", "40", "+"), _PHRASE, _PHRASE, _pregnancies),
    (_of(_PAIR), _FAR, _BEHIND, _pressures),
    (_of_words("diastolic"), _FAR, _BEHIND, _both_pressures),
    (_of_words("pressure", "bp", "systolic"), _BEHIND, _FAR, _simple((_SYSTOLIC,), "blood pressure", "mmHg", 50, 300)),
    (
        _of_words("o2", "sat", "oxygen", "oximeter", "ox ", "finger"), _BEHIND, _FAR,
        _simple((_SATURATION, _SATURATED), "oxygen saturation", "%", 40, 100),
    ),
    (
        lambda text: sorted((*_of(_P)(text), *_of_words("pulse", "heart", "hr", "bpm", "beats", "puls")(text))),
        _BEHIND, _FAR,
        _simple((_PULSE, _BEATS), "pulse", "/min", 20, 300),
    ),
    (
        _of_words("resp", "breath", "rr", "minute"), _BEHIND, _FAR,
        _simple((_BREATHS_A_MINUTE, _BREATHS), "breathing rate", "/min", 4, 120),
    ),
    (_of_words("ketone"), 0, _FAR, _simple((_KETONES,), "ketones", "mmol/L", 0, 30)),
    (
        _of_words("sugar", "glucose", "bg", "bm", "bsl", "mmol", "mg", "libre", "dexcom"), _BEHIND, _FAR, _glucoses,
    ),
    (_of_words("from "), _BEHIND, _BEHIND, _weights),
    (_of_words("tablet", "pill", "capsule", "tabs", "caplet", *_MEDICINES), _FAR, _BEHIND, _tablets),
    (lambda text: sorted((*_of(_DIGITS)(text), *_of_words("old", "age", "ty")(text))), _BEHIND, _BEHIND, _ages),
    (
        _of_words("min", "hour", "hr", "day", "week", "wk", "month", "year", "yr", "/", "fortnight"), _PHRASE, _BEHIND,
        _durations,
    ),
)  # fmt: skip
