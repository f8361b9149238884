"""What became of an input in one value a column, for tables."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.errors import ServiceError
    from app.from_files import ReadFile

COLUMNS = (
    *("accepted", "code", "name", "probability", "settled", "color", "timeline", "alerts", "reason"),
    *("model", "version", "error"),
)


def sentence_of(error: "ServiceError | None") -> str | None:
    """What went wrong, as a sentence or two; None where nothing did."""
    return f"{error.title}. {error.detail}" if error else None


def row_of(read: "ReadFile") -> dict[str, Any]:
    """A value for each of `COLUMNS`, None where there is none; `alerts` is a list."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    if read.answer is None:
        return {**row, "alerts": [], "error": sentence_of(read.error)}
    answer, named = read.answer, read.answer["prediction"]
    urgency = answer.get("urgency") or {}
    return {
        **row,
        "accepted": answer["reliability"]["accepted"],
        "code": named["code"],
        "name": named.get("name") or named.get("disease") or named.get("condition"),
        "probability": named.get("confidence", named.get("probability")),
        "settled": named["settled"],
        "color": urgency.get("color"),
        "timeline": urgency.get("timeline"),
        "alerts": [each["name"] for each in (*answer["alerts"], *answer.get("red_flags", ()))],
        "reason": answer["reliability"]["reason"],
        "model": answer["model"]["name"],
        "version": answer["model"]["version"],
    }
