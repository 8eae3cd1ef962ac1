import pytest

import keras_neural_opt as kno


@pytest.mark.parametrize("rate", [0, lambda: 0.1], ids=["zero", "function"])
def test_a_rate_that_names_no_base_needs_one(rate):
    with pytest.raises(ValueError, match=r"AdaBound\.base_learning_rate must be a number > 0 where learning_rate"):
        kno.optimizers.AdaBound(rate)
    assert kno.optimizers.AdaBound(rate, base_learning_rate=0.1).base_learning_rate == 0.1


def test_the_base_is_the_number_or_the_top_of_the_schedule():
    schedule = kno.schedules.CosineAnnealing(0.4, 100, start_step=50)
    assert kno.optimizers.AdaBound(0.2).base_learning_rate == 0.2
    assert kno.optimizers.AdaBound(schedule).base_learning_rate == 0.4


def test_the_base_survives_a_changed_rate():
    optimizer = kno.optimizers.AdaBound(0.2)
    optimizer.learning_rate = 0.1
    assert kno.optimizers.AdaBound.from_config(optimizer.get_config()).base_learning_rate == 0.2
