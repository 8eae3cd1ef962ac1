"""The torch step runs in cache-sized parts; where it is cut must not matter."""

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from tests.oracles import clipping, transforms

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="torch alone computes in parts"),
    # torch's own, while it compiles.
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
]


@pytest.mark.parametrize("flat", [False, True])
def test_plan_covers_every_element_once(flat):
    import torch

    from keras_neural_opt._core.backend_torch_parts import PART, Stretch, Whole, plan

    sizes = [10, PART + 1, 3 * PART, 0, 2 * PART, PART - 5, 4, 7]
    parameters = [torch.empty(size) for size in sizes]
    # The third has a slot of another size, and the seventh one whose memory lies in another order.
    slot = [torch.empty(size + (i == 2)) for i, size in enumerate(sizes)]
    slot[6] = torch.empty(8)[::2]
    seen = [0] * len(sizes)
    for part in plan([parameters, slot], [True] * 6 + [False] * 2, elementwise=True, flat=flat):
        for i in part.indices:
            assert isinstance(part, Whole) or i not in (2, 6)
            seen[i] += part.stop - part.start if isinstance(part, Stretch) else sizes[i]
    assert seen == sizes


def test_a_joined_part_is_of_one_kind():
    import torch

    from keras_neural_opt._core.backend_torch_parts import Flattened, Joined, plan

    dtypes = [torch.float32, torch.bfloat16, torch.float32, torch.float32]
    kept = [[torch.empty(5, dtype=dtype) for dtype in dtypes]]
    parts = plan(kept, [True, True, False, True], elementwise=True, flat=True)
    assert set(parts) == {Joined((0, 3)), Flattened((1,)), Flattened((2,))}


@pytest.mark.parametrize("name", kno.optimizers.available())
@pytest.mark.parametrize("options", [{}, {"global_clipnorm": 0.1}, {"loss_scale_factor": 3.0}], ids=str)
@pytest.mark.parametrize("part", [5, 1 << 30])
def test_parts_change_nothing(name, part, options, monkeypatch):
    import torch

    from keras_neural_opt._core import backend_torch_parts

    def run():
        rng = np.random.default_rng(0)
        shapes = [(), (3,), (4, 5), (2, 3, 2)]
        variables = [keras.Variable(rng.normal(size=s).astype("float32")) for s in shapes]
        decay = {"weight_decay": 0.1, "weight_decay_mask": "matrices_only"}
        optimizer = kno.optimizers.get(name, learning_rate=0.1, **decay, **options)
        for _ in range(3):
            optimizer.apply([torch.tensor(rng.normal(size=s).astype("float32")) for s in shapes], variables)
        return [v.numpy() for v in variables]

    whole = run()
    monkeypatch.setattr(backend_torch_parts, "PART", part)
    for a, b in zip(run(), whole, strict=True):
        # Vectorized and remainder loops of the kernels may round the last bit differently.
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-7)


@pytest.mark.parametrize(("name", "options"), [("Adam", {}), ("Adam", {"amsgrad": True}), ("SGD", {"momentum": 0.9})])
def test_fused_kernels_compute_the_rule(name, options, monkeypatch):
    import torch

    from keras_neural_opt._core import backend_torch_fused

    calls = []
    kernel = getattr(backend_torch_fused, name.lower())
    monkeypatch.setattr(backend_torch_fused, name.lower(), lambda *a, **k: (calls.append(name), kernel(*a, **k))[1])

    def run(fused):
        monkeypatch.setattr(backend_torch_fused, "usable", lambda *_: fused)
        rng = np.random.default_rng(0)
        variable = keras.Variable(rng.normal(size=(7, 5)).astype("float32"))
        optimizer = getattr(kno.optimizers, name)(0.01, **options)
        for _ in range(10):
            optimizer.apply([torch.tensor(rng.normal(size=(7, 5)).astype("float32"))], [variable])
        return variable.numpy()

    plain = run(False)
    assert not calls
    fused = run(True)
    assert len(calls) == 10
    np.testing.assert_allclose(fused, plain, rtol=0, atol=3e-7)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_strided_and_mixed_variables(dtype):
    import torch

    values = torch.arange(12.0).reshape(3, 4)
    optimizer = kno.optimizers.Adam(0.1)
    # Keras keeps a torch tensor that it is given, and the step updates it in place: each gets its own.
    variables = [keras.Variable(values.T.contiguous()), keras.Variable(values.clone(), dtype=dtype)]
    # As after `tensor.to(memory_format=...)`: the same shape in another order of memory.
    variables[0]._value.data = values.clone().T
    assert not variables[0]._value.data.is_contiguous()
    gradients = [torch.arange(12.0).reshape(4, 3) - 5.5, torch.ones(3, 4)]
    optimizer.apply(gradients, variables)
    np.testing.assert_allclose(variables[0].numpy(), values.T - 0.1 * gradients[0].sign(), atol=1e-5)
    last = keras.ops.convert_to_numpy(variables[1].value.float())
    np.testing.assert_allclose(last, values - 0.1, atol=1e-5 if dtype == "float32" else 0.06)


@pytest.mark.parametrize("name", ["adam", "rmsprop"])
@pytest.mark.parametrize(
    "options",
    [
        {"global_clipnorm": 0.1},
        {"loss_scale_factor": 3.0},
        {"clipnorm": 0.1},
        {"clipvalue": 0.1},
        {"gradient_transforms": [kno.transforms.AdaptiveGradientClipping(0.1)]},
    ],
    ids=str,
)
@pytest.mark.parametrize("part", [5, 1 << 30])
def test_the_callers_gradients_stay_as_they_are(name, options, part, monkeypatch):
    import torch

    from keras_neural_opt._core import backend_torch_parts

    monkeypatch.setattr(backend_torch_parts, "PART", part)
    variables = [keras.Variable(np.ones(shape, "float32")) for shape in [(4, 5), (3,)]]
    gradients = [torch.arange(20.0).reshape(4, 5), torch.ones(3)]
    before = [g.clone() for g in gradients]
    kno.optimizers.get(name, learning_rate=0.1, **options).apply(gradients, variables)
    assert all(torch.equal(g, b) for g, b in zip(gradients, before, strict=True))


