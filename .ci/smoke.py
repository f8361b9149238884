"""One real request to the service on port argv[1], with nothing but what the service's environment holds."""

import importlib.util
import io
import json
import sys
import urllib.request

from PIL import Image

for module in ("tensorflow", "keras", "pytest", "pip"):
    if importlib.util.find_spec(module) is not None:
        sys.exit(f"{module} has no business in the service's environment")

picture = io.BytesIO()
Image.radial_gradient("L").resize((640, 512)).save(picture, "JPEG")
boundary = "picture-boundary"
body = (
    (
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="chest.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    + picture.getvalue()
    + f"\r\n--{boundary}--\r\n".encode()
)
request = urllib.request.Request(
    f"http://127.0.0.1:{sys.argv[1]}/analyze/xray",
    data=body,
    headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
)
with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
    answer = json.load(response)

total = sum(each["probability"] for each in answer["probabilities"])
if not (answer["success"] and answer["prediction"]["name"] in ("Normal", "Pneumonia") and abs(total - 1) < 1e-6):
    sys.exit(f"not the answer of the contract: {answer}")
model, demo = answer["model"], answer["demo_mode"]
print(f"--- POST /analyze/xray: {response.status}, model {model['name']} {model['version']}, demo {demo}")
