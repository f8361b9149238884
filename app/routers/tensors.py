"""The Open Inference Protocol, version 2, at /v2, where the setting `tensors` is on: raw tensors in and out."""

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.dependencies import RegistryDep
from app.disconnection import while_connected
from app.errors import (
    BodyTooLargeError,
    DeadlineExceededError,
    InvalidRequestError,
    ModelNotFoundError,
    ModelUnavailableError,
    OverloadedError,
    problems,
    refuse_encoded,
)
from app.tensors import NOTE, described, read_request, tensor_of, written
from app.version import installed_version
from app.workers.together import readiness, readiness_of_all
from models.serving.bundle import Metadata
from models.serving.engine import Tensor
from schemas.common import ModelName
from schemas.tensors import TensorRequest

JSON_LENGTH = "Inference-Header-Content-Length"
_VERSION = "/versions/{version}"
_LONGEST_LENGTH = 10

router = APIRouter(prefix="/v2", tags=["service"])


async def _metadata(registry: RegistryDep, name: ModelName, version: str | None = None) -> Metadata:
    """Of a model in service. Raises `ModelNotFoundError`."""
    model = next((each for each in registry.models if each.name == name), None)
    if not model or not model.bundle:
        raise ModelNotFoundError
    if version is not None and version != model.bundle.metadata.version:
        raise ModelNotFoundError(f"That version is not in service; {model.bundle.metadata.version} is.")
    return model.bundle.metadata


MetadataDep = Annotated[Metadata, Depends(_metadata)]


@router.get("")
async def server_metadata() -> dict[str, Any]:
    """What serves here, and what of the protocol it knows."""
    return {"name": "medidiagnose-ai", "version": installed_version(), "extensions": ["binary_tensor_data"]}


@router.get("/health/live")
async def server_live() -> dict[str, bool]:
    """Answers while the event loop turns."""
    return {"live": True}


@router.get("/health/ready")
async def server_ready(request: Request, registry: RegistryDep, response: Response) -> dict[str, bool]:
    """200 where /health/ready is."""
    state = request.state
    own = readiness(registry, stopping=state.stopping, demo_mode=state.settings.demo_mode)
    ready = (await readiness_of_all(state.team, own) if state.team else own).status == "ready"
    response.status_code = 200 if ready else 503
    return {"ready": ready}


@router.get("/models/{name}" + _VERSION, include_in_schema=False)
@router.get("/models/{name}", responses=problems(ModelNotFoundError, InvalidRequestError))
async def tensors_of_a_model(metadata: MetadataDep) -> dict[str, Any]:
    """The tensors that the network of a model reads and gives."""
    return {
        "name": metadata.name,
        "versions": [metadata.version],
        "platform": "onnxruntime_onnx",
        "inputs": [described(metadata.input)],
        "outputs": [described(output) for output in metadata.outputs],
        "parameters": {"note": NOTE},
    }


@router.get("/models/{name}" + _VERSION + "/ready", include_in_schema=False)
@router.get("/models/{name}/ready", responses=problems(ModelNotFoundError, InvalidRequestError, ModelUnavailableError))
async def model_ready(metadata: MetadataDep, registry: RegistryDep) -> dict[str, Any]:
    """200 where the model computes."""
    if fault := registry.fault(metadata.name):
        raise ModelUnavailableError(fault.reason)
    return {"name": metadata.name, "ready": True}


@router.post("/models/{name}" + _VERSION + "/infer", include_in_schema=False)
@router.post(
    "/models/{name}/infer",
    response_class=Response,
    responses={
        200: {"description": "The outputs of the network.", "content": {"application/json": {}}},
        **problems(
            ModelNotFoundError,
            BodyTooLargeError,
            InvalidRequestError,
            OverloadedError,
            ModelUnavailableError,
            DeadlineExceededError,
        ),
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def infer(request: Request, metadata: MetadataDep, registry: RegistryDep) -> Response:
    """What the network computes of a tensor, and nothing else: past preprocessing, checks, refusals and readings."""
    registry.check_room(metadata.name)
    refuse_encoded(request.headers)
    body, given = await request.body(), request.headers.get(JSON_LENGTH, "")
    length = int(given) if given.isdecimal() and len(given) < _LONGEST_LENGTH else None
    asked: list[TensorRequest] = []
    computed = registry.compute(metadata.name, partial(_read, body, length, asked))
    metadata, outputs = await while_connected(request, computed)
    answer, json_length = await asyncio.to_thread(written, asked[0], metadata, outputs)
    if json_length is None:
        return Response(answer, media_type="application/json")
    return Response(answer, media_type="application/octet-stream", headers={JSON_LENGTH: str(json_length)})


def _read(body: bytes, length: int | None, asked: list[TensorRequest], metadata: Metadata) -> Tensor:
    """The tensor of a body, read on a core; what was asked is put into `asked`."""
    request, behind = read_request(body, length)
    asked.append(request)
    return tensor_of(request, behind, metadata)
