"""Each compressor against its paper, with several workers in this process."""

import keras
import numpy as np
import pytest

from keras_neural_opt import compression as kc
from keras_neural_opt.compression import _selection
from tests.oracles import compression as twins

SHAPES = [(40, 30), (30,), (3, 3, 4, 8), (7,)]
SIZE = 1200 + 30 + 288 + 7
ALL = [
    kc.Cast(),
    kc.Cast("bfloat16"),
    kc.Int8(),
    kc.Int4(),
    kc.QSGD(),
    kc.QSGD(7),
    kc.TernGrad(),
    kc.SignSGD(),
    kc.SignSGD(majority_vote=True),
    kc.TopK(0.1),
    kc.TopK(0.1, "sampled"),
    kc.TopK(0.1, momentum=0.9),
    kc.TopK(0.01, warmup_steps=4),
    kc.RandomK(0.1),
    kc.RandomK(0.1, scale=True),
    kc.PowerSGD(2),
    kc.Chain(kc.TopK(0.1), kc.Int8(32)),
    kc.Chain(kc.PowerSGD(2), kc.Cast()),
    kc.SkipSmall(kc.Int4(), 100),
    kc.WarmUp(kc.ErrorFeedback(kc.Int4()), 2),
    kc.ErrorFeedback(kc.SkipSmall(kc.Chain(kc.TopK(0.1), kc.Cast()))),
]
FORGETFUL = [c for c in ALL if not c.unbiased and not c.remembers]


def gradients(workers: int, seed: int = 0) -> list[list[np.ndarray]]:
    """Return tensors of `SHAPES` for each worker, of different sizes."""
    rng = np.random.default_rng(seed)
    sizes = [1.0, 0.01, 10.0, 1e-3]
    return [
        [(size * rng.standard_normal(s)).astype("float32") for s, size in zip(SHAPES, sizes, strict=True)]
        for _ in range(workers)
    ]


def flat(tensors: list) -> np.ndarray:
    """Return all elements in float64."""
    return np.concatenate([np.asarray(keras.ops.convert_to_numpy(x), "float64").ravel() for x in tensors])


def mean_of(workers: list[list[np.ndarray]]) -> np.ndarray:
    """Return the exact mean."""
    return np.mean([flat(tensors) for tensors in workers], axis=0)


@pytest.mark.parametrize("compressor", ALL, ids=repr)
@pytest.mark.parametrize("workers", [1, 3])
def test_shapes_and_dtypes_are_kept_and_all_workers_agree(compressor: kc.Compressor, workers: int) -> None:
    given = gradients(workers)
    means, states = kc.simulate(compressor, given)  # which raises where workers come to different means
    assert [tuple(m.shape) for m in means] == SHAPES
    assert {keras.backend.standardize_dtype(m.dtype) for m in means} == {"float32"}
    kept = compressor.state(kc.Layout(tuple(SHAPES)))
    assert [[tuple(x.shape) for x in state] for state in states] == [[s.shape for s in kept]] * workers


@pytest.mark.parametrize("compressor", FORGETFUL, ids=repr)
@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_sent_and_what_waits_is_all_there_is(compressor: kc.Compressor, workers: int) -> None:
    with_feedback, states = kc.ErrorFeedback(compressor), None
    sent = total = np.zeros(SIZE)
    for step in range(5):
        given = gradients(workers, step)
        total = total + mean_of(given)
        means, states = kc.simulate(with_feedback, given, states, step)
        sent = sent + flat(means)
    waiting = np.mean([flat(state[:1]) for state in states], axis=0)
    assert np.abs(sent + waiting - total).max() < 1e-6 * np.abs(total).max()
    if workers > 1 and not isinstance(compressor, kc.Cast):
        assert np.abs(waiting).max() > 1e-3 * np.abs(total).max()  # so that the above says something


