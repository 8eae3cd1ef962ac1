"""What holds for any gradient, drawn by hypothesis: a thousand cases of each."""

from functools import cache

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import keras_neural_opt as kno
from keras_neural_opt import compression as kc
from keras_neural_opt.compression._noise import uniform

pytestmark = pytest.mark.backend_free

SHAPES = ((6, 4), (5,))
SIZE, WORKERS, ROWS = 29, 2, 256
LAYOUT = kc.Layout(SHAPES)
CODES = [kc.Cast(), kc.Cast("bfloat16"), kc.Int8(8), kc.Int4(8), kc.QSGD(7, 8), kc.TernGrad(16), kc.SignSGD(32)]
FORGETFUL = [
    kc.Cast(),
    kc.Int8(4),
    kc.Int4(8),
    kc.SignSGD(32),
    kc.TopK(0.1),
    kc.TopK(0.2, "sampled"),
    kc.TopK(0.05, warmup_steps=3),
    kc.RandomK(0.2),
    kc.PowerSGD(1),
    kc.Chain(kc.TopK(0.2), kc.Int8(4)),
    kc.Chain(kc.PowerSGD(1), kc.Cast()),
    kc.SkipSmall(kc.Int4(8), 10),
    kc.WarmUp(kc.Int4(8), 2),
]
ALL = [*FORGETFUL, kc.QSGD(), kc.QSGD(7), kc.TernGrad(16), kc.RandomK(0.2, scale=True), kc.TopK(0.1, momentum=0.9)]

# The same cases in every run: where one in so many is a matter of luck, luck must not decide about a change.
thousand = settings(max_examples=1000, deadline=None, derandomize=True, database=None)
numbers = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
seeds = st.integers(0, 2**31 - 1)


def vectors(size: int) -> st.SearchStrategy[np.ndarray]:
    """Vectors of any numbers, and of those that gradients are more like, of any size."""
    drawn = st.builds(
        lambda seed, kind, scale: (scale * getattr(np.random.default_rng(seed), kind)(size=size)).astype("float32"),
        seeds,
        st.sampled_from(["standard_normal", "standard_cauchy", "laplace"]),
        st.sampled_from([1e-20, 1e-6, 1.0, 1e6]),
    )
    return st.one_of(drawn, arrays("float32", size, elements=numbers))


gradients = st.lists(vectors(SIZE), min_size=WORKERS, max_size=WORKERS)


def numpy(x) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def sent_often(code: kc.Codec, x: np.ndarray, seed: int) -> np.ndarray:
    """Return a vector as it arrives, sent many times with noise of its own."""
    rows = keras.ops.convert_to_tensor(np.tile(x, (ROWS, 1)))
    return numpy(code.decode(code.encode(rows, lambda shape: uniform(shape, seed, 0))))


def is_unbiased(sent: np.ndarray, x: np.ndarray, variance: np.ndarray, step: float) -> bool:
    """Return whether the mean of rows is within four standard deviations, along the signs, of what was sent.

    Plus Bernstein's term for what is drawn rarely, which has no normal distribution; a level is `step` high.
    """
    signs = np.sign(x)
    off = abs(float(signs @ (sent.mean(axis=0) - x)))
    rounding = 1e-6 * float(np.abs(x).sum())
    return off <= 4 * np.sqrt(variance.sum() / len(sent)) + 16 / 3 * step / len(sent) + rounding


@thousand
@given(vectors(16), st.integers(1, 127), seeds)
def test_qsgd_is_unbiased_within_the_variance_of_its_paper(x: np.ndarray, levels: int, seed: int) -> None:
    sent, norm = sent_often(kc.QSGD(levels, 16), x, seed), np.linalg.norm(x.astype("float64"))
    step = norm / levels
    part = np.modf(np.abs(x.astype("float64")) / (step or 1.0))[0]
    variance = step**2 * part * (1 - part)
    assert is_unbiased(sent, x, variance, step)
    bound = min(len(x) / levels**2, np.sqrt(len(x)) / levels) * norm**2
    assert variance.sum() <= bound * (1 + 1e-5)  # that of exact arithmetic; and that of what was sent:
    assert np.sum((sent - x) ** 2, axis=1).mean() <= 1.3 * bound


@thousand
@given(vectors(16), seeds)
def test_tern_grad_is_unbiased(x: np.ndarray, seed: int) -> None:
    scale = float(np.abs(x).max())
    sizes = np.abs(x.astype("float64"))
    assert is_unbiased(sent_often(kc.TernGrad(16), x, seed), x, sizes * (scale - sizes), scale)


@thousand
@given(st.integers(2, 16).flatmap(vectors), seeds)
def test_random_k_is_unbiased_when_scaled(x: np.ndarray, seed: int) -> None:
    group = len(x)
    many = keras.ops.convert_to_tensor(np.tile(x, ROWS))
    found = kc.RandomK(1 / group, scale=True, seed=seed).reduce(
        many, kc.Layout(((ROWS * group,),)), [], kc.Transport(), 0
    )
    sent = numpy(found.mean).reshape(ROWS, group)
    assert (np.count_nonzero(sent, axis=1) <= 1).all()
    # One of the group is sent: the variance of the sum along a direction is no more than that of its parts.
    largest = group * float(np.abs(x).max())
    assert is_unbiased(sent, x, (group - 1.0) * x.astype("float64") ** 2, largest)


