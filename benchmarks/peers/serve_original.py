"""The original's way: Flask, and Keras' model.predict in the route, one picture at a time."""

import keras
import numpy as np
from common import PORT, SIZE, tensor_of
from flask import Flask, request
from keras import layers

from training.networks.backbones import build_backbone, fold_norms

backbone = fold_norms(build_backbone("efficientnet_lite0", SIZE, pretrained=False))
pooled = layers.GlobalAveragePooling2D()(backbone.output)
model = keras.Model(backbone.input, layers.Dense(7, activation="softmax")(pooled))
model.predict(np.zeros((1, SIZE, SIZE, 3), np.float32), verbose=0)
app = Flask(__name__)


@app.post("/analyze")
def analyze() -> dict[str, list[float]]:
    picture = tensor_of(request.files["image"].read())[None].astype(np.float32)
    return {"probabilities": model.predict(picture, verbose=0)[0].tolist()}


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=PORT, threaded=True)
