"""What a user sees of a training."""

import io

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_neural_opt.callbacks import TrainingProgress


def output(verbose: int, epochs: int = 2) -> str:
    console = Console(file=io.StringIO(), width=80)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    progress = TrainingProgress(verbose, console)
    model.fit(np.ones((4, 2)), np.zeros((4, 1)), epochs=epochs, verbose=0, callbacks=[progress])
    return console.file.getvalue()


def test_silent():
    assert output(0) == ""


def test_a_line_an_epoch():
    assert output(2) == "epoch 1/2  loss 4\nepoch 2/2  loss 4\n"


def test_a_table_at_the_end():
    lines = output(1).splitlines()
    assert any("2 epochs in" in line for line in lines)
    assert [line.split() for line in lines if "loss" in line] == [["│", "loss", "│", "4", "│", "4", "│"]]


def test_a_failed_training_leaves_no_bar():
    console = Console(file=io.StringIO())
    progress = TrainingProgress(1, console)
    progress.set_params({"epochs": 2, "steps": 1})
    progress.on_train_begin()
    progress.close()
    with console.status("another live display is possible again"):
        pass


@pytest.mark.parametrize("verbose", [-1, 3, "auto", True])
def test_bad_verbose(verbose: object):
    with pytest.raises(ValueError, match=r"^TrainingProgress.verbose must be an integer from 0 to 2; received"):
        TrainingProgress(verbose)  # type: ignore[arg-type]
