"""NVIDIA's client of the Open Inference Protocol against a service whose setting `tensors` is on, at the URL given."""

import sys
from urllib.parse import urlsplit

import numpy as np
import tritonclient.http as triton


def main() -> None:
    client = triton.InferenceServerClient(urlsplit(sys.argv[1]).netloc)
    _expect(client.is_server_live() and client.is_server_ready(), "the server is ready")
    for name in ("skin", "heart_risk"):
        _compute(client, name)


def _compute(client: triton.InferenceServerClient, name: str) -> None:
    """A batch as bytes, as JSON, and with all outputs: the same probabilities; one of another shape is refused."""
    _expect(client.is_model_ready(name), f"{name} is ready")
    told = client.get_model_metadata(name)
    (version,), (tensor,) = told["versions"], told["inputs"]
    rng, shape = np.random.default_rng(0), [2, *tensor["shape"][1:]]
    batch = rng.integers(0, 256, shape, np.uint8) if tensor["datatype"] == "UINT8" else rng.random(shape, np.float32)
    answers = []
    for binary in (True, False):
        sent = triton.InferInput(tensor["name"], shape, tensor["datatype"])
        sent.set_data_from_numpy(batch, binary_data=binary)
        wanted = triton.InferRequestedOutput("probabilities", binary_data=binary)
        answer = client.infer(name, [sent], model_version=version, request_id="7", outputs=[wanted])
        told = answer.get_response()
        _expect((told["id"], told["model_version"]) == ("7", version), "the answer says whose it is")
        answers.append(answer.as_numpy("probabilities"))
    answers.append(client.infer(name, [sent]).as_numpy("probabilities"))
    _expect(np.allclose(answers[0].sum(axis=1), 1, atol=1e-5), "probabilities add up")
    _expect(all(np.allclose(answers[0], other, atol=1e-5) for other in answers), "bytes and JSON say the same")
    wrong = triton.InferInput(tensor["name"], [1], tensor["datatype"]).set_data_from_numpy(batch.ravel()[:1])
    try:
        client.infer(name, [wrong])
    except triton.InferenceServerException as error:
        _expect("Invalid request" in str(error), "the refusal is told")
    else:
        _expect(False, "a tensor of another shape is refused")
    sys.stdout.write(f"tritonclient: {name} {version}, as bytes and as JSON\n")


def _expect(true: bool, what: str) -> None:
    if not true:
        sys.exit(f"tritonclient: not so: {what}")


if __name__ == "__main__":
    main()
