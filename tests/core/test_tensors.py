import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_neural_opt._core.norms import global_norm, tensor_norms
from keras_neural_opt._core.plain_tensors import PlainTensors
from keras_neural_opt._core.tensors import (
    Tensors,
    add_quotient,
    add_scaled,
    bias_correction,
    blend,
    clip,
    decay,
    descend,
    ema,
    ema_of_square,
    maximum,
    root,
    running_maximum,
    scale,
    select,
    square,
)

SHAPES = [(), (3,), (2, 4)]


def arrays(seed):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.5, 2.0, size=shape).astype("float32") for shape in SHAPES]


def of(values, kind=Tensors):
    # A copy: on torch the consuming functions write into what they are given.
    return kind(ops.convert_to_tensor(np.array(v)) for v in values)


def check(result, expected):
    for x, y in zip(result.tensors, expected, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(x), y, rtol=3e-7)


A, B, C = arrays(1), arrays(2), arrays(3)
PURE = {
    "add": (lambda a, b, c: a + b, lambda a, b, c: a + b),
    "subtract": (lambda a, b, c: a - b, lambda a, b, c: a - b),
    "multiply": (lambda a, b, c: a * b, lambda a, b, c: a * b),
    "divide": (lambda a, b, c: a / b, lambda a, b, c: a / b),
    "add a number": (lambda a, b, c: a + 2.0, lambda a, b, c: a + 2.0),
    "number minus": (lambda a, b, c: 2.0 - a, lambda a, b, c: 2.0 - a),
    "number times": (lambda a, b, c: 2.0 * a, lambda a, b, c: 2.0 * a),
    "number over": (lambda a, b, c: 2.0 / a, lambda a, b, c: 2.0 / a),
    "negative": (lambda a, b, c: -a, lambda a, b, c: -a),
    "square": (lambda a, b, c: square(a), lambda a, b, c: a * a),
    "maximum": (lambda a, b, c: maximum(a, b), lambda a, b, c: np.maximum(a, b)),
    "blend": (lambda a, b, c: blend(a, b, 0.3), lambda a, b, c: a + 0.3 * (b - a)),
    "clip": (lambda a, b, c: clip(a, 0.8, 1.2), lambda a, b, c: np.clip(a, 0.8, 1.2)),
    "root": (lambda a, b, c: root(a, inside=0.5, outside=0.25), lambda a, b, c: np.sqrt(a + 0.5) + 0.25),
    "root outside": (lambda a, b, c: root(a, outside=0.25), lambda a, b, c: np.sqrt(a) + 0.25),
}
CONSUMING = {
    "ema": (lambda a, b, c: ema(a, b, 0.9), lambda a, b, c: 0.9 * a + 0.1 * b),
    "ema_of_square": (lambda a, b, c: ema_of_square(a, b, 0.9), lambda a, b, c: 0.9 * a + 0.1 * b * b),
    "running_maximum": (lambda a, b, c: running_maximum(a, b), lambda a, b, c: np.maximum(a, b)),
    "scale": (lambda a, b, c: scale(a, 0.3), lambda a, b, c: 0.3 * a),
    "decay": (lambda a, b, c: decay(a, 0.3), lambda a, b, c: 0.7 * a),
    "add_scaled": (lambda a, b, c: add_scaled(a, b, 0.3), lambda a, b, c: a + 0.3 * b),
    "add_quotient": (lambda a, b, c: add_quotient(a, b, c, 0.3), lambda a, b, c: a + 0.3 * b / c),
    "descend": (lambda a, b, c: descend(a, b, 0.3), lambda a, b, c: a - 0.3 * b),
    "descend over": (lambda a, b, c: descend(a, b, 0.3, over=c), lambda a, b, c: a - 0.3 * b / c),
    "descend over a number": (lambda a, b, c: descend(a, b, 0.3, over=2.0), lambda a, b, c: a - 0.15 * b),
}


@pytest.mark.parametrize("kind", {PlainTensors, Tensors}, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", [*PURE, *CONSUMING])
def test_functions_compute_what_they_say(name, kind):
    function, expected = {**PURE, **CONSUMING}[name]
    result = function(of(A, kind), of(B, kind), of(C, kind))
    check(result, [expected(*abc) for abc in zip(A, B, C, strict=True)])


@pytest.mark.parametrize("name", PURE)
def test_pure_functions_leave_their_operands_alone(name):
    operands = of(A), of(B), of(C)
    PURE[name][0](*operands)
    for operand, values in zip(operands, (A, B, C), strict=True):
        check(operand, values)


@pytest.mark.parametrize("name", CONSUMING)
def test_a_consumed_value_cannot_be_read_and_the_others_can(name):
    a, b, c = of(A), of(B), of(C)
    CONSUMING[name][0](a, b, c)
    with pytest.raises(RuntimeError, match="consumed"):
        _ = a.tensors
    check(b, B)
    check(c, C)


def test_decay_keeps_the_digits_of_a_small_amount():
    amount, x = 4e-6, np.linspace(1, 2, 1001).astype("float32")
    taken = x.astype("float64") - ops.convert_to_numpy(decay(of([x]), amount).tensors[0]).astype("float64")
    # Each element rounds to its own nearest float; on average the right amount is taken. As x * float32(1 - 4e-6) it
    # would be off by 0.7 %.
    assert taken.mean() / (amount * x.mean()) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999, 0.999999])
@pytest.mark.parametrize("t", [1.0, 7.0, 1000.0, 1e6])
def test_bias_correction(beta, t):
    from keras_neural_opt._core.backend import native

    exact = 1.0 if beta == 0 else -math.expm1(t * math.log(beta))
    assert float(bias_correction(beta, native.scalar(t))) == pytest.approx(exact, rel=4e-7)
    assert bias_correction(beta, t) == exact


def test_select_of_lists_and_numbers():
    true = ops.convert_to_tensor(True)
    check(select(true, of(A), 1.0), A)
    check(select(True, of(A), 1.0), A)
    assert select(False, of(A), 1.0) == 1.0
    check(select(ops.logical_not(true), of(A), 1.0), [np.ones_like(a) for a in A])


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e15, 1e20, 3e37])
def test_norms_do_not_overflow(size):
    values = [(a * size).astype("float32") for a in A]
    exact = [np.linalg.norm(v.astype("float64").ravel()) for v in values]
    np.testing.assert_allclose(ops.convert_to_numpy(tensor_norms(of(values))), exact, rtol=5e-7)
    assert float(global_norm(of(values))) == pytest.approx(np.linalg.norm(exact), rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_norms_of_what_is_not_finite_are_not_finite(bad):
    values = [np.array([1.0, bad], "float32"), np.array(0.0, "float32")]
    assert not np.isfinite(float(global_norm(of(values))))
    norms = ops.convert_to_numpy(tensor_norms(of(values)))
    assert not np.isfinite(norms[0])
    assert norms[1] == 0.0


def test_norm_of_zeros_is_zero():
    assert float(global_norm(of([np.zeros(3, "float32")]))) == 0.0


def test_norm_of_a_part_of_a_variable_is_refused():
    with pytest.raises(ValueError, match="elementwise = False"):
        tensor_norms(Tensors([ops.ones(3)], whole=False))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_stays_what_it_is_and_its_norm_is_wide(dtype):
    x = Tensors([ops.cast(np.full(64, 300.0), dtype)])
    assert keras.backend.standardize_dtype(descend(x * 0.5, x, 0.1).tensors[0].dtype) == dtype
    # 300 squared overflows float16.
    assert float(global_norm(x)) == pytest.approx(2400.0, rel=1e-2)
