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
    """Bfloat16 variables stay so and follow the twin as near as 8 bits allow; float32 ones beside them are exact."""
    dtypes = ["bfloat16", "float32", "bfloat16", "float32"]
    variables = [keras.Variable(x, dtype=dtype) for x, dtype in zip(start_values(), dtypes, strict=True)]
    start = read(variables)
    micro_steps = [[rounded(g) for g in step] for step in gradients(BFLOAT16_STEPS)]
    expected = subject.twin().start(start).run(micro_steps)
    run_on(subject.make(), variables, micro_steps)
    assert [v.dtype for v in variables] == dtypes
    values, wanted = read(variables), expected[-1]
    assert_follows([values[1::2]], [wanted[1::2]], start[1::2])
    # Each step rounds the variable once, and its displacement in each of about eight operations.
    displacement = distance(wanted[::2], start[::2])
    rounding = BFLOAT16_EPSILON / 2 * (BFLOAT16_STEPS * largest(wanted[::2]) + 8 * displacement)
    assert rounding < displacement / 2, "nothing can be told from rounding"
    assert distance(values[::2], wanted[::2]) <= rounding


def rounded(x: np.ndarray) -> np.ndarray:
    """Return float32 numbers that bfloat16 holds exactly: the upper half of their bits."""
    bits = np.atleast_1d(x).view("uint32") & np.uint32(0xFFFF0000)
    return bits.view("float32").reshape(x.shape)


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
