"""What a client of the Open Inference Protocol, version 2, sends to /v2/models/{name}/infer.

KServe, "Open Inference Protocol (V2)", https://github.com/kserve/open-inference-protocol, and NVIDIA's extension for
binary tensors, https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_binary_data.html.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_Name = Annotated[str, Field(max_length=64)]
Parameters = dict[str, bool | int | float | str]


class _Sent(BaseModel):
    """The protocol lets clients send more than a server knows."""

    model_config = ConfigDict(extra="ignore")


class SentTensor(_Sent):
    """A tensor: its elements as `data`, flat or nested, or `binary_data_size` bytes behind the JSON."""

    name: _Name
    shape: tuple[Annotated[int, Field(ge=0)], ...] = Field(max_length=8)
    datatype: _Name
    parameters: Parameters = {}
    data: list[Any] | None = None


class WantedTensor(_Sent):
    """An output to be answered, as bytes where `parameters` say `binary_data`."""

    name: _Name
    parameters: Parameters = {}


class TensorRequest(_Sent):
    """Tensors to be computed; `outputs` chooses among what the network gives."""

    id: Annotated[str, Field(max_length=128)] | None = None
    inputs: tuple[SentTensor, ...] = Field(min_length=1, max_length=1)
    outputs: tuple[WantedTensor, ...] = Field(default=(), max_length=16)
    parameters: Parameters = {}
