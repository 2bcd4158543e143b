"""The pages say all that they have to."""

import re
from pathlib import Path

import pytest

import neuro_sync
from neuro_sync import JobsClient, NeuroError, errors

from .blocks import blocks

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = DOCS.parent / "examples"


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text):
    """The rows of the list tables of a page, each a list of cells."""
    found = re.findall(r"^   \* - (.*(?:\n     .*)*)", text, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"\n     - ", row)] for row in found]


ERRORS = sorted(set(errors.__all__) - {"NeuroError"})


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_has_its_cause_and_what_to_do(name):
    [row] = [row for row in rows(page("errors.rst")) if row[0] == "``{}``".format(name)]
    _, cause, advice = row
    assert cause
    assert advice


def test_no_error_is_on_the_page_that_is_not_there():
    named = {row[0].strip("`") for row in rows(page("errors.rst"))} - {"error"}
    assert named == set(ERRORS)
    assert all(issubclass(getattr(neuro_sync, name), NeuroError) for name in named)


def test_the_reference_has_every_public_name():
    shown = re.findall(
        r"auto(?:class|function|data|exception):: (\w+)(?:\(\))?$", page("reference.rst"), re.M
    )
    listed = set(neuro_sync.__all__) - {"__version__", "DEFAULT_API_URL", *errors.__all__}
    assert listed - set(shown) == set()
    assert set(shown) - set(neuro_sync.__all__) == set()


SDK_METHODS = """attach bump_life_span exec get_capacity kill list monitor port_forward run save send_signal
start status top""".split()


@pytest.mark.parametrize("method", SDK_METHODS)
def test_each_call_of_the_asyncio_sdk_has_its_row(method):
    called = re.compile(r"client\.jobs\.{}\(".format(method))
    assert any(called.search(row[0]) and called.search(row[1]) for row in rows(page("asyncio.rst")))


def test_the_page_on_asyncio_names_nothing_that_is_not_there():
    ours = " ".join(row[1] for row in rows(page("asyncio.rst")))
    assert set(re.findall(r"client\.jobs\.(\w+)\(", ours)) - set(dir(JobsClient)) == set()


def test_every_page_can_be_reached():
    _, *trees = page("index.rst").split(".. toctree::")
    listed = set(re.findall(r"^    (\w+)$", "".join(trees), re.MULTILINE))
    assert listed == {path.stem for path in DOCS.glob("*.rst")} - {"index"}


LONGEST = 90  # what a page shows without a scroll bar


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.rst")), ids=lambda path: path.stem)
def test_code_can_be_read_without_scrolling(path):
    long = [
        line for block in blocks(path) for line in block.code.splitlines() if len(line) > LONGEST
    ]
    assert long == []


def test_every_example_is_shown():
    shown = set(
        re.findall(
            r"literalinclude:: \.\./examples/(\S+)", page("examples.rst") + page("testing.rst")
        )
    )
    scripts = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.glob("**/*.py")}
    assert shown == scripts
