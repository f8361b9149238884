"""Hook of mkdocs: pages that are files elsewhere (model cards, security, changes), and links that lead out of docs/."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
_PAGES = {"security.md": ROOT / "SECURITY.md", "changelog.md": ROOT / "CHANGELOG.md"}


def _cards() -> dict[str, Path]:
    """The card of the newest version of each model, by its page."""
    folders = sorted(path for path in (ROOT / "models/bundles").iterdir() if path.is_dir())
    return {f"cards/{folder.name}.md": max(folder.glob("*/card.md"), key=_version) for folder in folders}


def _version(card: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in card.parent.name.split("."))


def on_config(config: Any) -> Any:
    """List the cards."""
    config.nav.append({"Model cards": [{Path(page).stem: page} for page in _cards()]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are files elsewhere."""
    for page, source in {**_PAGES, **_cards()}.items():
        files.append(File.generated(config, page, content=source.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead to the pages of the site what leads to files of the repository."""
    for page, source in _PAGES.items():
        markdown = markdown.replace(f"](../{source.name}", f"]({page}")
    return re.sub(r"\]\(docs/", "](", markdown)
