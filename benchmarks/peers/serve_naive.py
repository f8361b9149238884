"""FastAPI as in many tutorials: the network is called in the route, on the event loop."""

import uvicorn
from common import PORT, open_session, probabilities, tensor_of
from fastapi import FastAPI, UploadFile

app = FastAPI()
session = open_session()


@app.post("/analyze")
async def analyze(image: UploadFile) -> dict[str, list[float]]:
    return {"probabilities": probabilities(session, tensor_of(await image.read())[None])[0].tolist()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
