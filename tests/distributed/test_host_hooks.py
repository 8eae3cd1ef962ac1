"""What Keras does not promise to keep, and distributed training relies on: docs/concepts/host_hooks.md lists it."""

import keras
import pytest
from keras.src.utils import rng_utils


def test_initialize_rng_draws_a_seed_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    if keras.backend.backend() != "jax":
        pytest.skip("Keras has it for JAX")
    from keras.src.backend.jax.distribution_lib import initialize_rng

    keras.utils.set_random_seed(7)
    initialize_rng()
    assert rng_utils.get_random_seed() == 7
    monkeypatch.setattr(rng_utils, "get_random_seed", lambda: None)
    drawn: list[int] = []
    monkeypatch.setattr(rng_utils, "set_random_seed", drawn.append)
    initialize_rng()
    assert len(drawn) == 1


def test_a_step_on_jax_is_made_of_these_parts() -> None:
    if keras.backend.backend() != "jax":
        pytest.skip("a hook of Keras' JAX backend")
    import inspect

    from keras.src.backend.jax.trainer import JAXTrainer
    from keras.src.trainers.data_adapters import data_adapter_utils

    # Where Keras' own step does something else, ours must follow.
    step = inspect.getsource(JAXTrainer.train_step)
    for part in (
        "unpack_x_y_sample_weight",
        "compute_loss_and_updates",
        "stateless_apply",
        "_update_metrics_variables",
    ):
        assert step.count(part) == 1
    assert data_adapter_utils.unpack_x_y_sample_weight((1, 2)) == (1, 2, None)
    parameters = list(inspect.signature(JAXTrainer.compute_loss_and_updates).parameters)
    assert parameters[1:4] == ["trainable_variables", "non_trainable_variables", "metrics_variables"]
    assert parameters[-1] == "optimizer_variables"
    made = inspect.getsource(JAXTrainer.make_train_function)
    assert "step_fn = self.train_step" in made  # one that is set on the model is taken


def test_fit_on_tensorflow_reduces_and_builds_by_these_functions() -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("a hook of Keras' TensorFlow backend")
    import inspect

    from keras.src.backend.tensorflow import trainer

    assert list(inspect.signature(trainer.reduce_per_replica).parameters) == ["values", "strategy", "reduction"]
    build = trainer.TensorFlowTrainer._maybe_symbolic_build
    assert list(inspect.signature(build).parameters) == ["self", "iterator", "data_batch"]
    assert trainer._collective_all_reduce_multi_worker(object()) is False
    # Keras takes what several workers have for one tensor's axis, and for tensors: the repair is for these lines.
    assert 'strategy.reduce("MEAN", v, axis=0)' in inspect.getsource(inspect.unwrap(trainer.reduce_per_replica))


def test_a_strategy_tells_its_workers_and_options(mirrored) -> None:
    import tensorflow as tf

    assert getattr(mirrored.extended, "_num_workers", 1) == 1
    assert mirrored.extended._communication_options.timeout_seconds is None
    for name in ("CollectiveReduceV2", "CollectiveGatherV2", "CollectiveAllToAllV2"):
        assert callable(getattr(tf.raw_ops, name))


def test_a_step_on_torch_is_made_of_these_parts() -> None:
    if keras.backend.backend() != "torch":
        pytest.skip("a hook of Keras' torch backend")
    import inspect

    from keras.src.backend.torch.trainer import TorchTrainer

    made = inspect.getsource(TorchTrainer.make_train_function) + inspect.getsource(TorchTrainer.make_test_function)
    assert "self.train_step" in made  # one that is set on the model is taken
    assert "self.test_step" in made
    model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    assert [v.name for v in model.layers[-1]._non_trainable_variables] == ["moving_mean", "moving_variance"]
    assert len(keras.layers.Dropout(0.5)._seed_generators) == 1
    # Keras' development version has it, and would send all gradients in float32; see `distribute`.
    wraps = inspect.getsource(TorchTrainer._initialize_ddp) if hasattr(model, "ddp_model") else "self.ddp_model is None"
    assert "self.ddp_model is None" in wraps


def test_fit_takes_an_adapter_as_it_is() -> None:
    import numpy as np
    from keras.src.trainers.data_adapters import get_data_adapter
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter

    import keras_neural_opt as kno

    data = kno.distributed.shard(np.zeros((4, 1)), batch_size=4)
    assert isinstance(data, DataAdapter)
    assert get_data_adapter(data, shuffle=True) is data
    assert [len(x) for (x,) in data.get_numpy_iterator()] == [4]


def test_losses_are_scaled_for_replicas(request: pytest.FixtureRequest) -> None:
    from keras import ops
    from keras.src.losses.loss import scale_loss_for_distribution

    assert float(scale_loss_for_distribution(ops.ones(()))) == 1.0
    if keras.backend.backend() == "tensorflow":
        with request.getfixturevalue("mirrored").scope():
            assert float(scale_loss_for_distribution(ops.ones(()))) == 0.5
