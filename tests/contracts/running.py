"""The ways in which each backend can run an optimizer: eagerly, as a graph, compiled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from tests.contracts.problem import Arrays, Gradients, make_variables, read

BACKEND = keras.backend.backend()
WAYS = {"tensorflow": ("eager", "graph", "jit"), "jax": ("eager", "jit"), "torch": ("eager",)}[BACKEND]
COMPILED = tuple(way for way in WAYS if way != "eager")
# As in a user's own loop: in a `tf.function` AutoGraph rewrites the step first, which takes several times as long as to
# trace it as it is, as Keras' trainer does.
USERS_WAYS = tuple("autograph" if way == "graph" else way for way in WAYS)
# For each variable the gradient there, as a function of its value.
Slopes = Sequence[Callable[[Any], Any]]


@dataclass
class Run:
    """What a run left behind."""

    optimizer: Any
    variables: list[Any]
    trajectory: list[Arrays] = field(default_factory=list)
    traces: int = 0

    @property
    def state(self) -> list[Any]:
        """The values of all of the optimizer's variables."""
        return read(self.optimizer.variables)


def run(optimizer: Any, start: Arrays, gradients: Sequence[Gradients], way: str = "eager") -> Run:
    """Apply `gradients` step by step to new variables that begin at `start`."""
    return run_on(optimizer, make_variables(start), gradients, way)


def run_on(optimizer: Any, variables: list[Any], gradients: Sequence[Gradients], way: str = "eager") -> Run:
    """Apply `gradients` step by step to `variables`."""
    result = Run(optimizer, variables)
    if way != "eager":
        optimizer.build(variables)
    step = {"eager": _eager, "graph": _tf_function, "autograph": _autograph, "jit": _jit}[way](result)
    for micro_step in gradients:
        dtypes = [v.dtype for v in variables]
        step(
            [None if g is None else keras.ops.convert_to_tensor(g, d) for g, d in zip(micro_step, dtypes, strict=True)]
        )
        result.trajectory.append(read(variables))
    return result


def _eager(result: Run) -> Callable[[list[Any]], None]:
    return lambda gradients: result.optimizer.apply(gradients, result.variables)


def _jit(result: Run) -> Callable[[list[Any]], None]:
    return _jax_jit(result) if BACKEND == "jax" else _tf_function(result, jit_compile=True)


def _autograph(result: Run) -> Callable[[list[Any]], None]:
    return _tf_function(result, autograph=True)


def _tf_function(result: Run, jit_compile: bool = False, autograph: bool = False) -> Callable[[list[Any]], None]:
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile, autograph=autograph)
    def step(gradients: list[Any]) -> None:
        result.traces += 1
        result.optimizer.apply(gradients, result.variables)

    return step


def as_compiled(function: Callable[[Any], Any], way: str) -> Callable[[Any], Any]:
    """Return a function of a tensor compiled in one of `COMPILED`."""
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    compiled: Callable[[Any], Any] = tf.function(function, jit_compile=way == "jit")
    return compiled


def _jax_jit(result: Run) -> Callable[[list[Any]], None]:
    import jax

    optimizer = result.optimizer

    @jax.jit
    def pure(optimizer_values: list[Any], gradients: list[Any], values: list[Any]) -> Any:
        result.traces += 1
        return optimizer.stateless_apply(optimizer_values, gradients, values)

    # As Keras' trainer does, the values go from one call to the next as they came out.
    state = {"optimizer": [v.value for v in optimizer.variables], "model": [v.value for v in result.variables]}

    def step(gradients: list[Any]) -> None:
        state["model"], state["optimizer"] = pure(state["optimizer"], gradients, state["model"])
        for variable, value in zip(
            [*result.variables, *optimizer.variables], [*state["model"], *state["optimizer"]], strict=True
        ):
            variable.assign(value)

    return step


def run_long(optimizer: Any, variables: list[Any], slopes: Slopes, steps: int) -> None:
    """Take many steps down `slopes`: in one compiled loop, where single calls would take most of the time."""
    optimizer.build(variables)
    {"tensorflow": _tf_loop, "jax": _jax_loop, "torch": _torch_loop}[BACKEND](optimizer, variables, slopes, steps)


def _gradients(slopes: Slopes, values: Sequence[Any]) -> list[Any]:
    return [slope(value) for slope, value in zip(slopes, values, strict=True)]


def _torch_loop(optimizer: Any, variables: list[Any], slopes: Slopes, steps: int) -> None:
    import torch

    with torch.no_grad():
        for _ in range(steps):
            optimizer.apply(_gradients(slopes, [v.value for v in variables]), variables)


def _tf_loop(optimizer: Any, variables: list[Any], slopes: Slopes, steps: int) -> None:
    import tensorflow as tf

    @tf.autograph.experimental.do_not_convert
    def step() -> None:
        optimizer.apply(_gradients(slopes, [tf.convert_to_tensor(v.value) for v in variables]), variables)

    @tf.function(jit_compile=True)
    def loop() -> None:
        for _ in tf.range(steps):
            step()

    loop()


def _jax_loop(optimizer: Any, variables: list[Any], slopes: Slopes, steps: int) -> None:
    import jax

    def step(_: Any, state: Any) -> Any:
        values, kept = state
        values, kept = optimizer.stateless_apply(kept, _gradients(slopes, values), values)
        return list(values), list(kept)

    start = [v.value for v in variables], [v.value for v in optimizer.variables]
    values, kept = jax.jit(lambda state: jax.lax.fori_loop(0, steps, step, state))(start)
    for variable, value in zip([*variables, *optimizer.variables], [*values, *kept], strict=True):
        variable.assign(value)
