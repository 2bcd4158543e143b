import json

import pytest

from neuro_sync.errors import ImageSaveError
from neuro_sync.wire.saving import CommitFinished, CommitStarted, SaveAnswer, Saved, Step

IMAGE = "registry.example/acme/vision/resnet:v4"
STARTED = {"status": "CommitStarted", "details": {"container": "9f86", "image": IMAGE}}
FINISHED = {"status": "CommitFinished"}
AUX = {"aux": {"Tag": "v4", "Digest": "sha256:0a", "Size": 1337}}


def events(*items, finish=True):
    answer = SaveAnswer("v4")
    seen = [event for item in items for event in answer.feed(json.dumps(item).encode())]
    if finish:
        answer.finish()
    return seen


def test_a_whole_answer_becomes_events():
    assert events(
        STARTED,
        FINISHED,
        {"status": "The push refers to repository [registry.example/acme/vision/resnet]"},
        {"id": "a3ed", "status": "Preparing"},
        {"id": "a3ed", "status": "Pushing", "progressDetail": {"current": 1, "total": 4}},
        {"id": "a3ed", "status": "Pushing", "progressDetail": {}, "progress": "[==>  ]"},
        {"id": "v4", "status": "v4: digest: sha256:0a size: 1337"},
        AUX,
    ) == [
        CommitStarted(IMAGE),
        CommitFinished(),
        Step("a3ed", "Preparing", "a3ed: Preparing", None, None),
        Step("a3ed", "Pushing", "a3ed: Pushing", 1, 4),
        Step("a3ed", "Pushing", "a3ed: Pushing [==>  ]", None, None),
        Saved("v4", "sha256:0a", 1337),
    ]


@pytest.mark.parametrize("lines", [(), (STARTED,), (STARTED, FINISHED)])
def test_an_answer_that_ends_early_is_a_failure(lines):
    with pytest.raises(ImageSaveError, match="ended before"):
        events(*lines)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"error": "no", "errorDetail": {"message": "Job 'j' is not running."}}, "not running"),
        ({"error": "Unexpected error: no container"}, "Unexpected error: no container"),
        ({"error": "why", "errorDetail": {}}, "why"),
    ],
)
def test_an_error_in_the_answer_is_raised_with_the_words_of_the_server(line, words):
    for before in ((), (STARTED,), (STARTED, FINISHED)):
        with pytest.raises(ImageSaveError, match=words):
            events(*before, line)


@pytest.mark.parametrize("line", [b"[]", b"\xff", b"{", b'"text"'])
def test_what_is_no_json_object_is_a_failure(line):
    with pytest.raises(ImageSaveError, match="not"):
        list(SaveAnswer("v4").feed(line))


def test_the_first_two_lines_have_to_come_in_their_order():
    with pytest.raises(ImageSaveError, match="CommitStarted has to come"):
        events(FINISHED)
    with pytest.raises(ImageSaveError, match="CommitFinished has to come"):
        events(STARTED, AUX)
    with pytest.raises(ImageSaveError, match="which image"):
        events({"status": "CommitStarted"})
