"""Write the examples of the OpenAPI document anew: `python -m tests.examples`."""

import asyncio
import json

from app.openapi import EXAMPLES_FILE
from tests.examples import take

if __name__ == "__main__":
    EXAMPLES_FILE.write_text(f"{json.dumps(asyncio.run(take()), indent=1, ensure_ascii=False)}\n", encoding="utf-8")
