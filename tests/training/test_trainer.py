"""Keras' loop with what it lacks: exact resumption, averages that forget their start, sizes that grow."""

import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from training import trainer
from training.errors import TrainingError
from training.recipe import LoopRecipe
from training.trainer import AveragedAdamW, Draws, Learner, Stage, averaged, fit, make_optimizer, predict_in_batches

RECIPE = LoopRecipe(
    steps=8, warmup=2, batch_size=8, learning_rate=0.1, weight_decay=0.01, averaging=0.99, validate_every=2
)
RNG = np.random.default_rng(0)
ARRAYS = {
    "x": RNG.normal(size=(40, 4)).astype(np.float32),
    "targets": np.eye(2, dtype=np.float32)[RNG.integers(0, 2, 40)],
    "weights": np.ones(40, np.float32),
}


class Noise(keras.layers.Layer):
    """Noisy inputs, so that what is random in the graph has to be resumed too."""

    def __init__(self) -> None:
        super().__init__()
        self.seed = keras.random.SeedGenerator(3)

    def call(self, batch: Any) -> tuple[Any, Any, Any]:
        noise = keras.random.normal(keras.ops.shape(batch["x"]), seed=self.seed)
        return batch["x"] + noise, batch["targets"], batch["weights"]


def loss(targets: Any, logits: Any, weights: Any) -> Any:
    return keras.losses.CategoricalCrossentropy(from_logits=True)(targets, logits, sample_weight=weights)


def make_learner(policy: str = "float32") -> Learner:
    keras.utils.set_random_seed(1)
    layers = [keras.Input((4,)), keras.layers.Dropout(0.2), keras.layers.Dense(2, dtype=policy)]
    return Learner(keras.Sequential(layers), Noise(), loss)


def stages(score: Any = lambda _: {"score": 0.0}) -> list[Stage]:
    return [Stage(0, 2, ARRAYS, score), Stage(2, 4, ARRAYS, score, np.full(40, 1 / 40))]


