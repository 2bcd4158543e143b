"""Listings over real sockets: what becomes of their connection."""

import json
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from neuro_sync import ConcurrentRead
from neuro_sync.streams.listing import JobListing
from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.http import HttpTransport

pytestmark = pytest.mark.usefixtures("nothing_left")


class Server(socketserver.ThreadingTCPServer):
    """Answers each request with three lines of ndjson, and counts the connections."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        self.connections = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                self.server.connections += 1

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/x-ndjson")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for number in range(3):
                    line = json.dumps({"id": number}).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:{}/jobs".format(self.server_address[1])

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client may leave early
            super().handle_error(request, client_address)


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def http():
    http = HttpTransport(StaticToken("token"))
    yield http
    http.close()


@pytest.fixture
def listing(server, http):
    return lambda: JobListing(lambda limit: http.stream("GET", server.url), lambda job: job["id"])


def test_a_listing_that_was_read_to_its_end_leaves_its_connection_to_the_next(server, listing):
    for _ in range(3):
        with listing() as jobs:
            assert list(jobs) == [0, 1, 2]
    assert server.connections == 1


def test_a_listing_that_was_left_early_takes_its_connection_along(server, listing):
    with listing() as jobs:
        assert next(jobs) == 0
    with listing() as jobs:
        assert list(jobs) == [0, 1, 2]
    assert server.connections == 2


@pytest.mark.parametrize("held", ["open", "decode"])
def test_a_second_thread_that_reads_gets_an_error_and_the_first_goes_on(server, http, held):
    """Whether the first one opens it or reads it."""
    inside, may_go_on = threading.Event(), threading.Event()

    def hold(here):
        if here == held:
            inside.set()
            may_go_on.wait(30)

    def open_stream(limit):
        hold("open")
        return http.stream("GET", server.url)

    def decode(job):
        hold("decode")
        return job["id"]

    jobs = JobListing(open_stream, decode)
    found = []
    reader = threading.Thread(target=lambda: found.extend(jobs))
    reader.start()
    assert inside.wait(30)
    with pytest.raises(ConcurrentRead, match="another thread is reading"):
        next(jobs)
    with pytest.raises(ConcurrentRead, match="another thread is reading"):
        jobs.__enter__()
    may_go_on.set()
    reader.join(30)
    assert found == [0, 1, 2]
    assert list(jobs) == []
