"""The optimizer that moves a variable is found through wrappers and among several."""

import keras

import keras_neural_opt as kno
from keras_neural_opt.optimizers._stepping import stepping


def test_what_moves_a_variable_and_how_far():
    kernel, bias = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias")
    sgd, adam = kno.optimizers.SGD(0.1), keras.optimizers.Adam()
    layerwise = kno.optimizers.LayerwiseLearningRate
    assert stepping(adam, kernel) == (adam, 1.0)
    twice = kno.optimizers.Lookahead(layerwise(layerwise(sgd, {"kernel": 0.5}), {"kern": 0.25, "bias": 0.0}))
    assert stepping(twice, kernel) == (sgd, 0.125)
    assert stepping(twice, bias) == (sgd, 0.0)
    several = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(twice, {"bias": adam}))
    for built in (False, True):
        if built:
            several.build([kernel, bias])
        assert stepping(several, kernel) == (sgd, 0.125)
        assert stepping(several, bias) == (adam, 1.0)
