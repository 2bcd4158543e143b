"""Listings over real sockets: what becomes of their connection."""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest

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


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def listing(server):
    http = HttpTransport(StaticToken("token"))
    url = "http://127.0.0.1:{}/jobs".format(server.server_address[1])
    yield lambda: JobListing(lambda limit: http.stream("GET", url), lambda job: job["id"])
    http.close()


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