def interrupt(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the run end, as by a signal, once `after` epochs are kept."""

    class Interruption(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch + 1 == after:
                raise KeyboardInterrupt

    usual = trainer._callbacks
    monkeypatch.setattr(trainer, "_callbacks", lambda *given, **named: [*usual(*given, **named), Interruption()])


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole, broken, resumed = make_learner(), make_learner(), make_learner()
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    fit(whole, RECIPE, stages(), tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt(after, patch)
        with pytest.raises(KeyboardInterrupt):
            fit(broken, RECIPE, stages(), tmp_path / "broken")
    fit(resumed, RECIPE, stages(), tmp_path / "broken", resume=True)
    assert int(resumed.optimizer.iterations) == RECIPE.steps
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    histories = [pd.read_csv(tmp_path / name / "history.csv") for name in ("whole", "broken")]
    assert histories[0]["step"].tolist() == [2, 4, 6, 8]
    pd.testing.assert_frame_equal(*histories)


def test_what_draws_from_the_global_generator_starts_anew_at_each_epoch() -> None:
    """As PyTorch's dropout does; Keras seeds NumPy's generator with PyTorch's."""
    begin = trainer.EpochBegin(Draws(ARRAYS, None, batch_size=8, steps=2, seed=1), seed=1)
    begin.set_model(make_learner())
    drawn = []
    for epoch in (3, 4, 3):
        begin.on_epoch_begin(epoch)
        drawn.append(np.random.random())
    assert drawn[0] == drawn[2] != drawn[1]


def test_what_a_step_frees_is_kept_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow's reader of batches sets the C library to give all back; from the first batch on that is undone."""
    kept: list[None] = []
    monkeypatch.setattr(trainer, "keep_what_is_freed", lambda: kept.append(None))
    fit(make_learner(), RECIPE, stages(), tmp_path)
    assert len(kept) == RECIPE.epochs


def test_a_new_run_forgets_an_earlier_one(tmp_path: Path) -> None:
    for _ in range(2):
        fit(make_learner(), RECIPE, stages(), tmp_path)
    assert len(pd.read_csv(tmp_path / "history.csv")) == RECIPE.epochs


def test_the_average_is_validated_and_ends_the_run(tmp_path: Path) -> None:
    seen: list[Any] = []

    def score(network: keras.Model) -> dict[str, float]:
        seen.append(network.get_weights()[0].copy())
        return {"score": 1.0}

    learner = make_learner()
    fit(learner, RECIPE, stages(score), tmp_path)
    assert len(seen) == RECIPE.epochs
    np.testing.assert_allclose(learner.network.get_weights()[0], seen[-1], atol=1e-6)
    with averaged(learner):
        np.testing.assert_allclose(learner.network.get_weights()[0], seen[-1], atol=1e-6)


def test_small_gradients_are_not_lost_in_half_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss of which float16 shows no gradient, and an optimizer that takes the smallest one."""
    learner = make_learner("mixed_float16")
    monkeypatch.setattr(trainer, "AveragedAdamW", lambda *given, **named: AveragedAdamW(*given, **named, epsilon=1e-30))
    monkeypatch.setattr(learner, "loss_of", lambda *given: 1e-8 * loss(*given))
    before = learner.get_weights()[0]
    recipe = LoopRecipe(**{**vars(RECIPE), "weight_decay": 0.0})
    fit(learner, recipe, stages(), tmp_path)
    assert np.abs(learner.get_weights()[0] - before).max() > 0.01


def test_the_average_soon_forgets_where_it_began() -> None:
    variable = keras.Variable(np.zeros(1, np.float32))
    optimizer = make_optimizer(RECIPE)
    optimizer.build([variable])
    means, values = [], []
    for _ in range(5):
        optimizer.apply([keras.ops.ones(1)], [variable])
        values.append(float(np.asarray(variable)[0]))
        means.append(float(np.asarray(optimizer._model_variables_moving_average[0])[0]))
    expected = values[0]
    for step, (value, mean) in enumerate(zip(values, means, strict=True)):
        kept = 0.0 if step == 0 else min(0.99, (2 + step) / (11 + step))
        expected = kept * expected + (1 - kept) * value
        assert mean == pytest.approx(expected, rel=1e-4)


def test_the_rate_rises_and_falls() -> None:
    rate = make_optimizer(RECIPE)._learning_rate
    assert float(rate(2)) == pytest.approx(0.1, rel=0.05)
    assert float(rate(0)) < 0.01 > float(rate(8))


def test_the_rate_starts_anew_where_a_stage_says_so() -> None:
    recipe = LoopRecipe(**{**vars(RECIPE), "steps": 40, "validate_every": 10})
    parts = [Stage(0, 2, ARRAYS, lambda _: {}, restart=1.0), Stage(2, 4, ARRAYS, lambda _: {}, restart=0.5)]
    rate = make_optimizer(recipe, parts)._learning_rate
    assert float(rate(2)) == pytest.approx(0.1, rel=0.05)
    assert float(rate(19)) < 0.005
    assert float(rate(22)) == pytest.approx(0.05, rel=0.05)
    assert float(rate(40)) < 0.001


def test_rows_are_changed_outside_the_graph_by_the_steps_own_draw() -> None:
    def change(values: Any, rng: np.random.Generator) -> Any:
        return values + rng.normal()

    one, other = (Draws(ARRAYS, None, batch_size=8, steps=4, seed=7, changes={"x": change}) for _ in range(2))
    plain = Draws(ARRAYS, None, batch_size=8, steps=4, seed=7)
    np.testing.assert_array_equal(one[2][0]["x"], other[2][0]["x"])
    np.testing.assert_array_equal(one[2][0]["targets"], plain[2][0]["targets"])
    assert len(np.unique((one[2][0]["x"] - plain[2][0]["x"]).round(4))) == 1
    assert np.abs(one[2][0]["x"] - plain[2][0]["x"]).min() > 0


def test_a_resumed_run_forgets_rows_that_no_backup_was_kept_of(tmp_path: Path) -> None:
    fit(
        make_learner(),
        LoopRecipe(**{**vars(RECIPE), "steps": 4}),
        [Stage(0, 2, ARRAYS, lambda _: {"score": 0.0})],
        tmp_path,
    )
    history = tmp_path / "history.csv"
    history.write_text(history.read_text() + history.read_text().splitlines()[-1].replace(",4,", ",6,") + "\n")
    fit(make_learner(), RECIPE, stages(), tmp_path, resume=True)
    assert pd.read_csv(history)["step"].tolist() == [2, 4, 6, 8]


def test_training_stops_where_validation_gets_no_better(tmp_path: Path) -> None:
    recipe = LoopRecipe(**{**vars(RECIPE), "patience": 1})
    fit(make_learner(), recipe, [Stage(0, 4, ARRAYS, lambda _: {"score": 0.0})], tmp_path)
    assert len(pd.read_csv(tmp_path / "history.csv")) == 2


def test_a_loss_that_is_no_number_is_a_sentence_and_not_kept(tmp_path: Path) -> None:
    broken = {**ARRAYS, "x": np.full((40, 4), np.nan, np.float32)}
    with pytest.raises(TrainingError, match="lower the learning rate"):
        fit(make_learner(), RECIPE, [Stage(0, 4, broken, lambda _: {"score": 0.0})], tmp_path)
    assert not (tmp_path / "backup").exists()


def test_draws_depend_on_seed_epoch_and_step_alone() -> None:
    one, other = (Draws(ARRAYS, None, batch_size=8, steps=4, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one[2][0]["x"], other[2][0]["x"])
    other.epoch = 1
    assert not np.array_equal(one[2][0]["x"], other[2][0]["x"])
    assert len(np.unique(one[0][0]["x"], axis=0)) == 8
    rare = np.zeros(40)
    rare[5] = 1
    assert len(np.unique(Draws(ARRAYS, rare, batch_size=8, steps=1, seed=7)[0][0]["x"], axis=0)) == 1


def test_the_next_step_is_drawn_while_one_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [Draws(ARRAYS, None, batch_size=8, steps=4, seed=7)[step][0]["x"] for step in range(4)]
    draws, drawn = Draws(ARRAYS, None, batch_size=8, steps=4, seed=7), threading.Event()
    draw = draws._draw

    def told(step: int) -> object:
        found = draw(step)
        if step == 1:
            drawn.set()
        return found

    monkeypatch.setattr(draws, "_draw", told)
    first = draws[0][0]["x"]
    assert drawn.wait(10)
    for found, expected in zip([first, *(draws[step][0]["x"] for step in range(1, 4))], alone, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_last_batch_is_padded_and_cut() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inputs * 2.0)
    np.testing.assert_allclose(predict_in_batches(model, ARRAYS["x"], 16), 2 * ARRAYS["x"], rtol=1e-6)