@pytest.mark.parametrize("compressor", ALL, ids=repr)
def test_zeros_stay_zeros(compressor: kc.Compressor) -> None:
    zeros = [[np.zeros(s, "float32") for s in SHAPES]] * 2
    means, states = kc.simulate(compressor, zeros)
    if not (isinstance(compressor, kc.SignSGD) and compressor.majority_vote):
        assert np.abs(flat(means)).max() == 0.0
    # And the next gradient is compressed as well as ever: nothing has become 0 for good.
    means, _ = kc.simulate(compressor, gradients(2), states, 1)
    assert np.isfinite(flat(means)).all()
    assert np.abs(flat(means)).max() > 0.0


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("compressor", [c for c in ALL if "float16'" not in repr(c)], ids=repr)
def test_small_and_large_numbers_are_compressed_as_others(compressor: kc.Compressor, scale: float) -> None:
    plain, _ = kc.simulate(compressor, gradients(2))
    if isinstance(compressor, kc.SignSGD) and compressor.majority_vote:
        scale = 1.0
    scaled, _ = kc.simulate(compressor, [[x * np.float32(scale) for x in tensors] for tensors in gradients(2)])
    close = np.abs(flat(scaled) / scale - flat(plain)) <= 1e-4 * np.abs(flat(plain)).max()
    # Where an element is on the edge between two levels, it may fall to the other side.
    assert close.mean() > 0.99


@pytest.mark.parametrize(
    ("compressor", "code", "block"),
    [
        (kc.Cast(), lambda x: x.astype("float16").astype("float64"), 1),
        (kc.Int8(64), lambda x: twins.int_codes(x, 64, 127), 64),
        (kc.Int4(64), lambda x: twins.int_codes(x, 64, 7), 64),
        (kc.SignSGD(64), lambda x: twins.scaled_signs(x, 64), 64),
    ],
    ids=["Cast", "Int8", "Int4", "SignSGD"],
)
@pytest.mark.parametrize("workers", [2, 3])
def test_codes_equal_their_twins(compressor: kc.Codec, code, block: int, workers: int) -> None:
    given = gradients(workers)
    means, _ = kc.simulate(compressor, given)
    expected = twins.two_phases([flat(tensors) for tensors in given], code, block)
    near = np.abs(flat(means) - expected) <= 1e-5 * np.abs(expected).max()
    assert near.mean() > 0.995  # but for elements on an edge, see above
    assert np.linalg.norm(flat(means) - expected) < 0.05 * np.linalg.norm(expected)


def test_top_k_equals_its_twin() -> None:
    given = gradients(3)
    means, _ = kc.simulate(kc.TopK(0.1), given)
    expected = np.mean([twins.top_k(flat(tensors), round(0.1 * SIZE)) for tensors in given], axis=0)
    assert np.abs(flat(means) - expected).max() < 1e-6 * np.abs(expected).max()


def test_deep_gradient_compression_equals_its_twin() -> None:
    steps, states = [gradients(2, seed) for seed in range(6)], None
    expected = twins.deep_gradient_compression([[flat(w) for w in step] for step in steps], round(0.05 * SIZE), 0.9)
    for i, step in enumerate(steps):
        means, states = kc.simulate(kc.TopK(0.05, momentum=0.9), step, states, i)
        assert np.abs(flat(means) - expected[i]).max() < 1e-5 * np.abs(expected[i]).max()


def test_power_sgd_equals_its_twin() -> None:
    layout, states = kc.Layout(((40, 30), (30,))), None
    compressor = kc.PowerSGD(3)
    q = np.reshape(compressor.state(layout)[0].value(), (30, 3)).astype("float64")
    for step in range(4):
        given = [tensors[:2] for tensors in gradients(2, step)]
        means, states = kc.simulate(compressor, given, states, step)
        expected, q = twins.power_sgd([np.asarray(t[0], "float64") for t in given], q)
        found = keras.ops.convert_to_numpy(means[0])
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
        assert np.abs(flat(means[1:]) - np.mean([t[1] for t in given], axis=0)).max() < 1e-6


