"""Every method of JobsClient, over real sockets, with real jobs."""

import io
import pathlib
import re
import socket
from datetime import datetime, timedelta, timezone

import pytest

import neuro_sync
from neuro_sync import (
    Container,
    HTTPPort,
    ImageSaveError,
    JobFailed,
    JobPriority,
    JobRestartPolicy,
    JobsClient,
    JobStatus,
    JobWaitTimeout,
    Message,
    Resources,
    StdStreamError,
)

from ..local.processes import python, sh

RUNNING = {JobStatus.RUNNING}
RESOURCES = Resources(cpu=0.1, memory=64 * 2**20)


def test_no_method_is_forgotten():
    source = pathlib.Path(__file__).read_text(encoding="utf-8")
    for name in dir(JobsClient):
        if not name.startswith("_") and name not in ("config", "parse", "close"):
            if name != "interact":  # which needs a terminal: tests/terminal
                assert re.search(r"\bjobs\.{}\(".format(name), source), name


# Start and look


def test_start(jobs, start):
    job = start(
        "echo hello",
        image="ubuntu:22.04",
        name="of-e2e",
        tags=["b", "a"],
        description="a test",
        env={"A": "1"},
        entrypoint="env",
        http=HTTPPort(8080, requires_auth=False),
        shm=True,
        tty=True,
        life_span=3600,
        schedule_timeout=60,
        restart_policy=JobRestartPolicy.ON_FAILURE,
        priority=JobPriority.HIGH,
        project_name="local-project",
    )
    assert job.status is JobStatus.PENDING
    assert job.id.startswith("job-")
    assert job.name == "of-e2e"
    assert list(job.tags) == ["a", "b"]
    assert job.container.image.name == "ubuntu"
    assert job.container.command == "echo hello"
    assert job.container.entrypoint == "env"
    assert job.container.env == {"A": "1"}
    assert job.container.http.port == 8080
    assert job.container.resources.shm
    assert job.container.tty
    assert job.life_span == 3600
    assert job.schedule_timeout == 60
    assert job.restart_policy is JobRestartPolicy.ON_FAILURE
    assert job.priority is JobPriority.HIGH
    assert job.project_name == "local-project"
    assert job.preset_name == "cpu-small"
    assert jobs.wait(job.id, timeout=30).status is JobStatus.SUCCEEDED


def test_start_with_a_key(jobs, start):
    first = start("true", idempotency_key="of e2e")
    again = jobs.start(
        image="ubuntu", preset_name="cpu-small", command="true", idempotency_key="of e2e"
    )
    assert again.id == first.id


def test_run(jobs):
    container = Container(image="ubuntu", resources=RESOURCES, command="echo ran")
    with pytest.warns(DeprecationWarning, match="start"):
        job = jobs.run(container, name="of-e2e-run", tags=["e2e-run"], life_span=600)
    assert job.container.resources.memory == 64 * 2**20
    assert jobs.wait(job.id, timeout=30).status is JobStatus.SUCCEEDED
    assert jobs.monitor(job.id).read() == b"ran\n"


def test_status(jobs, quiet):
    job = jobs.status(quiet.id)
    assert job.id == quiet.id
    assert job.status is JobStatus.RUNNING
    assert job.history.started_at <= datetime.now(timezone.utc)


def test_status_of_a_name(jobs, start):
    job = start("sleep 600", name="of-e2e-status")
    assert jobs.status("of-e2e-status").id == job.id


def test_list(jobs, start):
    made = [start("true", tags=["e2e-list"]) for _ in range(3)]
    ids = [job.id for job in made]
    for job in made:
        jobs.wait(job.id, timeout=30)
    with jobs.list(tags=["e2e-list"]) as found:
        assert [job.id for job in found] == ids
    assert [job.id for job in jobs.list(tags=["e2e-list"], reverse=True, limit=2)] == ids[:0:-1]
    assert list(jobs.list(tags=["e2e-list"], statuses=RUNNING)) == []
    since = made[1].history.created_at
    assert [job.id for job in jobs.list(tags=["e2e-list"], since=since, until=since)] == ids[1:2]
    assert list(jobs.list(tags=["e2e-list"], owners=["nobody"])) == []


# End


def test_kill(jobs, start):
    job = start("sleep 600")
    assert jobs.kill(job.id) is None
    killed = jobs.status(job.id)
    assert killed.status is JobStatus.CANCELLED
    assert killed.history.reason == "UserRequested"
    jobs.kill(job.id)
    assert jobs.status(job.id).history.finished_at == killed.history.finished_at


def test_bump_life_span(jobs, start):
    job = start("sleep 600", life_span=60)
    assert jobs.bump_life_span(job.id, 150) is None
    assert jobs.status(job.id).life_span == 180


