"""Everything at once, while faults strike at random: only honest errors, no wrong data, nothing left."""

import random
import socket
import threading
import time
from collections import Counter

from neuro_sync import ConnectionFailed, OutcomeUnknown, ServerError, StreamClosed

SECONDS = 5.0
LONG_SECONDS = 120.0
USERS = 6
ENDPOINTS = ("log_ws", "exec", "attach", "top", "port_forward", "status", "list")
# What a user has to reckon with where a server fails, or where another thread closes a session that is written to.
HONEST = (ConnectionFailed, OutcomeUnknown, ServerError, StreamClosed)


def strike(faults, rng):
    endpoint = rng.choice(ENDPOINTS)
    kind = rng.randrange(5)
    if kind == 0:
        faults.reset_after(rng.randrange(20000), endpoint=endpoint)
    elif kind == 1:
        # Not 1000: of a forward that is the end of the data.
        code = rng.choice((1001, 1006, 1011, 4000))
        faults.close(code, endpoint=endpoint, after=rng.randrange(20000))
    elif kind == 2:
        faults.refuse(endpoint, status=rng.choice((500, 502, 503, 504)))
    elif kind == 3:
        faults.lose_answer(endpoint)
    else:
        faults.clear()
    if rng.random() < 0.05:
        faults.expire_token()


def close_later(stream, rng, longest):
    timer = threading.Timer(rng.random() * longest, stream.close)
    timer.start()
    return timer


def use_log(jobs, id, port, rng):
    with jobs.monitor(id, separator="") as log:
        timer = close_later(log, rng, 1.0)
        numbers = [int(line[5:]) for line in log.lines() if line.startswith("line ")]
        timer.join()
    assert numbers == list(range(1, len(numbers) + 1))


def use_exec(jobs, id, port, rng):
    with jobs.exec(id, "cat", stdin=True, stdout=True) as session:
        timer = close_later(session, rng, 0.5)
        session.write_in(b"x" * rng.randrange(1, 200000))
        assert all(set(message.data) == {ord("x")} for message in session)
        timer.join()


def use_attach(jobs, id, port, rng):
    with jobs.attach(id, stdout=True, stderr=True) as session:
        timer = close_later(session, rng, 0.5)
        for message in session:
            assert message.fileno == 1
        timer.join()


def use_top(jobs, id, port, rng):
    with jobs.top(id) as samples:
        timer = close_later(samples, rng, 1.0)
        assert all(sample.memory >= 0 for sample in samples)
        timer.join()


def use_forward(jobs, id, port, rng):
    data = bytes([rng.randrange(256)]) * rng.randrange(1, 200000)
    with jobs.port_forward(id, 0, port) as forward:
        try:
            received = exchange(forward, data)
        except ConnectionResetError:
            return  # it was cut, and says so
    assert received == data


def exchange(forward, data):
    with socket.create_connection(("127.0.0.1", forward.local_port), timeout=30) as local:
        sender = threading.Thread(target=send, args=(local, data))
        sender.start()
        try:
            return receive(local, len(data))
        finally:
            sender.join()


def send(local, data):
    try:
        local.sendall(data)
    except OSError:
        pass  # whoever receives meets the same error


def receive(local, size):
    """So many bytes; fewer where the other end closed in order."""
    received = b""
    while len(received) < size:
        piece = local.recv(size - len(received))
        if not piece:
            break
        received += piece
    return received


def use_calls(jobs, id, port, rng):
    assert jobs.status(id).id == id
    assert id in {job.id for job in jobs.list()}


def use_run(jobs, id, port, rng):
    data = b"y" * rng.randrange(1, 10000)
    result = jobs.exec_run(id, "cat", input=data, timeout=60)
    assert (result.exit_code, result.stdout) == (0, data)


USES = (use_log, use_exec, use_attach, use_top, use_forward, use_calls, use_run)


class User(threading.Thread):
    """Uses one thing after the other, and remembers what went wrong that should not."""

    def __init__(self, number, until, target):
        super().__init__(daemon=True)
        self._rng = random.Random(number)
        self._until = until
        self._target = target
        self.done = Counter()
        self.wrong = []
        self.start()

    def run(self):
        while time.monotonic() < self._until:
            use = self._rng.choice(USES)
            try:
                use(*self._target, self._rng)
                self.done["fine"] += 1
            except HONEST:
                self.done["error"] += 1
            except BaseException as error:
                self.wrong.append((use.__name__, error))


def test_chaos(chatty, faults, figure, is_long):
    rng = random.Random(0)
    until = time.monotonic() + (LONG_SECONDS if is_long else SECONDS)
    threads = threading.active_count()
    users = [User(number, until, chatty) for number in range(USERS)]
    while time.monotonic() < until:
        strike(faults, rng)
        time.sleep(0.02)
    for user in users:
        user.join(60)
    faults.clear()
    done = sum((user.done for user in users), Counter())
    wrong = [wrong for user in users for wrong in user.wrong]
    left = threads_left(threads)
    figure(
        "{} users of everything while faults strike at random ({:,} uses)".format(
            USERS, sum(done.values()) + len(wrong)
        ),
        "honest errors only, 0 threads left",
        "{:,} went well, {:,} honest errors, {} others, {} threads left".format(
            done["fine"], done["error"], len(wrong), left
        ),
    )
    assert wrong == []
    assert left == 0
    assert not any(user.is_alive() for user in users)
    assert done["fine"] > 0


def threads_left(before):
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    return threading.active_count() - before
