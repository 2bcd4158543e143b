"""Presses Ctrl-C in each blocking call, one after the other, and writes down what came of it.

``python -m tests.faults.interrupted RESULTS``, with a terminal as standard input and output.
"""

import json
import os
import signal
import sys
import tempfile
import termios
import threading
import time
from contextlib import ExitStack

from neuro_sync import Factory, JobsClient, JobStatus, RetryPolicy
from neuro_sync.local import LocalPlatform

from .black_hole import black_hole

# So many looks in a row, so many seconds apart, have to find the main thread at one place.
LOOKS, APART = 12, 0.01


class CtrlC(threading.Thread):
    """Interrupts the main thread once it waits for something."""

    def __init__(self):
        super().__init__(daemon=True)
        self.armed = self.over = False
        self.pressed = None

    def run(self):
        main = threading.main_thread().ident
        place, looks = None, 0
        while looks < LOOKS:
            if self.over:
                return
            frame = sys._current_frames()[main]
            now = (id(frame), frame.f_lasti)
            looks = looks + 1 if self.armed and now == place else 0
            place = now
            time.sleep(APART)
        self.pressed = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)


def exhaust(iterator):
    for _ in iterator:
        pass


class Calls:
    """Each method is a call that blocks for ever, or nearly so."""

    def __init__(self, platform, jobs, id, tty_id, hole):
        self.platform, self.jobs, self.id, self.tty_id = platform, jobs, id, tty_id
        self.hole = hole

    def connect(self):
        with JobsClient(self.hole, "token") as jobs:
            jobs.status("job-1")

    def connect_websocket(self):
        self.jobs._ws.dial(self.hole)

    def wait_for_an_answer(self):
        self.platform.faults.stall("status")
        self.jobs.status(self.id)

    def back_off(self):
        self.platform.faults.answer(503, retry_after=30, endpoint="status")
        self.jobs.status(self.id)

    def get_a_token(self):
        with JobsClient(self.platform.api_url, threading.Event().wait) as jobs:
            jobs.status(self.id)

    def start(self):
        self.platform.faults.stall("start")
        self.jobs.start(image="ubuntu", preset_name="cpu-small", command="true")

    def list(self):
        self.platform.faults.stall("list", after=1)
        exhaust(self.jobs.list())

    def save(self):
        self.platform.faults.stall("save")
        self.jobs.save(self.id, "image:mine:v1", progress=False)

    def wait(self):
        self.jobs.wait(self.id)

    def as_completed(self):
        exhaust(self.jobs.as_completed([self.id]))

    def start_and_wait(self):
        self.jobs.start_and_wait(
            image="ubuntu",
            preset_name="cpu-small",
            command="sleep 600",
            output=lambda chunk: None,
            kill_on_error=False,
        )

    def log_chunks(self):
        exhaust(self.jobs.monitor(self.id))

    def log_lines(self):
        exhaust(self.jobs.monitor(self.id).lines())

    def log_read(self):
        with self.jobs.monitor(self.id) as log:
            log.read()

    def log_chunk_with_a_timeout(self):
        with self.jobs.monitor(self.id) as log:
            while True:
                log.read_chunk(timeout=60)

    def log_reconnect(self):
        self.platform.faults.close(1001, endpoint="log_ws")
        self.platform.faults.answer(503, retry_after=30, endpoint="log_ws", times=None)
        exhaust(self.jobs.monitor(self.id))

    def top(self):
        self.platform.faults.stall("top")
        exhaust(self.jobs.top(self.id))

    def session_read(self):
        with self.jobs.exec(self.id, "sleep 600", stdout=True) as stream:
            stream.read_out()

    def session_read_with_a_timeout(self):
        with self.jobs.exec(self.id, "sleep 600", stdout=True) as stream:
            stream.read_out(timeout=60)

    def session_write(self):
        with self.jobs.exec(self.id, "sleep 600", stdin=True, stdout=True) as stream:
            while True:
                stream.write_in(b"x" * 100000)

    def attach(self):
        exhaust(self.jobs.attach(self.id, stdout=True, stderr=True))

    def exec_run(self):
        self.jobs.exec_run(self.id, "sleep 600")

    def exec_run_with_input(self):
        self.jobs.exec_run(self.id, "sleep 600", input=b"x" * 10**7)

    def forward_open(self):
        self.platform.faults.stall("status")
        self.jobs.port_forward(self.id, 0, 80)

    def forward_body(self):
        with self.jobs.port_forward(self.id, 0, 80):
            time.sleep(600)

    def interact_with_a_command(self):
        self.jobs.interact(self.id, "cat")

    def interact_with_the_job(self):
        self.jobs.interact(self.tty_id)

    def log_in(self):
        with tempfile.TemporaryDirectory() as directory:
            Factory(directory).login(lambda url: None, url=self.platform.api_url)


def press(call):
    """Press Ctrl-C in a call; returns what came of it."""
    ctrl_c = CtrlC()
    before = termios.tcgetattr(0)
    ctrl_c.start()
    try:
        ctrl_c.armed = True
        call()
    except KeyboardInterrupt:
        outcome = "interrupted"
    except BaseException as error:
        outcome = repr(error)
    else:
        outcome = "returned"
    ctrl_c.over = True
    ctrl_c.join()
    took = None if ctrl_c.pressed is None else time.monotonic() - ctrl_c.pressed
    return {"outcome": outcome, "took": took, "terminal": termios.tcgetattr(0) == before}


def main(results):
    found = {}
    with ExitStack() as stack:
        hole = stack.enter_context(black_hole())
        platform = stack.enter_context(LocalPlatform())
        client = stack.enter_context(platform.client(retry=RetryPolicy(deadline=600)))
        jobs = client.jobs
        options = {"image": "ubuntu", "preset_name": "cpu-small"}
        job = jobs.start(command="sh -c 'echo hello; exec sleep 600'", **options)
        tty_job = jobs.start(command="sleep 600", tty=True, **options)
        for each in (job, tty_job):
            jobs.wait(each.id, statuses={JobStatus.RUNNING}, timeout=30)
        calls = Calls(platform, jobs, job.id, tty_job.id, hole)
        for name in sorted(name for name in dir(Calls) if not name.startswith("_")):
            platform.faults.clear()
            found[name] = press(getattr(calls, name))
            platform.faults.clear()
            found[name]["job"] = jobs.status(job.id).status.value
            found[name]["tty_job"] = jobs.status(tty_job.id).status.value
    deadline = time.monotonic() + 10
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    found["threads"] = [thread.name for thread in threading.enumerate()][1:]
    with open(results, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1])
