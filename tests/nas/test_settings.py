from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt.nas._predictors import pruner_of
from keras_neural_opt.nas._settings import ArchitectureSearchConfig

pytestmark = pytest.mark.backend_free
X, Y = np.zeros((20, 4), "float32"), np.arange(20) % 2

BAD: list[tuple[dict[str, Any], str]] = [
    ({"search_space": "mobilenet"}, r"search_space must be one of .*; received 'mobilenet'; did you mean mobilenet_v3"),
    ({"search_space": 3}, r"search_space must be one of .*, or a kno.nas.SearchSpace; received 3"),
    ({"search_space": None}, r"search_space must be one of .*; received None"),
    (
        {"search_strategy": "evolution"},
        r"search_strategy must be one of .*; received 'evolution'; did you mean evolutionary",
    ),
    ({"search_strategy": None}, r"search_strategy must be one of"),
    ({"population_size": 1}, r"population_size must be an integer >= 2; received 1"),
    ({"population_size": 2.5}, r"population_size must be an integer >= 2; received 2.5"),
    ({"population_size": "20"}, r"population_size must be an integer >= 2; received '20'"),
    ({"generations": 0}, r"generations must be an integer >= 1; received 0"),
    ({"generations": True}, r"generations must be an integer >= 1; received True"),
    (
        {"performance_predictor": "earlystopping"},
        r"performance_predictor must be one of .*; did you mean early_stopping",
    ),
    ({"performance_predictor": None}, r"performance_predictor must be one of"),
    ({"objective": 5}, r"objective must be a name"),
    ({"objective": []}, r"objective must have at least one objective; received \[\]"),
    ({"objective": "goodness"}, r"objective must say whether more is better"),
    ({"objective": ("val_loss", "low")}, r"objective must be a name"),
    ({"objective": ["flops", "flops"]}, r"objective must have each objective once"),
    (
        {"objective": ["val_loss", "flops"], "performance_predictor": "early_stopping"},
        r"performance_predictor must be 'auto' or 'none' with several objectives",
    ),
    *(
        (
            {"objective": ["val_loss", "flops"], "performance_predictor": predictor},
            rf"performance_predictor must be .* with several objectives, .*; received '{predictor}'",
        )
        for predictor in ("zero_cost", "surrogate", "weight_sharing")
    ),
    (
        {"objective": ["val_loss", "flops"], "search_strategy": "one_shot"},
        r"search_strategy must be another than 'one_shot', which ranks by the loss, with several objectives",
    ),
    (
        {"objective": "flops", "search_strategy": "one_shot"},
        r"search_strategy must be another than 'one_shot', .* or one that needs no training; received 'flops'",
    ),
    (
        {"joint": [("learning_rate", "log_uniform", 1e-4, 1e-1)], "search_strategy": "one_shot"},
        r"joint must be None with 'one_shot', which ranks networks alone",
    ),
    ({"max_params": 0}, r"max_params must be None or a number > 0; received 0"),
    ({"max_params": "5M"}, r"max_params must be None or a number > 0; received '5M'"),
    ({"max_flops": -1}, r"max_flops must be None or a number > 0; received -1"),
    ({"max_memory_mb": float("nan")}, r"max_memory_mb must be None or a number > 0; received nan"),
    ({"max_latency_ms": float("inf")}, r"max_latency_ms must be None or a number > 0; received inf"),
    ({"constraints": {"params": 5}}, r"constraints must be a mapping of metrics"),
    ({"constraints": ["params"]}, r"constraints must be a mapping of metrics"),
    ({"joint": [("rate", "log_uniform", 0.0, 1.0)]}, r"search_space.rate must"),
    ({"joint": []}, r"search_space must be a list of tuples"),
    ({"joint": [("rate", "loguniform", 1e-3, 1.0)]}, r"search_space.rate must be of a kind"),
    ({"joint": [("units", "int", 1, 8)], "search_space": "mlp", "data": True}, r"search_space.units must be one of"),
    ({"inherit_weights": 1}, r"inherit_weights must be True or False; received 1"),
    ({"classes": 1}, r"classes must be None or an integer >= 2; received 1"),
    ({"epochs": 0}, r"epochs must be an integer >= 1; received 0"),
    ({"batch_size": 0}, r"batch_size must be an integer >= 1; received 0"),
    ({"early_stopping_patience": 0}, r"early_stopping_patience must be None or an integer >= 1; received 0"),
    ({"trial_timeout": 0}, r"trial_timeout must be None or a number > 0; received 0"),
    ({"time_limit": -5}, r"time_limit must be None or a number > 0; received -5"),
    ({"seed": -1}, r"seed must be None or an integer .*; received -1"),
    ({"seed": 2**31}, r"seed must be None or an integer"),
    ({"project_name": "../x"}, r"project_name must be .*; received '../x'"),
    ({"project_name": ""}, r"project_name must be"),
    ({"overwrite": "yes"}, r"overwrite must be True or False; received 'yes'"),
    ({"workers": 0}, r"workers must be None or an integer >= 1; received 0"),
    ({"verbose": 2}, r"verbose must be an integer"),
    ({"populationsize": 5}, r"populationsize must be an option of it; received 5; did you mean population_size"),
    ({"optimizer": "adamm", "search_space": "mlp", "data": True}, r"adamm"),
]


def refused(options: dict[str, Any]) -> None:
    if options.pop("data", False):
        kno.neural_architecture_search((X, Y), None, options)
    else:
        kno.create_nas_config(**options)


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_configurations_are_refused_before_anything_is_made(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    given = {**options, "directory": tmp_path / "new"}
    with pytest.raises(ValueError, match=message):
        refused(given)
    assert not (tmp_path / "new").exists()


def test_all_spellings_make_the_same() -> None:
    options = {"search_space": "mlp", "population_size": 4, "max_params": 1000}
    made = kno.create_nas_config(options)
    assert made == kno.create_nas_config(list(options.items())) == kno.create_nas_config(**options)
    assert kno.create_nas_config(made, population_size=5).population_size == 5
    assert isinstance(made, ArchitectureSearchConfig)
    assert made.limits == {"params": 1000.0}
    with pytest.raises(ValueError, match="strategy='local'"):
        kno.create_nas_config({"search_strategy": "random"}, strategy="local")


def test_early_stopping_begins_with_a_ninth_of_a_training() -> None:
    pruners = [pruner_of("early_stopping", 1, None, epochs) for epochs in (1, 9, 20, 27)]
    assert [pruner.min_epochs for pruner in pruners] == [1, 1, 2, 3]
    assert pruners[-1].rungs(27) == [3, 9, 27]
    assert [pruner_of(name, 1, None, 27) for name in ("zero_cost", "surrogate", "weight_sharing", "none")] == [None] * 4
    assert pruner_of("auto", 2, None, 27) is pruner_of("auto", 1, 60.0, 27) is None
