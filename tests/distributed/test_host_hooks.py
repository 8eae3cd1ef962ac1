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
