"""The loop that trains every network: Keras' own `fit`, its callbacks, and what they lack.

Each step's batch depends on the seed and the step's number alone, and all random layers start anew at each epoch from
the seed and the epoch's number, so a resumed run goes on exactly as it would have. An epoch is what lies between two
validations. The weights are averaged exponentially; the average is validated, and is what a run ends with.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import callbacks, layers, ops
from numpy.typing import NDArray

from models.memory import keep_what_is_freed
from training.errors import TrainingError
from training.recipe import HISTORY, LoopRecipe

log = logging.getLogger(__name__)

BACKUP = "backup"

FloatArray = NDArray[np.float32]
Arrays = Mapping[str, Any]
"""Arrays (n, ...), or what gives rows of one by their numbers."""
Score = Callable[[keras.Model], dict[str, float]]
Change = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]


@dataclass(frozen=True)
class Stage:
    """A part of a run: from epoch `first` up to `last`, both counted from 0, `arrays` are drawn from by `chances`, (n,)
    or each as likely as the next, and `score` is what a network is validated with. `changes` are made to the drawn rows
    of the arrays so named, outside the graph. With `restart`, the learning rate starts anew here, from this share of
    the recipe's."""

    first: int
    last: int
    arrays: Arrays
    score: Score
    chances: NDArray[np.float64] | None = None
    changes: Mapping[str, Change] = field(default_factory=dict)
    restart: float | None = None


class Draws(keras.utils.PyDataset):
    """Batches drawn from `arrays`, each (n, ...), `steps` in an epoch.

    What is drawn depends on the seed, the `epoch`, which `EpochBegin` sets, and the step alone. While a step computes,
    the next is drawn in a thread; Keras' workers can't do that, as they keep for the next epoch what one left over.
    Without `chances` nothing is drawn twice in a batch.
    Every batch has the same size: with a smaller last one, TensorFlow 2.21 on the CPU corrupts the heap (oneDNN,
    one-dimensional convolutions).
    """

    def __init__(
        self,
        arrays: Arrays,
        chances: NDArray[np.float64] | None,
        *,
        batch_size: int,
        steps: int,
        seed: int,
        changes: Mapping[str, Change] | None = None,
    ) -> None:
        super().__init__(workers=1)
        self.epoch = 0
        self._arrays, self._chances, self._changes = arrays, chances, changes or {}
        self._size, self._steps, self._seed = batch_size, steps, seed
        self._choices = len(next(iter(arrays.values())))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="draws")
        self._ahead: dict[int, Future[dict[str, NDArray[Any]]]] = {}

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[dict[str, NDArray[Any]]]:
        step = self.epoch * self._steps + index
        drawn = self._ahead.get(step) or self._thread.submit(self._draw, step)
        self._ahead = {step + 1: self._thread.submit(self._draw, step + 1)} if index + 1 < self._steps else {}
        return (drawn.result(),)

    def _draw(self, step: int) -> dict[str, NDArray[Any]]:
        rng = np.random.default_rng([self._seed, step])
        repeat = self._chances is not None
        drawn = rng.choice(self._choices, self._size, replace=repeat, p=self._chances)
        batch = {name: values[drawn] for name, values in self._arrays.items()}
        return batch | {name: change(batch[name], rng) for name, change in self._changes.items()}


class Learner(keras.Model):
    """A network and what surrounds it in training.

    `change` is a layer that makes of a batch what the network sees, its targets and the weights of its samples (n,);
    `loss_of` takes targets, logits and weights.
    """

    def __init__(self, network: keras.Model, change: layers.Layer, loss_of: Callable[[Any, Any, Any], Any]) -> None:
        super().__init__(name="learner", dtype="float32")
        self.network, self.change, self.loss_of = network, change, loss_of
        self.built = True

    def call(self, batch: Any, training: bool = False) -> Any:
        inputs, targets, weights = self.change(batch)
        return {"logits": self.network(inputs, training=training), "targets": targets, "weights": weights}

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        return self.loss_of(y_pred["targets"], y_pred["logits"], y_pred["weights"])


