"""A user's program that waits: ``waits.py API_URL TOKEN_FILE WHAT [LIBRARY THAT IS NOT INSTALLED ...]``."""

import json
import sys
import threading

import responses

import neuro_sync
from neuro_sync import progress

for library in sys.argv[4:]:
    sys.modules[library] = None  # importing it is an ImportError now

# Every wait counts as a long one.
progress._LONG = 0.0


def saved(image):
    layer = {"id": "5f70bf18a086", "status": "Pushing"}
    return [
        {"status": "CommitStarted", "details": {"image": image}},
        {"status": "CommitFinished"},
        {**layer, "progressDetail": {"current": 1000000, "total": 4000000}},
        {**layer, "progressDetail": {"current": 3000000, "total": 4000000}},
        {"aux": {"Tag": "v1", "Digest": "sha256:0a", "Size": 1}},
    ]


def main(api_url, token_file, what):
    with open(token_file) as file:
        token = file.read()
    with neuro_sync.JobsClient(api_url, token) as jobs:
        start = {"image": "ubuntu", "preset_name": "cpu-small", "command": "sleep 600"}
        started = [jobs.start(tags=["waits"], **start) for _ in range(2)]
        if what == "wait":
            jobs.wait(started[0].id, timeout=100)
        elif what == "within":
            # With a display of its own: some versions of rich allow one at a time, some more.
            from rich.progress import Progress

            with Progress(auto_refresh=False, redirect_stderr=False) as own:
                own.add_task("its own")
                own.refresh()
                jobs.wait(started[0].id, timeout=100)
        elif what == "as_completed":
            for job in jobs.as_completed(started, timeout=100):
                print("ended:", job.status, flush=True)
        elif what == "save":
            # The local platform can't save: its part is played.
            with responses.RequestsMock() as server:
                server.add_passthru(api_url)
                url = "{}/monitoring/jobs/{}/save".format(api_url, started[0].id)
                image = jobs.parse.remote_image("image:mine:v1").as_docker_url()
                answer = "".join(json.dumps(line) + "\r\n" for line in saved(image))
                server.add("POST", url, body=answer, content_type="application/x-ndjson")
                jobs.save(started[0].id, "image:mine:v1")
            print("saved", flush=True)
    threads = threading.enumerate()
    assert threads == [threading.main_thread()], threads
    print("the end", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
