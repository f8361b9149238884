"""BentoML: adaptive batching, one worker a core with one thread each.

`max_latency_ms` is when it refuses what waits: as long as the others wait, so that it refuses nothing.
"""

import bentoml
import numpy as np
from common import CORES, LARGEST_BATCH, open_session, probabilities, square
from PIL.Image import Image


@bentoml.service(workers=CORES, traffic={"timeout": 60})
class Skin:
    def __init__(self) -> None:
        self.session = open_session(threads=1)

    @bentoml.api(route="/analyze", batchable=True, max_batch_size=LARGEST_BATCH, max_latency_ms=60_000)
    def analyze(self, image: list[Image]) -> list[list[float]]:
        return probabilities(self.session, np.stack([square(each) for each in image])).tolist()
