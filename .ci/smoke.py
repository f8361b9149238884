"""One real request to the service on port argv[1], with nothing but what the service's environment holds.

argv[2] says what must answer: `trained` where the sources hold a chest model, else `demo`.
"""

import importlib.util
import io
import json
import sys
import urllib.request

from PIL import Image

port, expected = sys.argv[1:]

for module in ("tensorflow", "keras", "pytest", "pip"):
    if importlib.util.find_spec(module) is not None:
        sys.exit(f"{module} has no business in the service's environment")

picture = io.BytesIO()
Image.radial_gradient("L").resize((640, 512)).save(picture, "JPEG")
boundary = b"picture-boundary"
body = b"\r\n".join(
    [
        b"--" + boundary,
        b'Content-Disposition: form-data; name="image"; filename="chest.jpg"',
        b"Content-Type: image/jpeg",
        b"",
        picture.getvalue(),
        b"--" + boundary + b"--",
        b"",
    ]
)
request = urllib.request.Request(
    f"http://127.0.0.1:{port}/analyze/xray",
    data=body,
    headers={"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"},
)
with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
    answer = json.load(response)

total = sum(each["probability"] for each in answer["probabilities"])
if not (answer["success"] and answer["prediction"]["name"] in ("Normal", "Pneumonia") and abs(total - 1) < 1e-3):
    sys.exit(f"not the answer of the contract: {answer}")
if answer["demo_mode"] != (expected == "demo"):
    sys.exit(f"expected the {expected} model, got {answer['model']}")
print(f"--- POST /analyze/xray: {response.status}, model {answer['model']}")
