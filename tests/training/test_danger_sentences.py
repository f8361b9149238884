"""Sentences that tell of a danger: what they are, and that what is served is what was learnt."""

import numpy as np

from models.diagnoses.disease import findings, likeness, red_flags
from models.diagnoses.disease.likeness import KIND_BUCKETS
from tests.documents import written
from training import danger_sentences
from training.danger_sentences import SENTENCES, allowing, held_out, load, mixed, read_yaml, save, tabulate


def test_every_kind_is_told_in_several_voices_and_no_text_is_both_dangerous_and_harmless() -> None:
    sentences = load()
    kinds = {each.kind for each in sentences} - {"", "unnamed"}
    assert kinds == set(read_yaml(SENTENCES / "kinds.yaml"))
    assert all(len({each.voice for each in sentences if each.kind == kind}) >= 4 for kind in kinds)
    told = {each.text for each in sentences if each.kind}
    assert not told & {each.text for each in sentences if not each.kind}


def test_mixed_in_words_change_no_kind() -> None:
    sentences = load()[:40]
    again = mixed(sentences)
    assert [(each.kind, each.voice) for each in again] == [(each.kind, each.voice) for each in sentences]
    assert mixed(sentences) == again
    assert any(each.text != before.text for each, before in zip(again, sentences, strict=True))


def test_the_limit_lets_no_more_than_the_share_through() -> None:
    scores = np.arange(100, dtype=np.float64)
    assert (scores >= allowing(scores, 0.03)).sum() == 3


def test_the_served_score_is_the_learnt_one(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    sentences = [each for each in load() if each.kind in ("", "stroke", "burn") and each.voice in ("adults", "young")]
    table = tabulate(sentences)
    file = tmp_path / "danger_sentences.npz"
    rules = {"stroke": "Possible stroke", "burn": "Severe burn"}
    save(table, held_out(table), file, rules)
    with np.load(file) as kept:
        assert kept["kinds"].shape == (KIND_BUCKETS, 2)
        learnt = table.danger @ kept["danger"].astype(np.float32) + kept["danger_bias"]
        known = likeness.Weights(
            kept["danger"].tolist(), float(kept["danger_bias"]),
            kept["kinds"] * kept["kind_scale"], tuple(kept["rules"].tolist()), -99.0, -99.0,
        )  # fmt: skip
    monkeypatch.setattr(likeness, "weights", lambda: known)
    monkeypatch.setattr(likeness, "_of_danger", likeness._danger_of)
    for sentence, expected in zip(sentences[:60], learnt[:60], strict=True):
        found = findings.read((), sentence.text)
        heard = red_flags.hear(found, found.patient, sentence.text)
        served = likeness.likeness(heard, found.spans, len(sentence.text))
        if (
            served is not None
            and len({piece.sentence for piece in likeness.pieces(heard, found.spans, 999).pieces}) == 1
        ):
            assert abs(served.score - expected) < 1e-3


def test_the_command_of_the_text_writes_what_is_served(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    some = [each for each in load() if each.kind in ("", "stroke", "burn") and each.voice in ("adults", "young")]
    monkeypatch.setattr(danger_sentences, "load", lambda: some[::4])
    asked = written("python -m training.danger_sentences")
    monkeypatch.setattr("sys.argv", ["danger_sentences", *asked, "--run", str(tmp_path)])
    danger_sentences.main()
    with np.load(tmp_path / likeness.MODEL.name) as kept:
        assert sorted(kept["rules"].tolist()) == ["Possible stroke", "Severe burn"]
