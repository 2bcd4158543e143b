"""Each promise of the documentation names tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guarantees.rst"


def test_the_tests_that_hold_the_promises_exist():
    named = re.findall(r"``(tests/[\w/]+\.py)::(test_\w+)``", PAGE.read_text(encoding="utf-8"))
    missing = [
        "{}::{}".format(path, name)
        for path, name in named
        if not (ROOT / path).exists() or "def {}(".format(name) not in (ROOT / path).read_text()
    ]
    assert len(named) > 50
    assert missing == []


def test_each_promise_names_a_test():
    promises = [
        part
        for section in re.split(r"\n.+\n-{4,}\n", PAGE.read_text(encoding="utf-8"))[1:-1]
        for part in re.split(r"\n(?=- )", section)
        if part.startswith("- ")
    ]
    assert len(promises) > 20
    assert [promise for promise in promises if "::test_" not in promise] == []
