"""What free text and lists of symptoms are answered with, by kind of case, through the service's own path in-process.

`python -m benchmarks.triage` prints every part over its sets; `--part sentences` one of them. `--failures` lists
the cases behind a figure.
The cases are described in tests/cases/README.md; further files of triage cases are named by `--cases`.
"""

import argparse
import asyncio
import json
import math
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.main import create_app
from models.diagnoses.disease.findings import read
from models.diagnoses.disease.knowledge import disease_knowledge
from models.diagnoses.disease.reading import Measurement
from models.diagnoses.disease.vocabulary import vocabulary

CASES = Path(__file__).parents[1] / "tests" / "cases"
LEVELS = ("refused", "self_care", "routine", "soon", "urgent", "emergency")
"""From mild to grave; a request refused tells nobody to act."""
Row = Mapping[str, Any]
Verdict = Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request was answered with: the level, the three likeliest diseases, the names of red flags."""

    level: str
    diseases: tuple[str, ...] = ()
    red_flags: tuple[str, ...] = ()


class Service:
    """The application in this process."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._levels = {said.value.timeline: level for level, said in disease_knowledge().urgencies.items()}

    async def ask(self, row: Row) -> Answer:
        """Answer a row's text or list. Raises `RuntimeError` for a status other than 200 and 422."""
        body = {name: row[name] for name in ("text", "symptoms", "age", "sex") if row.get(name) is not None}
        response = await self._client.post("/predict-disease", json=body)
        if response.status_code == 422:
            return Answer("refused")
        if response.status_code != 200:
            raise RuntimeError(f"{row.get('id', body)}: {response.status_code}: {response.text}")
        said = response.json()
        return Answer(
            self._levels[said["urgency"]["timeline"]],
            tuple(ranked["disease"] for ranked in said["top_predictions"][:3]),
            tuple(flag["name"] for flag in said["red_flags"]),
        )


