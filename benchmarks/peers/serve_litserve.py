"""LitServe: batching, one worker a core with one thread each."""

import litserve
import numpy as np
from common import CORES, LARGEST_BATCH, PORT, WAIT_SECONDS, open_session, probabilities, tensor_of


class Skin(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.session = open_session(threads=1)

    def decode_request(self, request) -> np.ndarray:  # any annotation would make LitServe expect JSON
        return tensor_of(request["image"].file.read())

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, x: np.ndarray) -> np.ndarray:
        return probabilities(self.session, x)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return list(output)

    def encode_response(self, output: np.ndarray) -> dict[str, list[float]]:
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    api = Skin(max_batch_size=LARGEST_BATCH, batch_timeout=WAIT_SECONDS, api_path="/analyze")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=CORES, timeout=60)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="warning")
