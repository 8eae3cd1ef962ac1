"""The torch step runs in cache-sized parts; where it is cut must not matter."""

import keras
import numpy as np
import pytest

import keras_neural_opt as kno

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="torch alone computes in parts")


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

    from keras_neural_opt._core.backend_torch_parts import Joined, plan

    dtypes = [torch.float32, torch.bfloat16, torch.float32, torch.float32]
    kept = [[torch.empty(5, dtype=dtype) for dtype in dtypes]]
    parts = plan(kept, [True, True, False, True], elementwise=True, flat=True)
    assert set(parts) == {Joined((0, 3)), Joined((1,)), Joined((2,))}


@pytest.mark.parametrize("name", kno.optimizers.available())
@pytest.mark.parametrize("part", [5, 1 << 30])
def test_parts_change_nothing(name, part, monkeypatch):
    import torch

    from keras_neural_opt._core import backend_torch_parts

    def run():
        rng = np.random.default_rng(0)
        shapes = [(), (3,), (4, 5), (2, 3, 2)]
        variables = [keras.Variable(rng.normal(size=s).astype("float32")) for s in shapes]
        optimizer = kno.optimizers.get(name, learning_rate=0.1, weight_decay=0.1, weight_decay_mask="matrices_only")
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
        monkeypatch.setattr(backend_torch_fused, "usable", lambda lists: fused)
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
