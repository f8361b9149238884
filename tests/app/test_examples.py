"""The examples of the OpenAPI document are what the service answers."""

import json
from typing import Any

import pytest

from app.openapi import EXAMPLES_FILE
from tests.examples import take
from tests.golden.asking import differences


@pytest.mark.anyio
async def test_the_service_answers_the_examples_of_the_document() -> None:
    kept: dict[str, Any] = json.loads(EXAMPLES_FILE.read_text(encoding="utf-8"))
    assert differences(kept, await take(), "examples") == [], "run `make openapi`"
