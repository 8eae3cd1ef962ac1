"""Start a script in several processes of this machine that train one model; one that dies stops all."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the sub-command."""
    parser.add_argument("--nproc", type=_at_least_one, required=True, help="how many processes")
    parser.add_argument("--timeout", type=_seconds, help="seconds that they may take before they are stopped")
    parser.add_argument("script", metavar="SCRIPT", help="a Python file that calls distributed.initialize()")
    parser.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="arguments of the script")


def run(options: argparse.Namespace) -> None:
    """Start the processes and wait for them.

    Raises:
        ValueError: There is no such script.
        RuntimeError: A process failed, or they took too long.
    """
    from keras_neural_opt.cli._backend import choose_backend
    from keras_neural_opt.cli._ranks import Ranks

    if not Path(options.script).is_file():
        raise ValueError(f"SCRIPT must be a Python file; received {options.script!r}")
    Ranks(options.nproc, [options.script, *options.arguments], choose_backend(options.backend)).run(options.timeout)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be an integer >= 1; received {text}")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"must be a number > 0; received {text}")
    return number
