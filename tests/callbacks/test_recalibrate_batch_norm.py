"""What RecalibrateBatchNorm cannot do is said before the training, not after it."""

from typing import Any

import numpy as np
import pytest

import keras_neural_opt as kno


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be an integer >= 1; received 0"),
        ({"steps": 0}, "steps must be None or an integer >= 1; received 0"),
        ({"fraction": 0.0}, r"fraction must be a number in \(0, 1\]; received 0.0"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=rf"^RecalibrateBatchNorm\.{message}"):
        kno.callbacks.RecalibrateBatchNorm(np.zeros((4, 3)), **arguments)