class AveragedAdamW(keras.optimizers.AdamW):
    """AdamW with Keras' moving average of the weights, which at step n keeps at most (1 + n) / (10 + n) of itself, so
    that the first steps are soon forgotten."""

    def _update_model_variables_moving_average(self, trainable_variables: Sequence[Any]) -> None:
        done = ops.cast(self.iterations, "float32")
        kept = ops.minimum(self.ema_momentum, (2.0 + done) / (11.0 + done)) * ops.cast(done > 0, "float32")
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            rate = ops.cast(kept, variable.dtype)
            average.assign(rate * average + (1.0 - rate) * variable)


class AverageValidation(callbacks.Callback):
    """At the end of each epoch, the scores of the averaged weights, as `val_<name>` in its logs, and their sum."""

    def __init__(self, score: Score, epoch_steps: int) -> None:
        super().__init__()
        self._score, self._epoch_steps = score, epoch_steps

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        with averaged(self.model):
            scores = self._score(self.model.network)
        logs = {} if logs is None else logs
        logs["step"] = (epoch + 1) * self._epoch_steps
        logs |= {f"val_{name}": value for name, value in scores.items()}
        logs["val_score"] = sum(scores.values())
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in scores.items())
        log.info("step %d: loss %.3f, validation %s", logs["step"], logs.get("loss", np.nan), told)


class EpochBegin(callbacks.Callback):
    """Starts the draws and every random layer anew at each epoch, by the seed and the epoch's number.

    PyTorch's dropout has no generator of its own, it draws from the global one.
    """

    def __init__(self, draws: Draws, seed: int) -> None:
        super().__init__()
        self._draws, self._seed = draws, seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._draws.epoch = epoch
        keras.utils.set_random_seed(self._seed + epoch)
        states = [variable for variable in self.model.non_trainable_variables if "seed_generator" in variable.path]
        for number, state in enumerate(states):
            state.assign(np.array([self._seed + number, epoch * 1_000_003], dtype=np.uint32))


