"""Every code block of README and of the documentation works as it stands there."""

import threading
import webbrowser
from pathlib import Path
from urllib.request import urlopen

import pytest

from neuro_sync import Factory

from .blocks import Runner, blocks, literal_blocks, shell_environment

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]


@pytest.fixture
def reader(platform, tmp_path, monkeypatch):
    """Somebody who is logged in to a local platform, in a home and a working directory of their own."""
    config = tmp_path / "config"
    Factory(config).login_with_token(platform.token, url=platform.api_url)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("APOLO_CONFIG", str(config))
    monkeypatch.chdir(tmp_path)
    visits = []

    def visit(url):
        # A browser does not keep the program that opened it waiting.
        visits.append(threading.Thread(target=lambda: urlopen(url).close()))
        visits[-1].start()

    monkeypatch.setattr(webbrowser, "open", visit)
    yield shell_environment(config)
    for thread in visits:
        thread.join()


# A page shows a fork; that threads are still ending at that moment is no concern of the reader.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem
)
def test_it_works_as_it_is_written(page, reader, capsys):
    runner = Runner(page, reader, capsys)
    for block in blocks(page):
        runner.run(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_block_says_its_language(page):
    assert literal_blocks(page) == []
