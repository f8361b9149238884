"""The files of cases are whole, unambiguous and split as the README says; nothing here asks the service."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FILES = sorted(path.name for path in HERE.glob("*.jsonl"))
HALVES = [name for name in FILES if name.endswith(("_first.jsonl", "_second.jsonl"))]
LEVELS = ["self_care", "routine", "soon", "urgent", "emergency"]


def rows_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def test_ids_are_unique_over_all_files() -> None:
    identifiers = [row["id"] for name in FILES for row in rows_of(name)]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize("name", HALVES)
def test_each_row_stands_in_the_half_that_its_id_says(name: str) -> None:
    odd = name.endswith("_second.jsonl")
    misplaced = [row["id"] for row in rows_of(name) if hashlib.sha256(row["id"].encode()).digest()[0] % 2 != odd]
    assert misplaced == []


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("triage_")])
def test_a_triage_case_says_whom_and_how_urgent(name: str) -> None:
    for row in rows_of(name):
        assert bool(row.get("text")) != bool(row.get("symptoms")), row["id"]
        assert row["kind"], row["id"]
        assert row["sex"] in ("male", "female", None), row["id"]
        assert row["age"] is None or 0 <= row["age"] < 110, row["id"]
        least, most = row["least"], row["most"] or "emergency"
        assert LEVELS.index(least) <= LEVELS.index(most), row["id"]


def test_no_text_of_a_case_stands_twice() -> None:
    halves = [row for name in FILES if name.startswith("triage_") for row in rows_of(name)]
    texts = [row.get("text") or ", ".join(row["symptoms"]) for row in halves]
    assert len(texts) == len({text.lower() for text in texts})


def test_harmless_texts_differ_in_more_than_a_word() -> None:
    texts = [row["text"].lower() for row in rows_of("harmless.jsonl")]
    bags = [frozenset(re.findall(r"[a-z0-9']+", text)) for text in texts]
    assert len(bags) == 1000
    assert len(set(bags)) == len(bags)


def test_every_danger_has_three_texts_that_fire_and_three_that_do_not() -> None:
    for row in rows_of("red_flag_pairs.jsonl"):
        assert len(set(row["fires"])) >= 3, row["id"]
        assert len(set(row["silent"]) - set(row["fires"])) >= 3, row["id"]


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("sentences_")])
def test_a_sentence_says_something_and_never_the_same_thing_twice(name: str) -> None:
    for row in rows_of(name):
        marked = row["present"] + row["absent"] + row["not_now"]
        assert marked or row["measurements"], row["id"]
        assert len(marked) == len(set(marked)), row["id"]


def test_a_typing_error_stands_in_the_words_and_never_in_their_number() -> None:
    rows = rows_of("typing_errors.jsonl")
    assert len({row["clean"] for row in rows}) == 200
    for row in rows:
        clean, typed = row["clean"].split(), row["typed"].split()
        assert len(clean) == len(typed), row["id"]
        assert clean != typed, row["id"]
