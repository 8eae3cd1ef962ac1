"""Draw learning-rate schedules, one or several."""

import argparse
import json
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the sub-command."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="a class, such as OneCycle or cosine_annealing")
    parser.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument, in Keras' spelling or torch's, of every schedule that takes it; lists as 30,60",
    )
    parser.add_argument("--learning-rate", type=float, default=1.0, help="where no argument says; default %(default)s")
    parser.add_argument("--steps", type=int, default=1000, help="how many are drawn; default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("schedule.svg"), help="the picture; default %(default)s")


def run(options: argparse.Namespace) -> None:
    """Write the picture and print a table of rates."""
    from rich.console import Console
    from rich.table import Table

    from keras_neural_opt._core.files import write_atomic
    from keras_neural_opt.schedules import schedule_figure
    from keras_neural_opt.schedules._configs import arguments_of, schedule_class, scheduler_config
    from keras_neural_opt.training._report import svg

    if options.out.suffix != ".svg":
        raise ValueError(f"plot-schedule.out must be the name of an .svg file; received {str(options.out)!r}")
    given = dict(map(_pair, options.arg))
    classes = [schedule_class(name) for name in options.names]
    for name, value in given.items():
        if not any(name in arguments_of(cls) for cls in classes):
            taken = sorted({taken for cls in classes for taken in arguments_of(cls)})
            raise ValueError(f"plot-schedule.arg must be one of {', '.join(taken)}; received {name}={value}")
    schedules = {}
    for cls in classes:
        own = {name: value for name, value in given.items() if name in arguments_of(cls)}
        schedules[cls.__name__] = scheduler_config(cls, own, {}).build(options.learning_rate)
    write_atomic(options.out, svg(schedule_figure(schedules, options.steps), background="white"))
    table = Table("step", *schedules)
    for tenth in range(11):
        step = round((options.steps - 1) * tenth / 10)
        table.add_row(str(step), *(f"{schedule(step):.4g}" for schedule in schedules.values()))
    console = Console()
    console.print(table)
    console.print(f"picture: {options.out}", soft_wrap=True, highlight=False)


def _pair(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ValueError(f"plot-schedule.arg must be NAME=VALUE; received {text!r}")
    read = _value(value)
    return name, [_value(part) for part in value.split(",")] if read == value and "," in value else read


def _value(text: str) -> Any:
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return text
