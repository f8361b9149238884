"""Raw tensors as the Open Inference Protocol writes them: read for a network, and written as it answers."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.errors import BodyTooLargeError, InvalidRequestError, shown
from app.json_requests import parse
from models.serving.bundle import Metadata, TensorSpec
from models.serving.engine import Outputs, Tensor
from schemas.common import FieldProblem
from schemas.tensors import SentTensor, TensorRequest

NOTE = "Raw tensors: nothing was prepared, checked or refused. They are no reading; tell nobody anything by them."
DATATYPES: Mapping[str, str] = {"uint8": "UINT8", "float": "FP32"}
MOST_ROWS = 64
LONGEST_JSON = 2 << 20
"""Bytes: reading JSON holds the interpreter. A picture of 224 x 224 takes 0.6 MB so, and 0.15 as bytes."""
_LARGEST = 1e6
"""Of a float: beyond whatever a network learned from, so that none overflows."""


def described(spec: TensorSpec) -> dict[str, Any]:
    """A tensor in the metadata of a model."""
    shape = [-1 if edge is None else edge for edge in spec.shape]
    return {"name": spec.name, "datatype": DATATYPES[spec.dtype], "shape": shape}


def read_request(body: bytes, json_length: int | None) -> tuple[TensorRequest, memoryview]:
    """The request, and the bytes behind its JSON. Raises as `json_requests.parse` does, `BodyTooLargeError` and
    `RequestValidationError`."""
    length = len(body) if json_length is None else json_length
    if length > len(body):
        raise _refusal("The body is shorter than Inference-Header-Content-Length says.")
    if length > LONGEST_JSON:
        raise BodyTooLargeError("The JSON of tensors may have 2 MiB. Send their elements as bytes behind it.")
    try:
        return TensorRequest.model_validate(parse(body[:length])), memoryview(body)[length:]
    except ValidationError as error:
        errors = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(errors) from None


def tensor_of(request: TensorRequest, behind: memoryview, metadata: Metadata) -> Tensor:
    """The batch that a network reads. Raises `InvalidRequestError`, which shows nothing of a value."""
    sent, spec = request.inputs[0], metadata.input
    datatype = DATATYPES[spec.dtype]
    if sent.name != spec.name:
        raise _refusal(f"There is no input `{shown(sent.name)}`. The model reads `{spec.name}`.")
    if sent.datatype != datatype or sent.shape[1:] != spec.shape[1:] or not sent.shape:
        raise _refusal(f"`{spec.name}` is {datatype} of shape {described(spec)['shape']}.")
    if not 1 <= sent.shape[0] <= MOST_ROWS:
        raise _refusal(f"Send 1 to {MOST_ROWS} inputs at once.")
    values = _elements(sent, behind, np.dtype(np.uint8 if datatype == "UINT8" else np.float32))
    if not np.isfinite(values).all() or (datatype == "FP32" and np.abs(values).max() > _LARGEST):
        raise _refusal(f"Elements are finite, and at most {_LARGEST:g} in size.")
    return values.reshape(sent.shape)


def _elements(sent: SentTensor, behind: memoryview, dtype: "np.dtype[Any]") -> Tensor:
    count = int(np.prod(sent.shape))
    if "binary_data_size" in sent.parameters:
        if sent.parameters["binary_data_size"] != len(behind) or len(behind) != count * dtype.itemsize:
            raise _refusal(f"The shape needs {count * dtype.itemsize} bytes behind the JSON, no more and no fewer.")
        return np.frombuffer(behind, dtype.newbyteorder("<")).astype(dtype, copy=False)
    try:
        values = np.asarray(sent.data)
    except ValueError:  # rows of several lengths
        values = np.empty(0)
    if values.dtype.kind not in "iuf" or values.size != count:
        raise _refusal(f"The shape needs {count} numbers as `data`, flat or nested as the shape is.")
    if dtype == np.uint8 and not (values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 255):
        raise _refusal("Elements of UINT8 are whole numbers from 0 to 255.")
    return values.astype(dtype)


def written(request: TensorRequest, metadata: Metadata, outputs: Outputs) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON where bytes are behind it. Raises `InvalidRequestError`."""
    wanted = {each.name: each.parameters for each in request.outputs} or {name: {} for name in outputs}
    if unknown := [name for name in wanted if name not in outputs]:
        raise _refusal(f"There is no output `{shown(unknown[0])}`. The model gives {', '.join(outputs)}.")
    tensors, behind = [], list[bytes]()
    for name, parameters in wanted.items():
        values = np.ascontiguousarray(outputs[name], np.float32)
        tensor: dict[str, Any] = {"name": name, "datatype": "FP32", "shape": list(values.shape)}
        if parameters.get("binary_data", request.parameters.get("binary_data_output", False)):
            behind.append(values.astype("<f4", copy=False).tobytes())
            tensors.append({**tensor, "parameters": {"binary_data_size": len(behind[-1])}})
        else:
            tensors.append({**tensor, "data": values.ravel().tolist()})
    answer = {
        "model_name": metadata.name,
        "model_version": metadata.version,
        **({} if request.id is None else {"id": request.id}),
        "parameters": {"note": NOTE},
        "outputs": tensors,
    }
    head = json.dumps(answer, allow_nan=False).encode()
    return b"".join([head, *behind]), len(head) if behind else None


def _refusal(sentence: str) -> InvalidRequestError:
    return InvalidRequestError(sentence, fields=[FieldProblem(field="inputs", message=sentence)])
