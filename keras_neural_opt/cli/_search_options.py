"""What the commands of a search have in common: their arguments, and what `tune` leaves in the study for `worker`."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any

# With their defaults. A worker has those of the study that it joins.
DEFAULTS: dict[str, Any] = {"objective": "val_loss", "trials": 50, "epochs": 20, "batch_size": 32, "method": "auto"}
_RECORD = "kno:command"


def add_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    """Declare what is searched, how and where.

    Args:
        parser: That of the sub-command.
        default: Where the defaults come from, or an empty text.
    """
    parser.add_argument("what", metavar="SCRIPT:build", help="a file, and in it a function or a keras_tuner.HyperModel")
    parser.add_argument(
        "--data", help="digits, or an .npz file with x_train, y_train, x_val, y_val; default the script's"
    )
    kinds: Mapping[str, Callable[[str], Any]] = {"trials": int, "epochs": int, "batch_size": int}
    helps = {
        "objective": "what is made small or large: METRIC, or METRIC:min or METRIC:max",
        "trials": "configurations to try at most",
        "epochs": "epochs of each, where --data is given",
        "batch_size": "samples of a batch, where --data is given",
        "method": "as optimization_method of hyperparameter_optimization",
    }
    for name, text in helps.items():
        flag, shown = f"--{name.replace('_', '-')}", default or f"default {DEFAULTS[name]}"
        parser.add_argument(flag, type=kinds.get(name, str), help=f"{text}; {shown}")
    parser.add_argument("--directory", default=".", help="folder of the project; default the current one")
    parser.add_argument("--project", default="search", help="name of the project; default %(default)s")
    parser.add_argument("--trial-timeout", type=float, help="seconds that a trial may take")


def chosen(options: argparse.Namespace, otherwise: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the search: those that were given, and others from elsewhere."""
    given = {name: getattr(options, name) for name in DEFAULTS if getattr(options, name) is not None}
    return {**DEFAULTS, **{name: otherwise[name] for name in DEFAULTS if name in otherwise}, **given}


def write_down(study: Any, settings: Mapping[str, Any]) -> None:
    """Leave the settings in the study; a search that is continued with others leaves those."""
    study.set_user_attr(_RECORD, json.dumps(settings, sort_keys=True))


def written_down(study: Any) -> dict[str, Any]:
    """Return the settings that a study has, if any: plain numbers and names, and never code."""
    text = study.user_attrs.get(_RECORD)
    return {} if text is None else json.loads(text)


def objective_of(text: str) -> Any:
    """Return what `OptunaOracle` takes for `METRIC` or `METRIC:min`."""
    name, _, direction = text.partition(":")
    return (name, direction) if direction else name
