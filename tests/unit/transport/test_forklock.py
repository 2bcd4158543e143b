"""A lock that a thread holds at a fork is free in the child."""

import os
import signal
import threading

import pytest

from neuro_sync.transport import forklock
from neuro_sync.transport.forklock import ForkLock

from ...ctrl_c import CtrlC


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("make", [threading.Lock, threading.RLock])
def test_it_is_free_in_the_child(make):
    lock = ForkLock(make)
    held, done = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # a child that waits for ever ends by it
        with lock:
            os._exit(7)
    try:
        assert os.waitpid(child, 0)[1] == 7 << 8
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_threads_of_the_child_share_one():
    lock = ForkLock()
    with lock:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            inside = []

            def enter():
                for _ in range(200):
                    with lock:
                        inside.append(1)
                        if len(inside) > 1:
                            os._exit(1)
                        inside.pop()

            threads = [threading.Thread(target=enter) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            os._exit(7)
    assert os.waitpid(child, 0)[1] == 7 << 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("make", [threading.Lock, threading.RLock])
def test_the_thread_that_forks_while_it_holds_one_leaves_it_on_both_sides(make):
    lock = ForkLock(make)
    with lock:
        child = os.fork()
    signal.alarm(10)
    with lock:
        if child == 0:
            os._exit(7)
    signal.alarm(0)
    assert os.waitpid(child, 0)[1] == 7 << 8


@pytest.mark.parametrize("seconds", ["no matter", None, 10.0])
def test_ctrl_c_on_the_way_in_or_out_leaves_it_free(seconds):
    lock = ForkLock()
    behind = 0
    while True:
        behind += 1
        try:
            with CtrlC(forklock, behind) as ctrl_c:
                with lock if seconds == "no matter" else lock.within(seconds):
                    pass
        except KeyboardInterrupt:
            pass
        with lock.within(0.0) as held:
            assert held, behind
        if not ctrl_c.pressed:
            break


def test_one_thread_at_a_time_holds_it():
    lock = ForkLock()
    inside = []

    def enter(number):
        for _ in range(200):
            with lock:
                inside.append(number)
                assert len(inside) == 1
                inside.pop()

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not inside


def test_one_that_may_be_taken_twice_is_made_of_such_a_lock():
    lock = ForkLock(threading.RLock)
    with lock, lock:
        pass