@thousand
@given(st.integers(1, 40).flatmap(vectors), st.floats(0.01, 1.0))
def test_top_k_is_a_contraction(x: np.ndarray, ratio: float) -> None:
    found = kc.TopK(ratio).reduce(keras.ops.convert_to_tensor(x), kc.Layout(((len(x),),)), [], kc.Transport(), 0)
    kept = max(1, round(ratio * len(x)))
    left, whole = (np.sum(numpy(v) ** 2) for v in (x - numpy(found.mean), x))
    assert left <= (1 - kept / len(x)) * whole * (1 + 1e-6)
    assert np.array_equal(numpy(found.lost()), x - numpy(found.mean))
    assert np.count_nonzero(numpy(found.mean)) <= kept


@thousand
@given(st.sampled_from(FORGETFUL), st.lists(gradients, min_size=1, max_size=3))
def test_what_is_sent_and_what_waits_is_all_there_is(compressor: kc.Compressor, steps: list[list[np.ndarray]]) -> None:
    feedback, states = kc.ErrorFeedback(compressor), None
    sent, total = np.zeros(SIZE), np.zeros(SIZE)
    for step, given_ in enumerate(steps):
        means, states = kc.simulate(feedback, [parts(x) for x in given_], states, step)
        sent = sent + joined(means)
        total = total + np.mean(np.asarray(given_, "float64"), axis=0)
    waiting = np.mean([numpy(state[0]) for state in states], axis=0)
    largest = max(float(np.abs(x).max()) for given_ in steps for x in given_)
    assert np.abs(sent + waiting - total).max() <= 1e-6 * len(steps) * largest


@thousand
@given(st.sampled_from(ALL), st.lists(gradients, max_size=1))
def test_zeros_stay_zeros_and_nothing_becomes_nan(compressor: kc.Compressor, before: list[list[np.ndarray]]) -> None:
    states, zeros = None, [np.zeros(SIZE, "float32")] * WORKERS
    for step, given_ in enumerate([*before, zeros]):
        means, states = kc.simulate(compressor, [parts(x) for x in given_], states, step)
        assert np.isfinite(joined(means)).all()
        assert all(np.isfinite(numpy(x)).all() for state in states for x in state)
    if not before or not compressor.remembers:
        assert not joined(means).any()


@thousand
@given(st.sampled_from(CODES), st.integers(1, 3), st.integers(1, 3), st.data())
def test_a_code_keeps_shape_and_dtype(code: kc.Codec, rows: int, blocks: int, data: st.DataObject) -> None:
    shape = rows, blocks * 32
    x = data.draw(vectors(rows * blocks * 32)).reshape(shape)
    payload = code.encode(keras.ops.convert_to_tensor(x), lambda wanted: uniform(wanted, 0, 0))
    assert {part.shape[0] for part in payload} == {rows}
    found = code.decode(payload)
    assert tuple(found.shape) == shape
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert np.isfinite(numpy(found)).all()


@thousand
@given(
    st.sampled_from(ALL),
    gradients,
    gradients,
    st.integers(0, WORKERS - 1),
    st.integers(0, SIZE - 1),
    st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_what_is_not_finite_on_one_worker_reaches_no_residual(
    compressor: kc.Compressor, first: list, second: list, worker: int, place: int, bad: float
) -> None:
    guarded = _guarded(compressor)
    _, states = kc.simulate(guarded, [parts(x) for x in first])
    broken = [x.copy() for x in second]
    broken[worker][place] = bad
    means, after = kc.simulate(guarded, [parts(x) for x in broken], states, 1)
    assert (joined(means) == _LEFT_OUT).all()
    for old, new in zip(states, after, strict=True):
        assert all(np.array_equal(numpy(a), numpy(b)) for a, b in zip(old, new, strict=True))


def parts(x: np.ndarray) -> list:
    return LAYOUT.split(keras.ops.convert_to_tensor(x))


def joined(tensors: list) -> np.ndarray:
    return numpy(LAYOUT.join(tensors))


_LEFT_OUT = -12345.0


@cache
def _guarded(compressor: kc.Compressor) -> kc.Compressor:
    return _Guarded(compressor)


class _Guarded(kc.Compressor):
    """A compressor as `DistributedOptimizer` uses it; a step that it leaves out has a mean that equals itself."""

    def __init__(self, compressor: kc.Compressor) -> None:
        self._variables = [keras.Variable(np.zeros(shape, "float32")) for shape in SHAPES]
        self._optimizer = kno.distributed.DistributedOptimizer("sgd", compressor)
        self._optimizer.build(self._variables)

    def state(self, layout: kc.Layout) -> list[kc.State]:
        return self._optimizer._buckets[0].kept

    def reduce(self, x, layout: kc.Layout, state: list, transport: kc.Transport, step) -> kc.Reduced:
        means, (new,), _ = self._optimizer.reduced(layout.split(x), self._variables, [state], transport, step)
        mean = layout.join(means)
        return kc.Reduced(keras.ops.where(keras.ops.isnan(mean), _LEFT_OUT, mean), lambda: mean, new)