def main() -> None:
    options = _parser().parse_args()
    asyncio.run(measure(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure how symptoms are read and triaged.")
    parser.add_argument("--part", choices=PARTS, help="only that part")
    parser.add_argument("--failures", action="store_true", help="list the cases that count against a figure")
    parser.add_argument("--cases", type=Path, nargs="*", default=(), help="further files of triage cases")
    return parser


async def measure(options: argparse.Namespace) -> None:
    """Print the tables that the options ask for."""
    async with running() as service:
        for part in [options.part] if options.part else PARTS:
            names = [f"{part}_{each}" for each in SETS[part]] if part in SETS else [part]
            files = [CASES / f"{name}.jsonl" for name in names]
            for file in [*files, *options.cases] if part == "triage" else files:
                _print(f"{part}, {file.name}", await judge(part, service, rows(file)), options)


@asynccontextmanager
async def running() -> AsyncIterator[Service]:
    """The service with the bundles that ship, its models loaded."""
    app = create_app()
    async with app.router.lifespan_context(app) as state:
        await (state or {})["registry"].load()

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(app=with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
            yield Service(client)


def rows(file: Path) -> list[dict[str, Any]]:
    """The cases of a file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True, slots=True)
class Judged:
    """One case: its kind, what held of it, and what to show where something did not."""

    kind: str
    held: Verdict
    shown: str


async def triage(service: Service, row: Row) -> AsyncIterator[Judged]:
    """Safe: at least as urgent as `least`, self-care also where the request was refused. Over: graver than `most`."""
    answer = await service.ask(row)
    place, most = LEVELS.index(answer.level), row["most"] or "emergency"
    held = {
        "safe": place >= LEVELS.index(row["least"]) or row["least"] == "self_care",
        "not over": place <= LEVELS.index(most),
        "answered": answer.level != "refused",
    }
    if row["right"]:
        held["right in 3"] = bool({_name(name) for name in row["right"]} & {_name(name) for name in answer.diseases})
    said = f"{row['id']}: {row['least']}..{most}, got {answer.level} {answer.red_flags} {answer.diseases}"
    yield Judged(row.get("kind", "all"), held, f"{said}; right {row['right']}: {_told(row)}")


async def sentences(_: Service, row: Row) -> AsyncIterator[Judged]:
    """Right: what is there is present, nothing else of what is named is, and each measurement has its value."""
    found = read([], row["text"])
    measured = [_of_reader(item) for item in found.measurements]
    missing = [name for name in row["present"] if not _any_of(name, found.present)]
    wrong = [name for name in (*row["absent"], *row["not_now"]) if _any_of(name, found.present)]
    unread = [item for item in row["measurements"] if _measurement(item) not in measured]
    held = {
        "right": not missing and not wrong and not unread,
        "present": not missing,
        "absent": not wrong,
        "measured": not unread,
    }
    shown = f"{row['id']}: missing {missing} wrong {wrong} unread {unread}, found {found.present}: {row['text']}"
    yield Judged(row["kind"], held, shown)


async def typing_errors(service: Service, row: Row) -> AsyncIterator[Judged]:
    """The same: answered as urgently as the text without errors, neither being refused."""
    clean, typed = [await service.ask({"text": row[form]}) for form in ("clean", "typed")]
    held = {
        "same": clean.level == typed.level != "refused",
        "clean answered": clean.level != "refused",
        "typed answered": typed.level != "refused",
    }
    yield Judged("all", held, f"{row['id']}: {clean.level} {typed.level}: {row['clean']} / {row['typed']}")


async def harmless(service: Service, row: Row) -> AsyncIterator[Judged]:
    """A text of which nothing is an emergency."""
    answer = await service.ask(row)
    held = {
        "no emergency": answer.level != "emergency",
        "not urgent": LEVELS.index(answer.level) < LEVELS.index("urgent"),
        "answered": answer.level != "refused",
    }
    yield Judged("all", held, f"{row['id']}: {answer.level} {answer.red_flags}: {row['text']}")


async def red_flag_pairs(service: Service, row: Row) -> AsyncIterator[Judged]:
    """Texts that must raise a red flag, and near ones that must not."""
    for wanted in ("fires", "silent"):
        for text in row[wanted]:
            answer = await service.ask({"text": text})
            held = {wanted: bool(answer.red_flags) == (wanted == "fires")}
            got = f"{row['id']} wanted: {wanted}, got {answer.level} {answer.red_flags}"
            yield Judged(row["rule"], held, f"{got}: {text}")


PARTS: Mapping[str, Callable[[Service, Row], AsyncIterator[Judged]]] = {
    "triage": triage,
    "sentences": sentences,
    "typing_errors": typing_errors,
    "harmless": harmless,
    "red_flag_pairs": red_flag_pairs,
}
SETS: Mapping[str, Sequence[str]] = {
    "triage": ("first", "second", "third", "fourth", "fifth", "own_second"),
    "sentences": ("first", "second", "third", "fourth", "fifth", "own_first", "own_second"),
}
"""The parts whose cases stand in several files, and these."""


async def judge(part: str, service: Service, cases: Iterable[Row]) -> list[Judged]:
    """What held of each case of a part."""
    return [judged for row in cases async for judged in PARTS[part](service, row)]


def _print(title: str, judged: Sequence[Judged], options: argparse.Namespace) -> None:
    print(f"== {title}: {len(judged)} cases")
    columns = list(dict.fromkeys(name for case in judged for name in case.held))
    by_kind: dict[str, list[Judged]] = defaultdict(list)
    for case in judged:
        by_kind[case.kind].append(case)
    kinds = [] if len(by_kind) == 1 else sorted(by_kind.items())
    print(f"{'':24}" + "".join(f"{name:>30}" for name in columns))
    for kind, cases in (*kinds, ("all", list(judged))):
        print(f"{kind:24}" + "".join(f"{_share(name, cases):>30}" for name in columns))
    if options.failures:
        for name in columns:
            print(f"-- not {name}")
            for case in judged:
                if case.held.get(name) is False:
                    print(f"   {case.shown}")
    print(flush=True)


def _share(name: str, cases: Sequence[Judged]) -> str:
    counted = [case.held[name] for case in cases if name in case.held]
    if not counted:
        return "-"
    low, high = wilson(sum(counted), len(counted))
    return f"{sum(counted)}/{len(counted)} {sum(counted) / len(counted):.3f} [{low:.3f}, {high:.3f}]"


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share after Wilson (JASA 22:209-212, 1927)."""
    z = 1.959964
    share = hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return middle - half, middle + half


def _told(row: Row) -> str:
    return str(row.get("text") or row["symptoms"])


def _name(disease: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", re.sub(r"\([^)]*\)", "", disease.lower()))


def _any_of(name: str, present: Iterable[str]) -> bool:
    """Whether a symptom of that plain name is among those present, itself or a narrower one."""
    words = vocabulary()
    meant = set(read([name]).present)
    return any(bool(meant & (words.wider[symptom] | {symptom})) for symptom in present)


def _measurement(item: Row) -> tuple[str, str, str]:
    value = item["value"]
    return item["name"], value if isinstance(value, str) else f"{float(value):g}", item["unit"] or ""


def _of_reader(found: Measurement) -> tuple[str, str, str]:
    second = "" if found.second is None else f"/{found.second:g}"
    return found.quantity, f"{found.value:g}{second}", found.unit or ""


if __name__ == "__main__":
    main()
