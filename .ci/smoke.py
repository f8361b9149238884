"""One real request of every diagnosis to the service on port argv[1], with nothing but what its environment holds.

The other arguments are the names of the models that the sources hold: those must answer, demo samples for the others.
"""

import importlib.util
import io
import json
import sys
import urllib.request
from typing import Any

import numpy as np
from PIL import Image

from models.diagnoses.catalogue import DIAGNOSES
from models.preprocessing.ecg_record import LEADS

BOUNDARY = "file-boundary"


def multipart(**files: bytes) -> tuple[bytes, str]:
    """A form with these files, and its content type."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'.encode() + content
        for name, content in files.items()
    ]
    body = b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={BOUNDARY}"


def picture() -> tuple[bytes, str]:
    """A JPEG of a bright disc."""
    file = io.BytesIO()
    Image.radial_gradient("L").resize((640, 512)).save(file, "JPEG")
    return multipart(image=file.getvalue())


def record() -> tuple[bytes, str]:
    """Ten seconds of twelve leads, each with spikes of its own height once a second."""
    spikes = np.zeros((1000, len(LEADS)), "<i2")
    spikes[50::100] = np.arange(400, 400 + 100 * len(LEADS), 100)
    header = "\n".join(["smoke 12 100 1000", *(f"smoke.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS)])
    return multipart(header=header.encode(), signal=spikes.tobytes())


def ask(path: str, body: bytes | None = None, content_type: str = "application/json") -> Any:
    """The answer to a request."""
    request = urllib.request.Request(url + path, data=body, headers={"Content-Type": content_type})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        return json.load(response)


def form(path: str) -> tuple[bytes, str]:
    """The example that the OpenAPI document gives."""
    operation = document["paths"][path]["post"]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    example = document["components"]["schemas"][reference.rsplit("/", 1)[1]]["examples"][0]
    return json.dumps(example).encode(), "application/json"


for module in ("tensorflow", "keras", "pytest", "pip"):
    if importlib.util.find_spec(module) is not None:
        sys.exit(f"{module} has no business in the service's environment")

url, trained = f"http://127.0.0.1:{sys.argv[1]}", sys.argv[2:]
document = ask("/openapi.json")
for diagnosis in DIAGNOSES:
    match diagnosis.reads.subject:
        case "picture":
            sent = picture()
        case "record":
            sent = record()
        case _:
            sent = form(diagnosis.path)
    answer = ask(diagnosis.path, *sent)
    if not (answer["success"] and answer["prediction"] and answer["model"]["name"] == diagnosis.name):
        sys.exit(f"not the answer of the contract: {answer}")
    if answer["demo_mode"] == (diagnosis.name in trained):
        sys.exit(f"{diagnosis.path} was answered by {answer['model']}; trained are {', '.join(trained) or 'none'}")
    print(f"--- POST {diagnosis.path}: model {answer['model']}")
