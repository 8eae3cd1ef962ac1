"""Contracts on dtypes: variables of low precision, and the scaled gradients of mixed precision."""

import keras
import numpy as np

from tests.contracts.contract import contract
from tests.contracts.problem import (
    assert_follows,
    assert_same,
    distance,
    gradients,
    largest,
    make_variables,
    read,
    start_values,
)
from tests.contracts.running import BACKEND, run, run_on
from tests.contracts.subject import Subject

# Between two neighbouring bfloat16 numbers near 1: 8 bits.
BFLOAT16_EPSILON = 2.0**-7
BFLOAT16_STEPS = 3


@contract()
def trains_bfloat16_variables(subject: Subject) -> None:
    """A bfloat16 variable stays one and goes where the float64 twin goes, as near as its 8 bits allow."""
    variables = make_variables(start_values(), "bfloat16")
    start = read(variables)
    micro_steps = [[rounded(g) for g in step] for step in gradients(BFLOAT16_STEPS)]
    expected = subject.twin().start(start).run(micro_steps)
    run_on(subject.make(), variables, micro_steps)
    assert {v.dtype for v in variables} == {"bfloat16"}
    # Each step rounds the variable once, and its displacement in each of about eight operations.
    displacement = distance(expected[-1], start)
    rounding = BFLOAT16_EPSILON / 2 * (BFLOAT16_STEPS * largest(expected[-1]) + 8 * displacement)
    assert rounding < displacement / 2, "nothing can be told from rounding"
    assert distance(read(variables), expected[-1]) <= rounding


def rounded(x: np.ndarray) -> np.ndarray:
    """Return float32 numbers that bfloat16 holds exactly: the upper half of their bits."""
    bits = np.atleast_1d(x).view("uint32") & np.uint32(0xFFFF0000)
    return bits.view("float32").reshape(x.shape)


@contract()
def trains_float16_and_float32_variables_together(subject: Subject) -> None:
    """Each variable keeps its own dtype, and those in float32 are not disturbed by the others."""
    start, micro_steps = start_values(), gradients()
    variables = make_variables(start)
    variables[1] = keras.Variable(start[1], dtype="float16")
    run_on(subject.make(), variables, micro_steps)
    expected = subject.twin().start(start).run(micro_steps)[-1]
    assert [v.dtype for v in variables] == ["float32", "float16", "float32", "float32"]
    values = read(variables)
    keep = [0, 2, 3]
    assert_follows([[values[i] for i in keep]], [[expected[i] for i in keep]], [start[i] for i in keep])
    # Ten steps, each of which rounds to 11 bits, with second moments that begin below float16's normal range.
    assert distance(values[1:2], expected[1:2]) <= 0.05 * distance(expected[1:2], start[1:2])


@contract()
def trains_inside_loss_scale_optimizer(subject: Subject) -> None:
    """Under Keras' wrapper, scaled gradients take the plain steps, and an overflow takes none and halves the scale."""
    start, micro_steps = start_values(), gradients()
    scales = [1024.0] * 5 + [512.0] * 6
    scaled = [
        [g * s for g in step]
        for step, s in zip([*micro_steps[:4], micro_steps[0], *micro_steps[4:]], scales, strict=True)
    ]
    scaled[4][2][0, 0] = np.inf
    optimizer = keras.optimizers.LossScaleOptimizer(subject.make(), initial_scale=1024.0)
    result = run(optimizer, start, scaled, "jit" if BACKEND == "jax" else "eager")
    expected = subject.twin().start(start).run(micro_steps)
    assert_same(result.trajectory[4], result.trajectory[3], "variables after an overflow")
    assert_follows([*result.trajectory[:4], *result.trajectory[5:]], expected, start)
    assert float(optimizer.dynamic_scale) == 512.0
    assert int(optimizer.inner_optimizer.iterations) == len(micro_steps)