class KeptHeap(callbacks.Callback):
    """Undoes what TensorFlow does to the process where it reads batches from Python: from the first one on, every block
    of more than 128 kB went back to the system as it was freed, and was mapped anew at each step (345 ms instead of
    215, pictures of 64 px on two cores)."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if batch == 0:
            keep_what_is_freed()


class FiniteLoss(callbacks.Callback):
    """Ends the run, before anything is kept, where the loss is no number."""

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not np.isfinite(loss := (logs or {}).get("loss", 0.0)):
            raise TrainingError(f"The loss is {loss} at step {batch} of this epoch; lower the learning rate.")


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """The averaged weights in the place of the current ones, for a while."""
    swap = callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()
    try:
        yield
    finally:
        swap.on_test_end()


def fit(
    learner: Learner,
    recipe: LoopRecipe,
    stages: Sequence[Stage],
    folder: Path,
    *,
    resume: bool = False,
    tensorboard: bool = False,
) -> None:
    """Train `learner.network` stage by stage; it ends with its averaged weights.

    `folder` gets history.csv, a row for each validation, and a backup of weights, optimizer and average, from which
    `resume` goes on. With `tensorboard` it also gets tensorboard/. Raises `TrainingError` where the loss is no number.
    """
    if not resume:
        shutil.rmtree(folder / BACKUP, ignore_errors=True)
        (folder / HISTORY).unlink(missing_ok=True)
    optimizer = scaled(make_optimizer(recipe, stages), learner.network)
    optimizer.build(learner.trainable_variables)
    done = kept_epochs(folder) if resume else 0
    if done:
        _forget_after(folder / HISTORY, done * recipe.epoch_steps)
        log.info("resumed at step %d", done * recipe.epoch_steps)
    for stage in stages:
        first = max(stage.first, done)
        if first >= stage.last and stage is not stages[-1]:
            continue
        learner.compile(optimizer, loss=None, jit_compile=jit_compiles())
        draws = Draws(
            stage.arrays,
            stage.chances,
            batch_size=recipe.batch_size,
            steps=recipe.epoch_steps,
            seed=recipe.seed,
            changes=stage.changes,
        )
        learner.fit(
            draws,
            initial_epoch=first,
            epochs=stage.last,
            shuffle=False,
            verbose=0,
            callbacks=[EpochBegin(draws, recipe.seed), *_callbacks(recipe, stage, folder, tensorboard=tensorboard)],
        )


def scaled(optimizer: keras.optimizers.Optimizer, network: keras.Model) -> keras.optimizers.Optimizer:
    """The optimizer; for a network that computes in float16, with Keras' dynamic scale of the loss, since small
    gradients would be zero there. Keras adds it by itself only where the whole model has that policy, which the
    `Learner`, whose changes and loss stay in float32, has not."""
    if any(layer.dtype_policy.name == "mixed_float16" for layer in network.layers):
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def jit_compiles() -> bool:
    """Whether steps are compiled as a whole: JAX knows nothing else, TensorFlow on the CPU is ten times slower so."""
    return bool(keras.backend.backend() == "jax")


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """From each of the steps in `starts` on, the rate rises over `warmup` steps to the rate in `peaks` and falls along
    a cosine until the next of them, or until `end`."""

    def __init__(self, starts: Sequence[int], peaks: Sequence[float], end: int, warmup: int) -> None:
        super().__init__()
        self.starts, self.peaks, self.end, self.warmup = list(starts), list(peaks), end, warmup

    def __call__(self, step: Any) -> Any:
        rate = 0.0
        step = ops.cast(step, "float32")
        for start, peak, end in zip(self.starts, self.peaks, [*self.starts[1:], self.end], strict=True):
            rise = min(self.warmup, max(1, (end - start) // 4)) if start else self.warmup
            fall = keras.optimizers.schedules.CosineDecay(
                peak * 0.02, max(1, end - start - rise), warmup_target=peak, warmup_steps=rise, alpha=0.01
            )
            rate = ops.where(step >= start, fall(ops.maximum(step - start, 0.0)), rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {"starts": self.starts, "peaks": self.peaks, "end": self.end, "warmup": self.warmup}


def make_optimizer(recipe: LoopRecipe, stages: Sequence[Stage] = ()) -> keras.optimizers.Optimizer:
    """AdamW after the recipe's schedule, with the restarts of the stages, without decay of biases."""
    anew = {stage.first * recipe.epoch_steps: stage.restart for stage in stages if stage.restart is not None}
    shares = {0: 1.0} | anew
    rate = Schedule(
        list(shares),
        [recipe.learning_rate * share for share in shares.values()],
        recipe.epochs * recipe.epoch_steps,
        recipe.warmup,
    )
    optimizer = AveragedAdamW(
        rate,
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.gradient_norm,
        use_ema=True,
        ema_momentum=recipe.averaging,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def kept_epochs(folder: Path) -> int:
    """How many epochs the backup in a run's `folder` has behind it."""
    file = folder / BACKUP / "training_metadata.json"
    return int(json.loads(file.read_text(encoding="utf-8"))["epoch"]) if file.is_file() else 0


def _forget_after(history: Path, step: int) -> None:
    """Drop the rows of epochs that no backup was kept of."""
    if history.is_file():
        table = pd.read_csv(history)
        table[table["step"] <= step].to_csv(history, index=False)


def _callbacks(recipe: LoopRecipe, stage: Stage, folder: Path, *, tensorboard: bool) -> list[callbacks.Callback]:
    kept = callbacks.BackupAndRestore(folder / BACKUP, double_checkpoint=True, delete_checkpoint=False)
    found: list[callbacks.Callback] = [
        KeptHeap(),
        FiniteLoss(),
        AverageValidation(stage.score, recipe.epoch_steps),
        callbacks.CSVLogger(str(folder / HISTORY), append=True),
        callbacks.EarlyStopping("val_score", mode="max", patience=recipe.patience, verbose=1),
        kept,
    ]
    if tensorboard:
        found.insert(5, callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False))
    return found


def predict_in_batches(model: keras.Model, inputs: Any, batch_size: int) -> FloatArray:
    """Outputs (n, ...) of a single-output model for one array (n, ...) or a list of such, the last batch padded to
    keep one shape."""
    arrays = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    outputs = []
    for start in range(0, len(arrays[0]), batch_size):
        parts = [np.asarray(values[start : start + batch_size], dtype=np.float32) for values in arrays]
        missing = batch_size - len(parts[0])
        padded = [np.pad(part, ((0, missing), *((0, 0) for _ in part.shape[1:]))) for part in parts]
        outputs.append(np.asarray(model.predict_on_batch(padded if len(padded) > 1 else padded[0]))[: len(parts[0])])
    return np.concatenate(outputs)
