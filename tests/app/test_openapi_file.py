"""openapi.json, from which clients are made, is the document that the service has."""

import json
from pathlib import Path

from app.commands.openapi import shipped_document

FILE = Path(__file__).parents[2] / "openapi.json"


def test_the_committed_document_is_the_services() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == shipped_document(), "run `make openapi`"
