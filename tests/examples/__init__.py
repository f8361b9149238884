"""The examples of the OpenAPI document: real answers, of a service with the models that ship, to its own samples.

`python -m tests.examples` asks for them anew and writes app/examples.json; `tests/app/test_examples.py` compares.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from app.settings import Settings
from models.samples import FORM, SAMPLES, SYMPTOMS, Sample
from schemas.common import REQUEST_ID_EXAMPLE
from tests.app.test_own_pictures import ADMIN_KEY, make_own_bundle
from tests.service import serving

_OF_SAMPLES: Mapping[str, str] = {
    "skin": "SkinAnswer",
    "ecg-sheet": "HeartAnswer",
    "ecg-record": "HeartAnswer",
    "breast": "BreastAnswer",
    "xray": "XrayAnswer",
    "symptoms": "DiseaseAnswer",
    "heart-risk": "HeartRiskAnswer",
}
_OF_PATHS: Mapping[str, str] = {
    "/": "ApiInfo",
    "/health": "Health",
    "/health/live": "Liveness",
    "/health/ready": "Readiness",
    "/models": "ModelList",
    "/samples": "SampleList",
    "/symptoms": "SymptomList",
    "/problems": "ProblemTypeList",
    "/problems/no-image": "ProblemType",
}

Examples = dict[str, list[dict[str, Any]]]
"""Of each schema of the document, whole bodies."""


async def take() -> Examples:
    """Ask for every example."""
    found: Examples = {"DiseaseRequest": [dict(SYMPTOMS)], "HeartRiskRequest": [dict(FORM)]}
    async with serving(bundles=Settings().bundles, admin_key=ADMIN_KEY) as client:
        for sample in SAMPLES:
            answer = (await client.post(sample.path, **body_of(sample))).json()
            found.setdefault(_OF_SAMPLES[sample.name], []).append(answer)
        for path, schema in _OF_PATHS.items():
            found[schema] = [_first((await client.get(path)).json())]
        found["ReloadReport"] = [(await client.post("/admin/reload", headers={"X-API-Key": ADMIN_KEY})).json()]
    found["Health"][0]["tensorflow"] = False  # which the environment of the tests may hold
    async with _with_own_pictures() as client:
        skin = next(sample for sample in SAMPLES if sample.name == "skin")
        found["PictureAnswer"] = [(await client.post("/analyze/retina", **body_of(skin))).json()]
    for answers in found.values():
        for answer in answers:
            if "request_id" in answer:
                answer["request_id"] = REQUEST_ID_EXAMPLE
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def body_of(sample: Sample) -> dict[str, Any]:
    """The request that sends a sample, as keywords of httpx."""
    parts = {file.field: (file.name, file.content(), file.media_type) for file in sample.files if file.field}
    return {"files": parts} if parts else {"json": json.loads(sample.files[0].content())}


def _first(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with the first of the models alone, since all of them would fill pages."""
    return {**answer, "models": answer["models"][:1]} if isinstance(answer.get("models"), list) else answer


@asynccontextmanager
async def _with_own_pictures() -> AsyncIterator[httpx.AsyncClient]:
    with TemporaryDirectory() as folder:
        make_own_bundle(Path(folder))
        async with serving(bundles=Path(folder)) as client:
            yield client