def test_send_signal(jobs, job_of):
    job = job_of("sleep 600")
    assert jobs.send_signal(job.id) is None
    job = jobs.wait(job.id, timeout=30)
    assert job.status is JobStatus.FAILED
    assert job.history.exit_code == 137


def test_get_capacity(jobs):
    capacity = jobs.get_capacity()
    assert set(capacity) == {"cpu-small", "cpu-medium", "cpu-large"}
    assert all(count >= 0 for count in capacity.values())


# Follow


def test_monitor(jobs, start):
    job = start(sh("exec 2>&1; echo one; echo two >&2; printf three"))
    with jobs.monitor(job.id, separator="") as log:
        assert list(log.lines()) == ["one", "two", "three"]
        assert log.job.status is JobStatus.SUCCEEDED
    assert b"".join(jobs.monitor(job.id)) == jobs.monitor(job.id).read()
    stamped = next(jobs.monitor(job.id, timestamps=True).lines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z one", stamped)


def test_monitor_goes_on_behind_a_cursor(jobs, chatty):
    with jobs.monitor(chatty.id, separator="") as log:
        lines = log.lines()
        first = [next(lines) for _ in range(3)]
        cursor = log.cursor
    with jobs.monitor(chatty.id, after=cursor, separator="") as log:
        assert int(next(log.lines()).split()[1]) == int(first[-1].split()[1]) + 1


def test_monitor_since(jobs, chatty):
    since = datetime.now(timezone.utc)
    with jobs.monitor(chatty.id, since=since, timestamps=True, separator="") as log:
        stamp = next(log.lines()).split()[0]
    # A server knows whole seconds in the live part.
    assert stamp >= since.strftime("%Y-%m-%dT%H:%M:%S")


def test_top(jobs, chatty):
    with jobs.top(chatty.id) as samples:
        sample = next(samples)
    assert sample.cpu >= 0
    assert sample.memory > 0
    assert sample.timestamp == pytest.approx(datetime.now().timestamp(), abs=60)


# Work in it


def test_exec(jobs, quiet):
    with jobs.exec(
        quiet.id, sh("read line; echo $line; echo $line >&2"), stdin=True, stdout=True, stderr=True
    ) as stream:
        stream.write_in(b"words\n")
        output = {1: b"", 2: b""}
        for message in stream:
            assert isinstance(message, Message)
            output[message.fileno] += message.data
        assert output == {1: b"words\n", 2: b"words\n"}
        assert stream.exit_code == 0


def test_exec_with_a_terminal(jobs, quiet):
    with jobs.exec(quiet.id, sh("read x; stty size"), tty=True, stdin=True, stdout=True) as stream:
        stream.resize(33, 120)
        stream.write_in(b"\n")
        output = b"".join(message.data for message in stream)
    assert b"33 120" in output


def test_exec_that_fails(jobs, quiet):
    with jobs.exec(quiet.id, sh("exit 7"), stdout=True) as stream:
        with pytest.raises(StdStreamError) as caught:
            stream.read_out(timeout=30)
        assert caught.value.exit_code == stream.exit_code == 7
        assert stream.read_out() is None


def test_exec_run(jobs, quiet):
    result = jobs.exec_run(quiet.id, sh("cat; echo err >&2; exit 3"), input=b"bytes \x00\xff")
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"bytes \x00\xff", b"err\n")
    with pytest.raises(StdStreamError, match="err"):
        jobs.exec_run(quiet.id, sh("echo err >&2; exit 3"), check=True)
    with pytest.raises(TimeoutError):
        jobs.exec_run(quiet.id, "sleep 600", timeout=0.2)


@pytest.mark.parametrize("buffer", [bytearray, lambda data: memoryview(data).cast("I")])
def test_exec_run_gives_a_command_all_bytes_of_a_buffer(jobs, quiet, buffer):
    data = bytes(range(12))
    assert jobs.exec_run(quiet.id, "cat", input=buffer(data)).stdout == data


def test_attach(jobs, start):
    job = start(sh("read line; echo got $line; echo $line >&2; exit 4"))
    job = jobs.wait(job.id, statuses=RUNNING, timeout=30)
    with jobs.attach(job.id, stdin=True, stdout=True, stderr=True) as stream:
        stream.write_in(b"it\n")
        output = {1: b"", 2: b""}
        for message in stream:
            output[message.fileno] += message.data
    assert output == {1: b"got it\n", 2: b"it\n"}
    assert stream.exit_code == 0  # the protocol knows no other, the job does
    assert jobs.wait(job.id, timeout=30).history.exit_code == 4


def test_attach_to_a_terminal(jobs, job_of):
    job = job_of(sh("read line; echo got $line"), tty=True)
    with jobs.attach(job.id, tty=True, stdin=True, stdout=True) as stream:
        stream.write_in(b"it\n")
        assert b"got it\r\n" in b"".join(message.data for message in stream)