def test_a_scaled_gradient_is_computed_when_it_is_read():
    import torch

    from keras_neural_opt._core.tensors import Tensors

    gradients = Tensors([torch.tensor([1.0, 2.0])])
    scaled = gradients.scaled_by(torch.tensor(0.5)).divided_by(2.0)
    raw, factor = scaled.unscaled()
    assert raw[0] is gradients.tensors[0]
    assert float(factor) == 0.25
    assert scaled.tensors[0].tolist() == [0.25, 0.5]
    assert scaled.unscaled()[1] is None
    assert gradients.tensors[0].tolist() == [1.0, 2.0]


def test_what_is_due_is_done_in_its_order():
    import torch

    from keras_neural_opt._core.tensors import Tensors

    gradients = Tensors([torch.tensor([[1.0, 2.0], [3.0, -4.0]])])
    due = gradients.scaled_by(2.0).scaled_by_each([torch.tensor([[1.0, 10.0]])]).clipped_to(-30.0, 5.0)
    assert due.pending()[0][0] is gradients.tensors[0]
    again = due.scaled_by(3.0)
    assert due.tensors[0].tolist() == [[2.0, 5.0], [5.0, -30.0]]
    assert again.clipped_to(-80.0, 12.0).clipped_to(-70.0, 90.0).tensors[0].tolist() == [[6.0, 12.0], [12.0, -70.0]]
    assert gradients.clipped_to(-1.0, 2.0).scaled_by(3.0).tensors[0].tolist() == [[3.0, 6.0], [6.0, -3.0]]
    assert gradients.tensors[0].tolist() == [[1.0, 2.0], [3.0, -4.0]]


@pytest.mark.parametrize("part", [2, 5, 7, 20, 1 << 30])
@pytest.mark.parametrize("compile_update", [False, True])
def test_changed_gradients_are_the_same_in_parts(part, compile_update, monkeypatch):
    import torch

    from keras_neural_opt._core import backend_torch_parts

    monkeypatch.setattr(backend_torch_parts, "PART", part)
    rng = np.random.default_rng(0)
    shapes = [(4, 5), (3,), (2, 3, 2, 2), (11,), ()]
    values, gradients = ([rng.normal(size=s).astype("float32") for s in shapes] for _ in range(2))
    expected = clipping.by_value(transforms.clipped_by_unit(gradients, values, 0.3, 1e-3), 0.1)
    variables = [keras.Variable(value) for value in values]
    chain = [kno.transforms.AdaptiveGradientClipping(0.3), kno.transforms.ClipByValue(0.1)]
    options = {"compile_update": True, "nesterov": True} if compile_update else {}  # no kernel is before the compiler
    optimizer = kno.optimizers.SGD(1.0, gradient_transforms=chain, **options)
    # In another order of memory, as some layers' gradients are.
    optimizer.apply([torch.tensor(g.T.copy()).permute(list(range(g.ndim))[::-1]) for g in gradients], variables)
    for before, after, gradient in zip(values, variables, expected, strict=True):
        np.testing.assert_allclose(before - after.numpy(), gradient, atol=3e-7)


def test_the_norm_of_a_scaled_gradient_computes_no_scaled_gradient():
    import torch

    from keras_neural_opt._core.norms import global_norm
    from keras_neural_opt._core.tensors import Tensors

    scaled = Tensors([torch.tensor([3.0, 4.0])]).scaled_by(-2.0)
    assert float(global_norm(scaled)) == 10.0
    assert scaled.unscaled()[1] == -2.0


def test_the_dithered_factor_is_exact_in_float32_and_right_on_average():
    from keras_neural_opt._core.backend_torch_fused import _dithered

    amount = 4e-6
    rounded = [_dithered(amount, float(t)) for t in range(1, 1001)]
    assert all(float(np.float32(1 - r)) == 1 - r for r in rounded)
    # Rounded to the nearest, as float32 does, each would be 0.16 percent off.
    assert abs(float(np.float32(1 - amount)) - (1 - amount)) > 1.5e-3 * amount
    assert np.mean(rounded) == pytest.approx(amount, rel=5e-5)


@pytest.mark.parametrize("fused", [True, False])
def test_a_small_decay_adds_up(fused, monkeypatch):
    import torch

    from keras_neural_opt._core import backend_torch_fused

    monkeypatch.setattr(backend_torch_fused, "usable", lambda *_: fused)
    start = np.random.default_rng(0).uniform(0.5, 2.0, 4096).astype("float32")
    variable = keras.Variable(start.copy())
    optimizer = kno.optimizers.AdamW(1e-3, weight_decay=4e-3)
    for _ in range(300):
        optimizer.apply([torch.zeros(4096)], [variable])
    shrunk = -np.log(variable.numpy().astype("float64") / start).mean()
    # The kernel's own factor would miss by 1.6e-3.
    assert shrunk == pytest.approx(-300 * np.log1p(-4e-6), rel=3e-4)


def test_a_backward_pass_through_updated_weights_is_refused():
    import torch

    for options in ({}, {"global_clipnorm": 1.0}, {"compile_update": True}):
        optimizer = kno.optimizers.RMSprop(0.1, **options)
        variable = keras.Variable(np.ones((130, 130), "float32"))
        loss = (variable._value**3).sum()
        optimizer.apply([torch.ones(130, 130)], [variable])
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
