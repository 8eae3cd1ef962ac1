"""Keras' own tests of eleven optimizers, of their base and of the two wrappers, run on our classes.

What cannot pass is listed here, test by test, with the reason. A listed test that passes fails this suite.
"""

from typing import Any

import keras
import pytest

from keras_neural_opt import optimizers
from tests.judges.keras_test_modules import OURS, judge, load, ours_in_place_of_keras

BACKEND = keras.backend.backend()

WORDING = "it asks for the words of Keras' error; ours says the same in the library's one wording"
MOCKED = (
    "it mocks `assign*` of Keras' variables and optimizer and fails when the former is called: our base computes all,"
    " then writes; tests/contracts checks that sparse gradients touch the same rows"
)
SHARED = (
    "its replicas share one gradient tensor, which TensorFlow's all-reduce returns unsummed; Keras sums accumulators"
    " instead of gradients; the test below gives each replica its own"
)
PRODUCT = "it reads a private variable of Keras' class, which ours computes from the step"
SPARSE_CASES = (
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adam_amsgrad",
    "adamax",
    "adamw",
    "adamw_amsgrad",
    "lion",
    "loss_scale_optimizer_sgd",
    "nadam",
    "rmsprop",
    "rmsprop_momentum",
    "rmsprop_momentum_centered",
    "sgd",
    "sgd_momentum",
    "sgd_momentum_nesterov",
)

SGDTest = judge(load("optimizers/sgd_test.py").SGDTest, {"test_invalid_momentum": WORDING})
AdamTest = judge(load("optimizers/adam_test.py").AdamTest, {})
AdamWTest = judge(load("optimizers/adamw_test.py").AdamWTest, {"test_weight_decay_is_none": WORDING})
RMSpropTest = judge(load("optimizers/rmsprop_test.py").RMSpropTest, {})
AdagradTest = judge(load("optimizers/adagrad_test.py").AdagradTest, {})
AdadeltaTest = judge(load("optimizers/adadelta_test.py").AdadeltaTest, {})
NadamTest = judge(load("optimizers/nadam_test.py").NadamTest, {"test_build_with_empty_var_list": PRODUCT})
AdamaxTest = judge(load("optimizers/adamax_test.py").AdamaxTest, {})
LionTest = judge(load("optimizers/lion_test.py").LionTest, {"test_invalid_beta_1": WORDING})
LambTest = judge(load("optimizers/lamb_test.py").LambTest, {})
AdafactorTest = judge(load("optimizers/adafactor_test.py").AdafactorTest, {})
OptimizerTest = judge(load("optimizers/optimizer_test.py").OptimizerTest, {})
OptimizerSparseTest = judge(
    load("optimizers/optimizer_sparse_test.py").OptimizerSparseTest,
    {f"test_sparse_gradients_{name}": MOCKED for name in SPARSE_CASES},
)
LossScaleOptimizerTest = judge(load("optimizers/loss_scale_optimizer_test.py").LossScaleOptimizerTest, {})
MultiOptimizerTest = judge(load("optimizers/multi_optimizer_test.py").MultiOptimizerTest, {})

if BACKEND == "tensorflow":
    import tensorflow as tf

    DistributeTest = load("backend/tensorflow/optimizer_distribute_test.py").OptimizerDistributeTest

    class OptimizerDistributeTest(judge(DistributeTest, {"test_gradient_accumulation": SHARED})):  # type: ignore[misc]
        @pytest.fixture(autouse=True)
        def use_two_devices(self, mirrored: Any) -> None:
            self.strategy = mirrored

        def setUp(self) -> None:
            # Keras' own set-up resets TensorFlow's context, which would take the variables of all other tests with it.
            self.use_ours()

    del DistributeTest  # pytest would run it as it is

    def test_gradients_of_replicas_are_summed_before_they_accumulate(mirrored: Any):
        # The excepted test, with gradients that each replica makes for itself, as in training.
        with mirrored.scope():
            v = keras.Variable([[1.0, 2.0], [3.0, 4.0]])
            optimizer = optimizers.SGD(1.0, gradient_accumulation_steps=3)
        for step, expected in enumerate(([[1, 2], [3, 4]], [[1, 2], [3, 4]], [[-1, 0], [-1, 0]])):
            mirrored.run(lambda: optimizer.apply([tf.constant([[1.0, 1.0], [2.0, 2.0]])], [v]))
            assert v.numpy().tolist() == expected, f"after micro-step {step + 1}"


def test_the_judges_see_our_classes():
    assert load("optimizers/adam_test.py").Adam is optimizers.Adam
    with ours_in_place_of_keras():
        for name, ours in OURS.items():
            assert type(keras.optimizers.get(name.lower())) is ours
    assert type(keras.optimizers.get("adam")) is not optimizers.Adam
