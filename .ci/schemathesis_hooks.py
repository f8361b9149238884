"""Loaded by schemathesis: the files that its valid requests carry, since no schema describes the bytes of a picture."""

import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, HookContext

_FILES = Path(os.environ["MADE_UP_FILES"])
_PICTURES = [path.read_bytes() for path in sorted(_FILES.glob("picture-*"))]
_OF_EXAMPLES = {"image": _PICTURES[0], **{name: (_FILES / name).read_bytes() for name in ("header", "signal")}}
_OWN = "/analyze/{name}"
_SHIPPED = ("skin", "heart", "breast", "xray")

for kind in ("jpeg", "png", "webp", "bmp", "tiff"):
    schemathesis.openapi.media_type(f"image/{kind}", st.sampled_from(_PICTURES))


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Put a file where the document's example has the words `(the bytes of the ... file)`, and another name where one's
    own diagnosis has that of a shipped one, which another operation answers."""
    if case.operation.path == _OWN and case.path_parameters.get("name") in _SHIPPED:
        case.path_parameters["name"] = "none_of_that_name"
    if isinstance(case.body, dict):
        for name, data in _OF_EXAMPLES.items():
            if str(case.body.get(name, "")).startswith("(the bytes of"):
                case.body[name] = data
