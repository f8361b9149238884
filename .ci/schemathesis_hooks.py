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

for kind in ("jpeg", "png", "webp", "bmp", "tiff"):
    schemathesis.openapi.media_type(f"image/{kind}", st.sampled_from(_PICTURES))


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Put a file where the document's example has the words `(the bytes of the ... file)`."""
    if isinstance(case.body, dict):
        for name, data in _OF_EXAMPLES.items():
            if str(case.body.get(name, "")).startswith("(the bytes of"):
                case.body[name] = data