def test_port_forward(jobs, echo):
    job, port = echo
    with jobs.port_forward(job.id, 0, port) as forward:
        assert forward.local_port > 0
        assert forward.job_port == port
        with socket.create_connection(("127.0.0.1", forward.local_port), timeout=30) as first:
            with socket.create_connection(("127.0.0.1", forward.local_port), timeout=30) as second:
                second.sendall(b"second")
                assert second.recv(100) == b"SECOND"
                first.sendall(b"first")
                assert first.recv(100) == b"FIRST"
                assert forward.connections == 2
        assert forward.last_error is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", forward.local_port), timeout=30)


def test_port_forward_to_a_job_by_its_name(jobs, start, echo):
    _, port = echo  # jobs share the ports of this machine
    job = start("sleep 600", name="of-e2e-forward")
    jobs.wait(job.id, statuses=RUNNING, timeout=30)
    with jobs.port_forward("of-e2e-forward", 0, port) as forward:
        with socket.create_connection(("127.0.0.1", forward.local_port), timeout=30) as sock:
            sock.sendall(b"named")
            assert sock.recv(100) == b"NAMED"


def test_save(jobs, quiet):
    # The local platform has no images: it says so in the way of the protocol.
    with pytest.raises(ImageSaveError, match="local platform"):
        jobs.save(quiet.id, "image:mine:v1", progress=False)


# Wait


def test_wait(jobs, start):
    job = start("sleep 0.2")
    assert jobs.wait(job.id, statuses=RUNNING, timeout=30).status is JobStatus.RUNNING
    assert jobs.wait(job.id, timeout=30).status is JobStatus.SUCCEEDED
    with pytest.raises(
        neuro_sync.JobFinished, match="has ended and will not become running"
    ) as caught:
        jobs.wait(job.id, statuses=RUNNING)
    assert caught.value.job.status is JobStatus.SUCCEEDED


def test_wait_that_takes_too_long(jobs, quiet):
    with pytest.raises(JobWaitTimeout) as caught:
        jobs.wait(quiet.id, timeout=0.2)
    assert caught.value.job.id == quiet.id


def test_as_completed(jobs, start, quiet):
    slow, failing = start("sleep 0.5"), start("false")
    order = [job.id for job in jobs.as_completed([slow, failing.id, failing], timeout=30)]
    assert order == [failing.id, slow.id]
    with pytest.raises(JobWaitTimeout):
        list(jobs.as_completed([quiet], timeout=0.2))


def test_start_and_wait(jobs):
    options = {"image": "ubuntu", "preset_name": "cpu-small"}
    output = io.BytesIO()
    job = jobs.start_and_wait(command="echo hello", output=output, timeout=30, **options)
    assert job.status is JobStatus.SUCCEEDED
    assert output.getvalue() == b"hello\n"
    with pytest.raises(JobFailed) as caught:
        jobs.start_and_wait(
            command=sh("echo last words; exit 9"), check=True, timeout=30, **options
        )
    assert caught.value.job.history.exit_code == 9
    assert list(caught.value.log_tail) == ["last words"]


def test_start_and_wait_kills_what_takes_too_long(jobs):
    with pytest.raises(JobWaitTimeout) as caught:
        jobs.start_and_wait(
            image="ubuntu", preset_name="cpu-small", command="sleep 600", timeout=0.3
        )
    assert jobs.status(caught.value.job.id).status is JobStatus.CANCELLED


# A client without a login on disk, and one inside a job


def test_a_jobs_client_of_its_own(platform, quiet):
    with JobsClient(platform.api_url, platform.token) as jobs:
        assert jobs.status(quiet.id).id == quiet.id
        assert jobs.exec_run(quiet.id, "echo hello").stdout == b"hello\n"
        assert str(jobs.config.api_url) == platform.api_url
        assert jobs.parse.remote_image("ubuntu").name == "ubuntu"


def test_a_job_may_work_with_other_jobs(jobs, start):
    inner = (
        "import neuro_sync\n"
        "with neuro_sync.get() as client:\n"
        "    job = client.jobs.start_and_wait(\n"
        "        image='ubuntu', preset_name='cpu-small', command='echo from within', output=print)\n"
        "    print(job.status.value)\n"
    )
    job = start(python(inner), pass_config=True)
    assert jobs.monitor(job.id, separator="").read() == b"b'from within\\n'\nsucceeded\n"
    assert jobs.wait(job.id, timeout=30).history.exit_code == 0


def test_times_of_other_zones(jobs, start):
    job = start("true", tags=["e2e-zones"])
    zone = timezone(timedelta(hours=5, minutes=45))
    moment = job.history.created_at.astimezone(zone)
    assert [found.id for found in jobs.list(tags=["e2e-zones"], since=moment)] == [job.id]
    assert [found.id for found in jobs.list(tags=["e2e-zones"], until=moment)] == [job.id]
