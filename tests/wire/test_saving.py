"""An image that is saved, over real sockets: what a connection that breaks off means."""

import json

import pytest

from neuro_sync import ConnectionFailed, ImageSaveError, JobsClient

from ..peers.config import config_payload
from .raw_server import serve

pytestmark = pytest.mark.usefixtures("nothing_left")

LINES = [
    {"status": "CommitStarted", "details": {"image": "registry.default.example/acme/vision/a:v2"}},
    {"status": "CommitFinished"},
    {"id": "5f70bf18a086", "status": "Pushed"},
    {"aux": {"Tag": "v2", "Digest": "sha256:0a", "Size": 1}},
]


@pytest.fixture
def save():
    """Saves an image where the server sends so many lines, and then breaks off."""

    def save(count):
        def handler(peer):
            while True:
                request = peer.request()
                if request is None:
                    return
                if request.method == "POST":
                    break
                peer.answer(body=json.dumps(config_payload(server.url)).encode())
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for line in LINES[:count]:
                data = json.dumps(line).encode() + b"\r\n"
                peer.send(b"%x\r\n%s\r\n" % (len(data), data))

        with serve(handler) as server, JobsClient(server.url + "/api/v1", "token") as jobs:
            jobs.save("job-1", "image:a:v2", progress=False)

    return save


@pytest.mark.parametrize("count", range(len(LINES)))
def test_an_answer_that_breaks_off_too_early_is_no_image(save, count):
    with pytest.raises(ImageSaveError, match=r"there in part: the connection .* broke") as caught:
        save(count)
    assert (caught.value.status, caught.value.method) == (200, "POST")
    assert isinstance(caught.value.__context__, ConnectionFailed)


def test_an_answer_that_breaks_off_behind_its_last_line_was_all(save):
    save(len(LINES))
