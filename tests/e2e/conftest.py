"""Jobs that several tests need."""

import socket

import pytest

from neuro_sync import JobStatus

from ..local.processes import python

ECHO_SERVER = """
import socketserver

class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while True:
            data = self.request.recv(65536)
            if not data:
                break
            self.request.sendall(data.upper())

class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def job_of(platform):
    """Starts jobs that run, for the tests of a module."""
    with platform.client() as client:
        started = []

        def job_of(command, **options):
            job = client.jobs.start(
                image="ubuntu", preset_name="cpu-small", command=command, **options
            )
            started.append(job.id)
            return client.jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)

        yield job_of
        for id in started:
            client.jobs.kill(id)


@pytest.fixture(scope="module")
def quiet(job_of):
    """A job that runs and says nothing."""
    return job_of("sleep 600")


@pytest.fixture(scope="module")
def chatty(job_of):
    """A job that never stops to talk, and reads what it is told."""
    return job_of(
        python(
            "import itertools, time\n"
            "for number in itertools.count():\n"
            "    print('line', number, flush=True)\n"
            "    time.sleep(0.02)\n"
        )
    )


@pytest.fixture(scope="module")
def echo(job_of, platform):
    """A job that listens on a port, and says in capitals what it was told; and the port."""
    job = job_of(python(ECHO_SERVER))
    with platform.client() as client, client.jobs.monitor(job.id) as log:
        return job, int(next(log.lines()))


@pytest.fixture
def closed_port():
    """A port of this machine on which nobody listens, for as long as the test takes."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]
