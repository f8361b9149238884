"""MLServer: adaptive batching, one parallel worker a core with one thread each; pictures come as base64 in JSON."""

import numpy as np
from common import open_session, probabilities, tensor_of
from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Skin(MLModel):
    async def load(self) -> bool:
        self.session = open_session(threads=1)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        pictures = Base64Codec.decode_input(payload.inputs[0])
        answers = probabilities(self.session, np.stack([tensor_of(each) for each in pictures]))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probabilities", answers)])
