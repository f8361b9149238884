"""Write the golden answers anew: `python -m tests.golden`."""

import asyncio
import json

from app.settings import Settings
from tests.golden import requests
from tests.golden.asking import ask
from tests.service import serving


async def write() -> None:
    """Ask a service with the shipped models and keep what it answers."""
    async with serving(bundles=Settings().bundles) as client:
        for request in requests():
            answer = await ask(client, request)
            request.file.write_text(f"{json.dumps(answer, indent=1, ensure_ascii=False)}\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(write())
