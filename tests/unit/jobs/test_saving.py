"""What saving an image tells, and to whom."""

import pytest

from neuro_sync import RemoteImage
from neuro_sync.jobs.saving import (
    ImageCommitFinished,
    ImageCommitStarted,
    ImageProgressSave,
    ImageProgressStep,
    _Teller,
)

IMAGE = RemoteImage("a", "v1", "reg", "c", "o", "p")
EVENTS = [
    ImageProgressSave("job-1", IMAGE),
    ImageCommitStarted("job-1", IMAGE),
    ImageCommitFinished("job-1"),
    ImageProgressStep("layer: Pushing", "layer", "Pushing", 2**20, 2**22),
    ImageProgressStep("layer: Pushed", "layer", "Pushed", None, None),
]


def tell(progress):
    with _Teller(progress) as teller:
        for event in EVENTS:
            teller(event)


def test_a_function_gets_every_event():
    events = []
    tell(events.append)
    assert events == EVENTS


def test_an_object_gets_the_events_that_it_has_methods_for():
    """As the progress objects of the asynchronous SDK have them."""

    class Progress:
        def __init__(self):
            self.steps = []

        def commit_started(self, event):
            assert event.target_image == IMAGE

        def step(self, event):
            self.steps.append(event.status)

    progress = Progress()
    tell(progress)
    assert progress.steps == ["Pushing", "Pushed"]


def test_false_is_for_nothing(capsys):
    tell(False)
    assert capsys.readouterr() == ("", "")


def test_an_error_of_the_callers_own_is_theirs():
    def progress(event):
        raise KeyError(event)

    with pytest.raises(KeyError):
        tell(progress)