def test_power_sgd_finds_a_matrix_of_its_rank() -> None:
    rng = np.random.default_rng(0)
    low = (rng.standard_normal((50, 2)) @ rng.standard_normal((2, 40))).astype("float32")
    means, _ = kc.simulate(kc.PowerSGD(2), [[low], [low]])
    assert np.abs(keras.ops.convert_to_numpy(means[0]) - low).max() < 1e-4


def test_power_sgd_goes_on_after_a_gradient_of_lower_rank() -> None:
    rng = np.random.default_rng(0)
    outer = np.outer(rng.standard_normal(50), rng.standard_normal(40)).astype("float32")
    full, compressor = rng.standard_normal((50, 40)).astype("float32"), kc.PowerSGD(4)
    means, states = kc.simulate(compressor, [[outer], [outer]])
    for step in range(1, 4):
        means, states = kc.simulate(compressor, [[full], [full]], states, step)
    assert np.linalg.matrix_rank(keras.ops.convert_to_numpy(means[0]), tol=1e-3) == 4


def test_a_sampled_threshold_wastes_no_place_on_zeros() -> None:
    x = np.zeros(400_000, "float32")
    x[-500:] = np.arange(1, 501)
    means, _ = kc.simulate(kc.TopK(0.01, "sampled"), [[x]])
    assert np.array_equal(flat(means), x.astype("float64"))


