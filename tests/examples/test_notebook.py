"""The example notebook, in a running kernel: what a person sees under its cells."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "notebook.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The code cells of the notebook after it was run."""
    # Looked for, not imported: it is another process that needs them.
    missing = [name for name in ("nbclient", "ipykernel") if find_spec(name) is None]
    if missing:
        pytest.skip("not installed: {}".format(", ".join(missing)))
    directory = tmp_path_factory.mktemp("notebook")
    ran = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("run_notebook.py")),
            str(NOTEBOOK),
            str(directory / "result.ipynb"),
        ],
        cwd=str(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stdout
    return code_cells(directory / "result.ipynb")


def code_cells(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def cell(cells, text):
    [found] = [cell for cell in cells if text in "".join(cell["source"])]
    return found


def html(cell):
    results = [out for out in cell["outputs"] if out["output_type"] == "execute_result"]
    return "".join(results[0]["data"]["text/html"])


def printed(cell):
    streams = [out for out in cell["outputs"] if out["output_type"] == "stream"]
    return "".join("".join(out["text"]) for out in streams)


def test_presets_are_a_table(cells):
    assert re.findall(">(cpu-[a-z]+)</td>", html(cell(cells, "client.presets"))) == [
        "cpu-small",
        "cpu-medium",
        "cpu-large",
    ]


def test_a_job_is_followed_and_shown(cells):
    counter = cell(cells, "counter")
    assert printed(counter) == "step 1\nstep 2\nstep 3\n"
    assert ">succeeded<" in html(counter)


def test_an_error_says_why(cells):
    text = printed(cell(cells, "JobFailed"))
    assert "it failed: Error, exit code 3" in text
    assert text.endswith("no such file\n")


def test_telemetry_is_drawn(cells):
    drawn = html(cell(cells, "jobs.top"))
    lines = re.findall('<polyline points="([^"]+)"', drawn)
    assert [len(line.split()) for line in lines] == [5, 5]
    assert re.search(r">[0-9.]+ MiB</td>", drawn)


def test_listings_are_tables(cells):
    assert html(cell(cells, 'tags={"sweep"}')).count("<tr>") == 1 + 4
    assert html(cell(cells, "jobs.list()")).count("<tr>") == 1 + 7


def test_what_came_from_outside_is_escaped(cells):
    shown = html(cell(cells, "jobs.list()"))
    assert "&lt;data&gt;" in shown
    assert "<data>" not in shown


def test_no_outputs_are_stored_in_the_example():
    assert not any(cell["outputs"] for cell in code_cells(NOTEBOOK))
