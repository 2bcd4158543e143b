"""What is easily written wrong is said at once, in words that help, and nothing is sent."""

from types import SimpleNamespace

import pytest

START = {"image": "ubuntu", "preset_name": "cpu-small"}

MISTAKES = [
    (lambda jobs: jobs.start(command=["ls", "/"], **START), TypeError, "command .*shlex.quote"),
    (lambda jobs: jobs.start(entrypoint=["ls"], **START), TypeError, "entrypoint .*shlex.quote"),
    (lambda jobs: jobs.start(volumes="storage:d:/d", **START), ValueError, r"\['storage:d:/d'\]"),
    (lambda jobs: jobs.start(secret_files="secret:k:/k", **START), ValueError, "several"),
    (lambda jobs: jobs.start(disk_volumes="disk:d:/d", **START), ValueError, "several"),
    (lambda jobs: jobs.start(tags="one", **START), ValueError, r"\['one'\]"),
    (lambda jobs: jobs.wait(SimpleNamespace(id="job-1")), TypeError, "job id .*take its .id"),
    (lambda jobs: jobs.status(None), TypeError, "job id"),
    (lambda jobs: jobs.kill(None), TypeError, "job id"),
    (lambda jobs: jobs.bump_life_span(None, 60), TypeError, "job id"),
    (lambda jobs: jobs.send_signal(None), TypeError, "job id"),
    (lambda jobs: jobs.wait(None), TypeError, "job id"),
    (lambda jobs: jobs.as_completed([None]), TypeError, "job id"),
    (lambda jobs: jobs.save(None, "image:one:v1"), TypeError, "job id"),
    (lambda jobs: jobs.exec(None, "ls", stdout=True), TypeError, "job id"),
    (lambda jobs: jobs.attach(None, stdout=True), TypeError, "job id"),
    (lambda jobs: jobs.monitor(None), TypeError, "job id"),
    (lambda jobs: jobs.top(None), TypeError, "job id"),
    (lambda jobs: jobs.port_forward(None, 0, 80), TypeError, "job id"),
    (lambda jobs: jobs.exec_run("job-1", ["ls"]), TypeError, "command .*shlex.quote"),
    (lambda jobs: jobs.exec_run("job-1", ["ls"], input=b"x"), TypeError, "command .*shlex.quote"),
    (lambda jobs: jobs.exec_run("job-1", "", input=b"x"), ValueError, "command is empty"),
    (lambda jobs: jobs.exec_run("job-1", "cat", input="text"), TypeError, r"encode\(\)"),
    (lambda jobs: jobs.exec_run("job-1", "cat", input=3), TypeError, "bytes-like"),
    (lambda jobs: jobs.start_and_wait(output="log.txt", **START), TypeError, "file or a callable"),
]


@pytest.mark.parametrize(("call", "kind", "words"), MISTAKES)
def test_it_is_said_before_anything_is_sent(jobs, api, call, kind, words):
    with pytest.raises(kind, match=words):
        call(jobs)
    assert api.requests == []
