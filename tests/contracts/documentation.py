"""Contract on docstrings: what a reader finds in the documentation of every class."""

import inspect
import re

from tests.contracts.contract import contract
from tests.contracts.subject import Subject


@contract()
def is_documented(subject: Subject) -> None:
    """Authors and year, rule, arguments with their names, errors, example, differences, cost, reference."""
    assert_documented(subject.spec.cls)


def assert_documented(cls: type, state_per_parameter: bool = True) -> None:
    """Assert that the class has a docstring of its own with every part."""
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    summary, *rest = text.split("\n\n")

    assert "\n" not in summary, "the summary must be one line"
    assert re.search(r"\((.*, )?(19|20)\d\d", summary), f"the summary must name authors and year: {summary!r}"
    assert rest, "the docstring is only a summary"
    assert not re.match(r"\w+:\n", rest[0]), "the idea and when to choose it must follow the summary"
    assert ".. math::" in text, "no update rule"
    sections = dict(re.findall(r"^(\w+):\n((?:(?: {4}.*)?\n)+)", text + "\n", re.MULTILINE))
    wanted = {"Args", "Raises", "Example", "Note", "References"}
    assert wanted <= set(sections), f"sections {wanted - set(sections)} are missing"
    parameters = [name for name in inspect.signature(cls).parameters if name != "kwargs"]
    documented = re.findall(r"^ {4}(\w+):", sections["Args"], re.MULTILINE)
    assert documented == parameters, f"documented are {documented}, taken are {parameters}"
    assert ">>>" in sections["Example"]
    assert re.search(r"https://(arxiv\.org/abs/|doi\.org/|proceedings\.|jmlr\.org|www\.)", sections["References"])
    if state_per_parameter:
        assert re.search(r"State:\s.*(bytes|none)|[Nn]o state", sections["Note"], re.DOTALL), (
            "no word on the state's size"
        )
