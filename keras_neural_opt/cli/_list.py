"""List the optimizers."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the sub-command."""
    parser.add_argument("pattern", nargs="?", default="*", help="a shell pattern such as 'ada*'; default all")


def run(options: argparse.Namespace) -> None:
    """Print a table of the optimizers whose names match."""
    from rich.console import Console
    from rich.table import Table

    from keras_neural_opt import optimizers
    from keras_neural_opt._core.arguments import did_you_mean
    from keras_neural_opt.optimizers._registry import optimizer_class

    names = optimizers.available(options.pattern)
    if not names:
        near = did_you_mean(options.pattern, optimizers.available())
        raise ValueError(f"no optimizer matches {options.pattern!r}{near}")
    table = Table("name", "class", "what it is")
    for name in names:
        cls = optimizer_class(name)
        table.add_row(name, cls.__name__, (cls.__doc__ or "").strip().partition("\n")[0])
    Console().print(table)