def test_half_precision_neither_overflows_nor_loses_what_is_large() -> None:
    given = [[np.full(4, 60000.0, "float32")], [np.full(4, 1e6, "float32")]]
    means, _ = kc.simulate(kc.Cast(), given)
    assert flat(means) == pytest.approx(np.full(4, (60000 + 65504) / 2), rel=1e-3)
    with_feedback, states = kc.ErrorFeedback(kc.Cast()), None
    total = 0.0
    for step in range(40):
        means, states = kc.simulate(with_feedback, given if not step else [[g[0] * 0] for g in given], states, step)
        total += flat(means)
    assert total == pytest.approx(np.full(4, (60000 + 1e6) / 2), rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_a_sampled_threshold_sends_most_of_the_largest(seed: int) -> None:
    x = np.random.default_rng(seed).standard_cauchy(400_000).astype("float32")
    sampled, _ = kc.simulate(kc.TopK(0.01, "sampled"), [[x]])
    sent = flat(sampled)
    kept = np.abs(sent) > 0
    assert 3200 <= kept.sum() <= 4000  # fewer than asked for by three times what the sample errs, so all fit
    assert np.array_equal(sent[kept], x[kept].astype("float64"))
    assert np.abs(sent[kept]).min() > np.abs(x[~kept]).max()  # nothing that is left is larger


def test_the_stages_of_the_ratio_follow_the_step() -> None:
    compressor = kc.TopK(0.01, warmup_steps=6)
    assert compressor.ratios() == [0.25, 0.0855, 0.0292, 0.01]
    counts = [np.count_nonzero(flat(kc.simulate(compressor, gradients(1), None, step)[0])) for step in range(8)]
    assert counts == [381, 381, 130, 130, 45, 45, 15, 15]


def test_warm_up_is_exact_and_then_over() -> None:
    compressor, given = kc.WarmUp(kc.Int4(), 2), gradients(2)
    off = [np.abs(flat(kc.simulate(compressor, given, None, s)[0]) - mean_of(given)).max() for s in range(4)]
    assert max(off[:2]) < 1e-6
    assert min(off[2:]) > 1e-2


def test_small_tensors_stay_exact() -> None:
    given = gradients(2)
    means, _ = kc.simulate(kc.SkipSmall(kc.Int4(), 100), given)
    for i, is_small in enumerate([False, True, False, True]):
        off = np.abs(flat(means[i : i + 1]) - np.mean([t[i] for t in given], axis=0).ravel()).max()
        assert (off < 1e-6) == is_small


class Exactly(kc.Compressor):
    """Another one while compression is off."""

    def __init__(self, compression: kc.Compressor) -> None:
        self._compression = compression

    def state(self, layout):
        return self._compression.state(layout)

    def reduce(self, x, layout, state, transport, step) -> kc.Reduced:
        return self._compression.reduce_exactly(x, layout, state, transport)


@pytest.mark.parametrize("compressor", [c for c in ALL if not c.has_momentum], ids=repr)
def test_what_waits_goes_with_the_first_mean_that_is_exact(compressor: kc.Compressor) -> None:
    if compressor in FORGETFUL:
        compressor = kc.ErrorFeedback(compressor)
    given = gradients(3)
    exact = mean_of(given)
    first, states = kc.simulate(compressor, given, step=5)
    second, left = kc.simulate(Exactly(compressor), given, states)
    third, _ = kc.simulate(Exactly(compressor), given, left)
    waits = any(kept.name == "residual" for kept in compressor.state(kc.Layout(tuple(SHAPES))))
    total = flat(second) + (flat(first) if waits else exact)
    assert np.abs(total - 2 * exact).max() < 1e-6 * np.abs(exact).max()
    assert np.abs(flat(third) - exact).max() < 1e-6 * np.abs(exact).max()


def test_what_waits_beside_small_tensors_goes_with_the_first_mean_that_is_exact() -> None:
    compressor, given = kc.SkipSmall(kc.ErrorFeedback(kc.TopK(0.1)), 100), gradients(2)
    first, states = kc.simulate(compressor, given)
    second, _ = kc.simulate(Exactly(compressor), given, states)
    assert np.abs(flat(first) - mean_of(given)).max() > 1e-3
    assert flat(first) + flat(second) == pytest.approx(2 * mean_of(given), rel=1e-5, abs=1e-6)


def test_momentum_goes_on_where_all_is_sent() -> None:
    given, compressor = gradients(2), Exactly(kc.Chain(kc.TopK(0.1, momentum=0.5), kc.Cast()))
    states, expected = [[keras.ops.zeros(SIZE)] * 2 for _ in given], 0.0
    for _ in range(3):
        expected = 0.5 * expected + mean_of(given)
        means, states = kc.simulate(compressor, given, states)
        assert flat(means) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("compressor", ALL, ids=repr)
def test_a_configuration_makes_the_same(compressor: kc.Compressor) -> None:
    saved = keras.saving.serialize_keras_object(compressor)
    again = keras.saving.deserialize_keras_object(saved)
    assert type(again) is type(compressor)
    assert repr(again) == repr(compressor)
    first, second = kc.simulate(compressor, gradients(2))[0], kc.simulate(again, gradients(2))[0]
    assert np.array_equal(flat(first), flat(second))


@pytest.mark.parametrize("compressor", [kc.QSGD(), kc.TernGrad(), kc.RandomK(0.2)], ids=repr)
def test_every_step_worker_and_seed_has_noise_of_its_own(compressor: kc.Compressor) -> None:
    given = gradients(1) * 2  # one that is reduced alone would not be rounded
    of_step = [flat(kc.simulate(compressor, given, None, step)[0]) for step in range(2)]
    assert not np.array_equal(*of_step)
    assert np.array_equal(of_step[0], flat(kc.simulate(compressor, given)[0]))
    other = type(compressor)(**{**compressor.get_config(), "seed": 1})
    assert not np.array_equal(of_step[0], flat(kc.simulate(other, given)[0]))


BAD = [
    (kc.Cast, {"dtype": "float8"}, "Cast.dtype"),
    (kc.Int8, {"block": 0}, "Int8.block"),
    (kc.Int8, {"block": 6}, "Int8.block"),
    (kc.Int4, {"block": 12}, "Int4.block"),
    (kc.QSGD, {"levels": 0}, "QSGD.levels"),
    (kc.QSGD, {"levels": 128}, "QSGD.levels"),
    (kc.QSGD, {"seed": -1}, "QSGD.seed"),
    (kc.TernGrad, {"block": 8}, "TernGrad.block"),
    (kc.SignSGD, {"block": 16}, "SignSGD.block"),
    (kc.SignSGD, {"majority_vote": 1}, "SignSGD.majority_vote"),
    (kc.TopK, {"ratio": 0.0}, "TopK.ratio"),
    (kc.TopK, {"ratio": 1.5}, "TopK.ratio"),
    (kc.TopK, {"selection": "best"}, "TopK.selection"),
    (kc.TopK, {"warmup_steps": -1}, "TopK.warmup_steps"),
    (kc.TopK, {"momentum": 1.0}, "TopK.momentum"),
    (kc.RandomK, {"ratio": True}, "RandomK.ratio"),
    (kc.PowerSGD, {"rank": 0}, "PowerSGD.rank"),
    (kc.ErrorFeedback, {"compression": "int8"}, "ErrorFeedback.compression"),
    (kc.ErrorFeedback, {"compression": kc.QSGD()}, "ErrorFeedback.compression"),
    (kc.ErrorFeedback, {"compression": kc.TopK(momentum=0.9)}, "ErrorFeedback.compression"),
    (kc.ErrorFeedback, {"compression": kc.ErrorFeedback(kc.Int8())}, "ErrorFeedback.compression"),
    (kc.ErrorFeedback, {"compression": kc.Int8(), "decay": 1.1}, "ErrorFeedback.decay"),
    (kc.SkipSmall, {"compression": None}, "SkipSmall.compression"),
    (kc.SkipSmall, {"compression": kc.Int8(), "elements": 0}, "SkipSmall.elements"),
    (kc.Chain, {"compression": kc.Int8(), "code": kc.Cast()}, "Chain.compression"),
    (kc.Chain, {"compression": kc.TopK(), "code": kc.TopK()}, "Chain.code"),
    (kc.WarmUp, {"compression": kc.Int8(), "steps": 0}, "WarmUp.steps"),
    (kc.WarmUp, {"steps": 1, "compression": kc.TopK(momentum=0.9)}, "WarmUp.compression"),
    (kc.SkipSmall, {"compression": kc.TopK(momentum=0.9)}, "SkipSmall.compression"),
]


@pytest.mark.backend_free
@pytest.mark.parametrize(("cls", "arguments", "named"), BAD, ids=lambda x: x if isinstance(x, str) else "")
def test_bad_arguments_are_refused(cls, arguments: dict, named: str) -> None:
    with pytest.raises(ValueError, match=rf"^{named} must be .*; received") as error:
        cls(**arguments)
    assert repr(arguments[named.partition(".")[2]]) in str(error.value)


def test_workers_with_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"simulate.gradients must be"):
        kc.simulate(kc.Int8(), [[np.ones(3)], [np.ones(4)]])


