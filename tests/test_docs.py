"""What the documentation says works: examples in docstrings, programs and commands in the README."""

import doctest
import inspect
import re
from pathlib import Path

import pytest

from tests.test_public_api import SYMBOLS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
# The words of a rule are one line each, and every optimizer is their example; a context is handed to transforms.
NEED_NO_EXAMPLE = ("keras_neural_opt.optimizers.rules.", "keras_neural_opt.transforms.GradientContext")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def needs_example(name: str) -> bool:
    """Whether users call the symbol themselves: not an exception, nor what the library hands to them."""
    symbol = SYMBOLS[name]
    is_exception = inspect.isclass(symbol) and issubclass(symbol, BaseException)
    return callable(symbol) and not is_exception and not name.startswith(NEED_NO_EXAMPLE)


def examples(name: str) -> list[doctest.DocTest]:
    """Return the examples of a symbol and of its methods."""
    # The dotted name of the symbol is not its module, which doctest would otherwise insist on.
    found = doctest.DocTestFinder().find(SYMBOLS[name], name, module=False, globs={})
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", SYMBOLS)
def test_docstring_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    tests = examples(name)
    assert tests or not needs_example(name), f"{name} has no example"
    report: list[str] = []
    for test in tests:
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    if report:
        pytest.fail("".join(report), pytrace=False)


PROGRAMS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=["compile", "one call"])
def test_readme_programs_run(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "<README.md>", "exec"), {"__name__": "__main__"})


def commands(pattern: str) -> set[str]:
    """Return what follows a command's name in the README's code."""
    code = re.findall(r"```(?:bash|console)\n(.*?)```|`([^`\n]+)`", README, re.DOTALL)
    return set(re.findall(pattern, "\n".join(block + span for block, span in code), re.MULTILINE))


def test_readme_names_real_make_targets():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = commands(r"^make ([a-z]+)")
    assert {"quickstart", "test"} <= named <= targets


def test_readme_names_real_subcommands(capsys: pytest.CaptureFixture[str]):
    from keras_neural_opt.cli import main

    named = commands(r"^keras-neural-opt ([a-z]+)")
    assert named
    for name in sorted(named):
        with pytest.raises(SystemExit) as exit_status:
            main([name, "--help"])
        assert exit_status.value.code == 0
        assert f"keras-neural-opt {name}" in capsys.readouterr().out


@pytest.mark.parametrize("page", ["host_hooks", "keras_fixes"])
def test_tables_and_tests_name_each_other(page: str):
    listed = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "concepts" / f"{page}.md").read_text()))
    source = "\n\n".join(file.read_text() for file in sorted((ROOT / "tests").glob(f"*/test_{page}.py")))
    written = set(re.findall(r"^def (test_\w+)", source, re.MULTILINE))
    if page == "keras_fixes":
        # What Keras does not get wrong, or has no way to do, needs no row.
        written = {name for name in written if f"def {name}(optimizers" in source or "K7" in _decorators(source, name)}
    assert listed == written


def _decorators(source: str, function: str) -> str:
    return source.partition(f"def {function}(")[0].rpartition("\n\n\n")[2]
