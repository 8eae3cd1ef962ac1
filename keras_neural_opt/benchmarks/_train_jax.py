"""Trains a network on JAX, one compiled step after the other: a learning rate is an argument, not a constant.

So one compilation serves every rate and every seed. A `lax.scan` over the steps would save their calls, but in it XLA
computes convolutions many times as slowly on CPUs.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_neural_opt.benchmarks._train_data import Data
from keras_neural_opt.benchmarks._train_tasks import Task

_WARM_UP = 0.1  # of the steps


class Trainer:
    """A network and its data, ready to be trained by optimizers.

    Args:
        task: What is trained.
        data: Its data.
    """

    def __init__(self, task: Task, data: Data) -> None:
        self._task = task
        # Arguments of what is compiled: constants of this size would take long to compile.
        self._training = jnp.asarray(data.inputs), jnp.asarray(data.labels)
        self._held_out = _held_out(task, data)
        self._model = task.model()
        self._loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._score = jax.jit(self._score_of)
        self._steps: dict[Any, Any] = {}

    def run(self, make: Callable[[], Any], seed: int, rate: float, longest: int) -> list[float]:
        """Train from new weights until the target is reached, the loss is not finite, or `longest` steps are done.

        Returns the score at each evaluation.

        Args:
            make: Makes the optimizer, of any learning rate. What it makes is compiled when it comes first.
            seed: Of the weights and the batches.
            rate: The learning rate, after the warm-up.
            longest: No more steps than this.
        """
        task, scores = self._task, list[float]()
        step, rates, state = self._begun(make, seed)
        batches = np.random.default_rng(seed)
        starts = len(self._training[0]) - (task.context or 0)
        for begin in range(0, min(longest, task.steps), task.every):
            numbers = range(begin, min(begin + task.every, task.steps))
            chosen = batches.integers(0, starts, (len(numbers), task.batch), "int32")
            for number, batch in zip(numbers, chosen, strict=True):
                now = np.float32(rate * warm_up_and_cosine(number, task.steps))
                for i in rates:
                    state[2][i] = now
                state, loss = step(state, batch, self._training)
            finite = bool(np.isfinite(loss))
            scores.append(float(self._score(state[:2], self._held_out)) if finite else math.nan)
            if not finite or task.arrived(scores[-1]):
                break
        return scores

    def steps(self, make: Callable[[], Any], count: int) -> Callable[[], None]:
        """Return a function that takes `count` steps, at a rate of 0, and waits for the last.

        Args:
            make: Makes the optimizer; the same as for `run`.
            count: How many.
        """
        step, _, state = self._begun(make, 0)
        held, batch = [state], np.arange(self._task.batch, dtype="int32")

        def take() -> None:
            for _ in range(count):
                held[0], loss = step(held[0], batch, self._training)
            jax.block_until_ready(loss)

        return take

    def _begun(self, make: Callable[[], Any], seed: int) -> tuple[Any, list[int], Any]:
        """Return the compiled step, where its state has the learning rate, and the state to begin with."""
        keras.utils.set_random_seed(seed)
        model, optimizer = self._task.model(), make()
        optimizer.build(model.trainable_variables)
        groups = model.trainable_variables, model.non_trainable_variables, optimizer.variables
        rates = [i for i, v in enumerate(optimizer.variables) if v.name == "learning_rate"]

        def begin() -> Any:
            # Copies: what is donated to a step must belong to nobody else.
            state = tuple([jnp.array(v.value) for v in group] for group in groups)
            for i in rates:
                state[2][i] = np.float32(0.0)
            return state

        if make not in self._steps:
            self._steps[make] = jax.jit(self._step_of(optimizer), donate_argnums=0)
            # The first call compiles, which is nobody's step.
            self._steps[make](begin(), np.zeros(self._task.batch, "int32"), self._training)
        return self._steps[make], rates, begin()

    def _step_of(self, optimizer: Any) -> Callable[..., Any]:
        context = self._task.context

        def step(state: Any, chosen: Any, training: Any) -> Any:
            (trainable, other, kept), (inputs, labels) = state, training
            if context is None:
                x, y = inputs[chosen], labels[chosen]
            else:
                text = inputs[chosen[:, None] + jnp.arange(context + 1)]
                x, y = text[:, :-1], text[:, 1:]

            def loss(trainable: Any) -> Any:
                logits, changed = self._model.stateless_call(trainable, other, x, training=True)
                return self._loss(y, logits), changed

            (value, other), gradients = jax.value_and_grad(loss, has_aux=True)(trainable)
            trainable, kept = optimizer.stateless_apply(kept, gradients, trainable)
            return (trainable, other, kept), value

        return step

    def _score_of(self, state: Any, held_out: Any) -> Any:
        (trainable, other), (x, y) = state, held_out
        logits, _ = self._model.stateless_call(trainable, other, x, training=False)
        return jnp.mean(jnp.argmax(logits, -1) == y) if self._task.context is None else self._loss(y, logits)


def _held_out(task: Task, data: Data) -> tuple[Any, Any]:
    x, y, context = data.held_out_inputs, data.held_out_labels, task.context
    if context is None:
        return jnp.asarray(x[: task.judged_on]), jnp.asarray(y[: task.judged_on])
    text = x[: task.judged_on * context + 1]
    return jnp.asarray(text[:-1].reshape(-1, context)), jnp.asarray(text[1:].reshape(-1, context))


def warm_up_and_cosine(step: int, steps: int) -> float:
    """Return the part of the learning rate in a step: a linear warm-up, then a cosine down to 0."""
    warm_up = max(1, round(_WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))
