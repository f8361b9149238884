"""Multipart forms and JSON that nobody should send, and some that differ from good ones by little."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.inputs import pick
from benchmarks.inputs.bombs import LARGEST
from benchmarks.inputs.mutations import whole_files
from benchmarks.traffic import FORMS
from benchmarks.wrk import Request

_BOUNDARY = "b0undary"
_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
_AGES: Sequence[Any] = ("55", "NaN", None, True, [], {}, -1, 10**30, 55.5)
_ODD: Sequence[Any] = (
    *(None, True, -1, 0, 1e9, 1e-9, "x", "", [], {}, [[]], "55", 2**63, ["fever"] * 50, float("nan"), "\u0660"),
)
_HEART, _DISEASE = "/predict-heart", "/predict-disease"
_TEXTS = {
    "no": "no " * 25_000,
    "not but": "not but " * 10_000,
    "digits": "1" * 90_000,
    "slashes": "120/80/" * 12_000,
    "temperatures": "39.5 C " * 12_000,
    "commas": "fever," * 14_000,
    "open brackets": "(" * 90_000,
    "spaces": " " * 90_000 + "fever",
    "one word": "a" * 90_000,
    "hyphens": "chest-" * 15_000,
    "sentences": "I have chest pain. " * 4500,
    "almost words": "fevr couhg hedache ftigue " * 3400,
    "other scripts": "头痛发烧 حمى лихорадка " * 1200,
    "emoji": "\U0001f912" * 20_000,
    "line ends": "fever\n" * 14_000,
    "short and odd": "no chest pain but not not fever, temp 999999999 C, bp 1/0",
}
_OF_A_FILE = 'form-data; name="image"; filename="picture.jpg"'


def part(content: bytes, disposition: str = _OF_A_FILE, more: bytes = b"") -> bytes:
    """A part of a form."""
    return b"--%s\r\nContent-Disposition: %s\r\n%s\r\n%s\r\n" % (
        _BOUNDARY.encode(),
        disposition.encode("utf-8"),
        more,
        content,
    )


def _form(*parts: bytes, path: str = "/analyze/skin", content_type: str = _TYPE, end: bytes = b"--\r\n") -> Request:
    return Request(path, b"".join(parts) + b"--" + _BOUNDARY.encode() + end, content_type)


def _field(name: str, value: bytes = b"true") -> bytes:
    return part(value, f'form-data; name="{name}"')


def _odd_forms(picture: bytes) -> dict[str, Callable[[], Request]]:
    image = part(picture)
    return {
        "no boundary": partial(_form, image, content_type="multipart/form-data"),
        "empty boundary": partial(_form, image, content_type="multipart/form-data; boundary="),
        "another boundary": partial(_form, image, content_type="multipart/form-data; boundary=another"),
        "boundary of 60 KB": partial(_form, image, content_type="multipart/form-data; boundary=" + "b" * 60_000),
        "odd charset": partial(_form, image, content_type=_TYPE + "; charset=undefined"),
        "charset utf-7": partial(_form, image, _field("x"), content_type=_TYPE + "; charset=utf-7"),
        "no end": partial(_form, image, end=b""),
        "two images": partial(_form, image, image),
        "unknown field": partial(_form, image, _field("biopsy")),
        "misspelt field": partial(_form, image, _field("biopsy_provn"), path="/analyze/breast"),
        "biopsy as a file": partial(
            _form, image, part(b"true", 'form-data; name="biopsy_proven"; filename="a"'), path="/analyze/breast"
        ),
        "biopsy maybe": partial(_form, image, _field("biopsy_proven", b"maybe"), path="/analyze/breast"),
        "biopsy twice": partial(_form, image, _field("biopsy_proven"), _field("biopsy_proven"), path="/analyze/breast"),
    }


def _odd_parts(picture: bytes) -> dict[str, Callable[[], Request]]:
    image = part(picture)
    return {
        "file as a field": partial(_form, part(picture, 'form-data; name="image"')),
        "base64": partial(_form, part(picture, more=b"Content-Transfer-Encoding: base64\r\n")),
        "nested": partial(
            _form, part(image + b"--b0undary--", more=b"Content-Type: multipart/mixed; boundary=b0undary\r\n")
        ),
        "no disposition": partial(_form, b"--b0undary\r\n\r\n" + picture + b"\r\n"),
        "no name": partial(_form, part(picture, "form-data")),
        "empty name": partial(_form, part(picture, 'form-data; name=""; filename="a"')),
        "file name beyond ASCII": partial(
            _form, part(picture, 'form-data; name="image"; filename*=UTF-8\'\'%F0%9F%98%80; filename="\U0001f600\0"')
        ),
    }


def _large_forms(picture: bytes) -> dict[str, Callable[[], Request]]:
    image = part(picture)
    return {
        "name of a megabyte": partial(_form, part(picture, f'form-data; name="{"a" * 10**6}"; filename="a"')),
        "part header of 15 MB": partial(_form, part(picture, more=b"X: " + b"a" * (LARGEST - 20_000) + b"\r\n")),
        "part header without an end": lambda: Request(
            "/analyze/skin", b"--b0undary\r\nX: " + b"a" * (LARGEST - 20_000), _TYPE
        ),
        "million part headers": partial(_form, part(picture, more=b"X: a\r\n" * 10**6)),
        "hundred thousand parts": partial(_form, _field("a") * 10**5),
        "a million empty parts": partial(_form, b"--b0undary\r\n\r\n\r\n" * 10**6),
        "17 files": partial(_form, image * 17),
        "15 MB before it": lambda: _form(b"a" * (LARGEST - 20_000) + b"\r\n", image),
        "15 MB after it": lambda: _form(image, end=b"--\r\n" + b"a" * (LARGEST - 20_000)),
        "15 MB of almost boundaries": lambda: _form(part(b"\r\n--b0undar" * (LARGEST // 12))),
        "15 MB of line ends": lambda: _form(part(b"\r\n" * (LARGEST // 2 - 10_000))),
        "15 MB of returns": lambda: _form(part(b"\r" * (LARGEST - 10_000))),
        "only line feeds": lambda: Request("/analyze/skin", _form(image).body.replace(b"\r\n", b"\n"), _TYPE),
        "over the limit": lambda: _form(part(bytes(17 * 2**20))),
    }


def _no_forms(picture: bytes) -> dict[str, Callable[[], Request]]:
    image = part(picture)
    return {
        "one byte": lambda: Request("/analyze/skin", b"-", _TYPE),
        "nothing": lambda: Request("/analyze/skin", b"", _TYPE),
        "the picture alone": lambda: Request("/analyze/skin", picture, "image/jpeg"),
        "urlencoded": lambda: Request("/analyze/skin", b"image=a&" * 50_000, "application/x-www-form-urlencoded"),
        "JSON instead": lambda: Request("/analyze/skin", b'{"image": "/9j/4AAQ"}'),
        "compressed": lambda: Request("/analyze/skin", gzip.compress(_form(image).body), _TYPE),
        "header alone": partial(
            _form, part(b"a 12 100 1000", 'form-data; name="header"; filename="a"'), path="/analyze/heart/record"
        ),
        "thirty megapixels of field": partial(_form, image, _field("a", b"a" * 10**6)),
    }


def _multipart() -> dict[str, Callable[[], Request]]:
    picture = whole_files()[0]
    return {**_odd_forms(picture), **_odd_parts(picture), **_large_forms(picture), **_no_forms(picture)}


def _heart_with(**values: Any) -> Request:
    return Request(_HEART, json.dumps({**FORMS[_HEART], **values}).encode())


def _heart_text(text: str) -> Request:
    return Request(_HEART, json.dumps(FORMS[_HEART]).replace("55", text, 1).encode())


def _symptoms(value: Any) -> Request:
    return Request(_DISEASE, json.dumps({"symptoms": value}, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _told(text: str) -> Request:
    return Request(_DISEASE, json.dumps({"symptoms": [], "text": text}, ensure_ascii=False).encode("utf-8"))


def _body(content: bytes, path: str = _DISEASE, content_type: str = "application/json") -> Request:
    return Request(path, content, content_type)


def _large_documents() -> dict[str, Callable[[], Request]]:
    return {
        "symptom of 15 MB": lambda: _symptoms(["a" * LARGEST]),
        "symptom of 90 KB": lambda: _symptoms(["a" * 90_000]),
        "million keys": lambda: _body(json.dumps({f"k{n}": 0 for n in range(10**6)}).encode()),
        "million symptoms": lambda: _symptoms(["ab"] * 10**6),
        "20,000 symptoms": lambda: _symptoms(["fever"] * 10_000 + ["fevre"] * 10_000),
        "8,000 keys": lambda: _body(json.dumps({f"k{n}": 0 for n in range(8000)}).encode()),
        "nested 100,000 lists": lambda: _body(b"[" * 100_000),
        "nested 40,000 lists, closed": lambda: _body(b"[" * 40_000 + b"]" * 40_000),
        "nested 15,000 objects": lambda: _body(b'{"a":' * 15_000 + b"1" + b"}" * 15_000, _HEART),
        "nested symptoms": lambda: _body(b'{"symptoms":' + b"[" * 900 + b"]" * 900 + b"}"),
        "numbers of 90 KB": lambda: _heart_text("9" * 90_000),
    }


def _odd_values() -> dict[str, Callable[[], Request]]:
    return {
        "number of 5,000 digits": lambda: _heart_text("9" * 5000),
        "fraction of 5,000 digits": lambda: _heart_text("55." + "0" * 5000 + "1"),
        "1e400": lambda: _heart_text("1e400"),
        "-0.0": lambda: _heart_text("-0.0"),
        "1e-400": lambda: _heart_text("1e-400"),
        **{f"bare {word}": partial(_heart_text, word) for word in ("NaN", "Infinity", "-Infinity", "0x37", "055", "")},
        **{f"age {value}": partial(_heart_with, age=value) for value in _AGES},
        "sex of a kind": partial(_heart_with, sex="MALE\0"),
        "unknown key": partial(_heart_with, agee=55),
        "doubled keys": lambda: _body(b'{"symptoms": ["fever"], "symptoms": ["cough"]}'),
        "bad UTF-8": lambda: _body(b'{"symptoms": ["\xff\xfe"]}'),
        "cut UTF-8": lambda: _body(b'{"symptoms": ["\xc3"]}'),
        "lone surrogate": lambda: _symptoms(["\ud800"]),
        "escaped surrogate": lambda: _body(b'{"symptoms": ["\\ud800\\udfff\\ud800"]}'),
        "NUL": lambda: _symptoms(["fe\0ver", "\u202efever", "\u200bfever"]),
        "combining": lambda: _symptoms(["e\u0301" * 60, "\ufdfa" * 60]),
        "UTF-16": lambda: _body('{"symptoms": ["fever"]}'.encode("utf-16")),
        "byte order mark": lambda: _body(b"\xef\xbb\xbf" + b'{"symptoms": ["fever"]}'),
    }


def _odd_documents() -> dict[str, Callable[[], Request]]:
    return {
        "empty": lambda: _body(b""),
        "null": lambda: _body(b"null"),
        "a list": lambda: _body(b"[]"),
        "a number": lambda: _body(b"1", _HEART),
        "no end": lambda: _body(b'{"symptoms": ["fever"'),
        "comments": lambda: _body(b'/* */ {"symptoms": ["fever"]} // '),
        "two objects": lambda: _body(b'{"symptoms": ["fever"]}' * 2),
        "spaces of 15 MB": lambda: _body(b" " * LARGEST),
        "text/plain": lambda: _body(b'{"symptoms": ["fever"]}', content_type="text/plain"),
        "form": lambda: _body(b"symptoms=fever", content_type="application/x-www-form-urlencoded"),
        "no type": lambda: _body(b'{"symptoms": ["fever"]}', content_type=""),
        "odd charset": lambda: _body(b'{"symptoms": ["fever"]}', content_type="application/json; charset=utf-7"),
        "XML": lambda: _body(b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>', content_type="text/xml"),
        "compressed": lambda: _body(gzip.compress(b'{"symptoms": ["fever"]}')),
        "compressed bomb": lambda: _body(gzip.compress(bytes(10**8))),
        "empty symptoms": lambda: _symptoms([]),
        "symptoms of other types": lambda: _symptoms([1, None, {}, [], "fever"]),
        "symptoms as text": lambda: _symptoms("fever"),
    }


def _texts() -> dict[str, Callable[[], Request]]:
    made: dict[str, Callable[[], Request]] = {}
    for name, text in _TEXTS.items():
        made[f"text of {name}"] = partial(_told, text)
        made[f"short text of {name}"] = partial(_told, text[:1900])
    return made


def _json() -> dict[str, Callable[[], Request]]:
    return {**_large_documents(), **_odd_values(), **_odd_documents(), **_texts()}


BODIES: Mapping[str, Callable[[], Request]] = {
    **{f"multipart {name}": make for name, make in _multipart().items()},
    **{f"JSON {name}": make for name, make in _json().items()},
}
"""Each form and JSON body by its name; those named `compressed` are sent as gzip."""


def damaged(rng: np.random.Generator) -> tuple[str, Request]:
    """A valid form, as JSON, with bytes changed, a piece lost, or a value of another type; and what was done."""
    path = pick(rng, tuple(FORMS))
    values = dict(FORMS[path])
    kind = pick(rng, ("flipped", "cut", "value", "key lost", "key changed"))
    key = pick(rng, tuple(values))
    if kind == "value":
        values[key] = pick(rng, _ODD)
    elif kind == "key lost":
        del values[key]
    elif kind == "key changed":
        values[key + "s"] = values.pop(key)
    content = bytearray(json.dumps(values).encode())
    place = int(rng.integers(len(content)))
    if kind == "flipped":
        content[place] ^= 1 << int(rng.integers(8))
    elif kind == "cut":
        del content[place : place + int(rng.integers(1, 20))]
    return kind, Request(path, bytes(content))


def damaged_form(rng: np.random.Generator, picture: bytes) -> tuple[str, Request]:
    """A valid multipart form with bytes changed or lost, most of them around the file; and what was done."""
    content = bytearray(_form(part(picture)).body)
    kind = pick(rng, ("flipped", "cut", "truncated", "doubled"))
    reach = 120 if rng.random() < 0.7 else len(content)
    place = int(rng.integers(reach))
    match kind:
        case "flipped":
            content[place] ^= 1 << int(rng.integers(8))
        case "cut":
            del content[place : place + int(rng.integers(1, 40))]
        case "truncated":
            del content[len(content) - place :]
        case "doubled":
            content[place:place] = content[: int(rng.integers(1, 200))]
    return kind, Request("/analyze/skin", bytes(content), _TYPE)
