"""Make models/diagnoses/disease/danger_sentences.npz: how alike a text is to sentences that tell of a danger.

    python -m training.danger_sentences --run runs/danger_sentences

The sentences (training/datasets/danger_sentences) are read as the service reads them. What is reported is measured with
each voice held out as a whole; the scores from which a text counts are those that the harmless texts held out allow.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from models.diagnoses.disease import findings, red_flags
from models.diagnoses.disease.knowledge import red_flag_knowledge
from models.diagnoses.disease.likeness import BUCKETS, FEWEST, KIND_BUCKETS, MODEL, bucket, pieces, spelt

log = logging.getLogger(__name__)

SENTENCES = Path(__file__).with_name("datasets") / "danger_sentences"
SURE, DOUBT = 0.03, 0.05
"""Shares of harmless texts, mostly near misses, of voices held out, that may be alike to a danger, and a little."""
_C = 10.0
_SHORT = 4
_HARMLESS, _UNNAMED = "", "unnamed"


class Sentence(NamedTuple):
    """A text, its kind of danger (empty: harmless), and whose voice it is."""

    text: str
    kind: str
    voice: str


@dataclass(frozen=True, slots=True)
class Table:
    """Of each text its pieces, (texts, buckets), for a danger at all and for its kind; whether it tells of a danger,
    which, in whose voice, and whether the rules raise an emergency by themselves."""

    danger: csr_matrix
    kinds: csr_matrix
    is_danger: NDArray[np.bool_]
    kind: NDArray[np.str_]
    voice: NDArray[np.str_]
    raised: NDArray[np.bool_]


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/danger_sentences"), help="where the file is written")
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    sentences = load()
    table = tabulate([*sentences, *mixed(sentences)])
    save(table, held_out(table), options.run / MODEL.name)


def load(folder: Path = SENTENCES) -> list[Sentence]:
    """All texts of a folder. Raises `KeyError` where a kind has no rule."""
    rules = read_yaml(folder / "kinds.yaml")
    found = []
    for file in sorted(folder.glob("*/*.yaml")):
        for kind, lines in read_yaml(file).items():
            if file.parent.name == "dangers":
                rules[kind]
            name = kind if file.parent.name == "dangers" else _HARMLESS
            found += [Sentence(line, name, file.stem) for line in lines.splitlines()]
    return found + _of_rules({rule: kind for kind, rule in rules.items()})


def mixed(sentences: Sequence[Sentence], seed: int = 1) -> list[Sentence]:
    """Each text once more with words before or behind it that say nothing of danger, every other with a slip."""
    drawn = np.random.default_rng(seed)
    said = read_yaml(SENTENCES / "mixing.yaml")
    openers, closers = said["openers"].splitlines(), said["closers"].splitlines()
    found = []
    for sentence in sentences:
        text = sentence.text if drawn.random() < 0.5 else _with_slip(sentence.text, drawn)
        if drawn.random() < 0.6:
            text = f"{openers[drawn.integers(len(openers))]} {text}"
        if drawn.random() < 0.6:
            closer = closers[drawn.integers(len(closers))]
            text = f"{text}{closer}" if closer[0] in ".," else f"{text} {closer}"
        found.append(sentence._replace(text=text))
    return found


def _with_slip(text: str, drawn: np.random.Generator) -> str:
    """A text with two neighbouring letters of one longer word swapped."""
    words = text.split(" ")
    long = [at for at, word in enumerate(words) if len(word) > _SHORT and word.isalpha()]
    if long:
        at = long[drawn.integers(len(long))]
        place = int(drawn.integers(1, len(words[at]) - 2))
        word = words[at]
        words[at] = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return " ".join(words)


def _of_rules(kinds: Mapping[str, str]) -> list[Sentence]:
    """The texts that raise the rules for emergencies, and those that must raise none."""
    found = []
    for rule in red_flag_knowledge().rules:
        if rule.urgency == "emergency":
            found += [Sentence(text, kinds.get(rule.name, _UNNAMED), "rules") for text in rule.fires]
        found += [Sentence(text, _HARMLESS, "rules") for text in rule.silent]
    return found


def read_yaml(file: Path) -> dict[str, str]:
    """The keys of a file with their texts."""
    found: dict[str, str] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def tabulate(sentences: Sequence[Sentence]) -> Table:
    """The pieces of each text, as the service finds them."""
    rows, raised = [], []
    for sentence in sentences:
        found = findings.read((), sentence.text)
        heard = red_flags.hear(found, found.patient, sentence.text)
        text = pieces(heard, found.spans, len(sentence.text))
        norm = max(sum(text.counts), FEWEST) ** -0.5
        rows.append([(part, w * share * norm) for _, key, w in text.pieces for part, share in spelt(key)])
        dangers = red_flags.raised(found, found.patient, sentence.text, heard)
        raised.append(any(each.rule.urgency == "emergency" for each in dangers))
    return Table(
        danger=_matrix(rows, BUCKETS),
        kinds=_matrix(rows, KIND_BUCKETS),
        is_danger=np.array([each.kind != _HARMLESS for each in sentences]),
        kind=np.array([each.kind for each in sentences]),
        voice=np.array([each.voice for each in sentences]),
        raised=np.array(raised),
    )


def _matrix(rows: Sequence[Sequence[tuple[str, float]]], buckets: int) -> csr_matrix:
    places = [bucket(part, buckets) for row in rows for part, _ in row]
    values = [weight for row in rows for _, weight in row]
    ends = np.cumsum([0, *map(len, rows)])
    matrix = csr_matrix((values, places, ends), shape=(len(rows), buckets))
    matrix.sum_duplicates()
    return matrix


def _fit(pieces_of: csr_matrix, is_it: NDArray[np.bool_], *, bias: bool = True) -> LogisticRegression:
    return LogisticRegression(C=_C, solver="liblinear", fit_intercept=bias).fit(pieces_of, is_it)


def held_out(table: Table) -> NDArray[np.float64]:
    """(texts,): the score of each text by a classifier that has not seen its voice; logs what it reaches."""
    scores = np.zeros(len(table.kind))
    for voice in np.unique(table.voice):
        held = table.voice == voice
        scores[held] = _fit(table.danger[~held], table.is_danger[~held]).decision_function(table.danger[held])
    danger, missed = table.is_danger, table.is_danger & ~table.raised
    log.info("%d dangers, %d harmless; the rules raise an emergency in %.3f and %.3f", danger.sum(), (~danger).sum(),
             table.raised[danger].mean(), table.raised[~danger].mean())  # fmt: skip
    for share in (0.005, 0.01, SURE, DOUBT):
        limit = allowing(scores[~danger], share)
        log.info("%.3f of harmless texts: %.3f of dangers, %.3f of those that the rules miss; with the rules %.3f",
                 share, (scores[danger] >= limit).mean(), (scores[missed] >= limit).mean(),
                 ((scores >= limit) | table.raised)[danger].mean())  # fmt: skip
    return scores


def allowing(harmless: NDArray[np.float64], share: float) -> float:
    """The score from which at most that share of harmless texts counts."""
    ordered = np.sort(harmless)[::-1]
    return float(np.nextafter(ordered[int(share * len(ordered))], np.inf))


def save(table: Table, scores: NDArray[np.float64], file: Path, rules: Mapping[str, str] | None = None) -> None:
    """Train on all voices and write the file that is served; log what its checksum is."""
    rules = rules or read_yaml(SENTENCES / "kinds.yaml")
    danger = _fit(table.danger, table.is_danger)
    told = table.is_danger & (table.kind != _UNNAMED)
    kinds = [kind for kind in rules if kind in set(table.kind)]
    fitted = [_fit(table.kinds[told], table.kind[told] == kind, bias=False).coef_[0] for kind in kinds]
    weights = np.stack(fitted, axis=1)
    scale = (np.abs(weights).max(axis=0) / 127).astype(np.float32)
    right = (table.kinds[told] @ weights).argmax(axis=1) == [kinds.index(kind) for kind in table.kind[told]]
    log.info("kind right in %.3f of the dangers learnt from", right.mean())
    arrays: dict[str, Any] = {
        "danger": danger.coef_[0].astype(np.float16),
        "danger_bias": np.float32(danger.intercept_[0]),
        "kinds": np.round(weights / scale).astype(np.int8),
        "kind_scale": scale,
        "rules": np.array([rules[kind] for kind in kinds]),
        "sure": np.float32(allowing(scores[~table.is_danger], SURE)),
        "doubt": np.float32(allowing(scores[~table.is_danger], DOUBT)),
    }
    np.savez_compressed(file, **arrays)
    log.info("%s: %d bytes, SHA-256 %s", file, file.stat().st_size, sha256(file.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
