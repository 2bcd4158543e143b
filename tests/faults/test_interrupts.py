"""Ctrl-C ends each blocking call at once, and nothing but the call."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 0.5


@pytest.fixture(scope="module")
def presses(tmp_path_factory):
    """What became of Ctrl-C in each call, in a process with a terminal of its own."""
    pty = pytest.importorskip("pty")
    results = tmp_path_factory.mktemp("interrupted") / "results.json"
    ours, theirs = pty.openpty()
    screen = []

    def watch():
        try:
            while True:
                screen.append(os.read(ours, 4096))
        except OSError:
            pass  # the process has ended

    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.interrupted", str(results)],
        cwd=str(ROOT),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        code = process.wait(100)
    finally:
        process.kill()
        process.wait()
        watcher.join(10)
        os.close(ours)
    text = b"".join(screen).decode("utf-8", "replace")
    assert code == 0, text
    assert "Traceback" not in text, text
    return json.loads(results.read_text())


def test_ctrl_c_ends_each_call_at_once(presses, figure):
    threads = presses.pop("threads")
    worst = max(press["took"] or 0.0 for press in presses.values())
    ended = sum(press["outcome"] == "interrupted" for press in presses.values())
    untouched = all(press["job"] == press["tty_job"] == "running" for press in presses.values())
    restored = all(press["terminal"] for press in presses.values())
    figure(
        "Ctrl-C in each of {} blocking calls".format(len(presses)),
        "back within 0.5 s, terminal as before, job untouched",
        "{} back within {:.2f} s, terminal {}, job {}".format(
            ended,
            worst,
            "as before" if restored else "CHANGED",
            "untouched" if untouched else "TOUCHED",
        ),
    )
    assert {name: press["outcome"] for name, press in presses.items()} == dict.fromkeys(
        presses, "interrupted"
    )
    assert {name: press["took"] for name, press in presses.items() if press["took"] > AT_ONCE} == {}
    assert untouched
    assert restored
    assert threads == []