@pytest.mark.backend_free
def test_names_make_compressors() -> None:
    assert repr(kc.get("PowerSGD", rank=2)) == "PowerSGD(rank=2, seed=0)"
    given = kc.Int4()
    assert kc.get(given) is given
    for bad, options in (("int9", {}), (given, {"block": 8}), (None, {})):
        with pytest.raises(ValueError, match=r"compression must be a compressor, or one of cast, int4"):
            kc.get(bad, **options)


@pytest.mark.parametrize("true", [0, 3, 40, 150])
def test_first_places_are_found_in_two_ways(true: int) -> None:
    chosen = np.zeros(150, bool)
    chosen[np.random.default_rng(0).permutation(150)[:true]] = True
    wanted = np.append(np.flatnonzero(chosen), np.full(40, 150))[:40]
    x = keras.ops.convert_to_tensor(chosen)
    for find in (_selection.first_places, _selection._by_rows):
        assert keras.ops.convert_to_numpy(find(x, 40)).tolist() == wanted.tolist()


@pytest.mark.parametrize("count", [100, 2_500, 20_000])
def test_a_sample_finds_nine_tenths_of_what_is_asked_for(count: int) -> None:
    x = np.random.default_rng(count).standard_normal(1 << 20).astype("float32")
    places = keras.ops.convert_to_numpy(_selection.sampled(keras.ops.convert_to_tensor(x), count))
    found = places[places < len(x)]
    assert 0.88 * count <= len(found) <= count  # the sample itself is drawn
    assert len(set(found.tolist())) == len(found)
    assert np.abs(x[found]).min() >= np.sort(np.abs(x))[-len(found)]
