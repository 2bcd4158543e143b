"""``interact`` at a terminal: what a person types, sees, and has afterwards."""

import shlex
import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip("termios", reason="there are no such terminals on this system")

from neuro_sync import JobStatus

from .screen import Terminal

HERE = Path(__file__).parent
FULL_SCREEN = " ".join(map(shlex.quote, [sys.executable, "-S", "-E", str(HERE / "fullscreen.py")]))
LEAVE = b"\x10\x11"  # Ctrl-P Ctrl-Q


def raw(terminal):
    return terminal.is_raw


@pytest.fixture
def terminal(platform, running):
    """Opens a terminal in which a user's program calls ``interact``."""
    opened = []

    def terminal(*command, job=running):
        words = [sys.executable, str(HERE / "session.py"), platform.api_url]
        terminal = Terminal([*words, str(platform.data_dir / "token"), job.id, *command])
        opened.append(terminal)
        return terminal.until(
            lambda shown: b"before" in shown.raw
        )  # it may be off the screen by now

    yield terminal
    for one in opened:
        one.close()


@pytest.fixture
def attached(jobs, start, terminal):
    """The same with a job of its own, to which it attaches."""

    def attached(command, **options):
        job = start(command, **options)
        job = jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)
        return terminal(job=job)

    return attached


class TestACommand:
    def test_its_output_its_input_and_its_exit_code(self, terminal):
        with terminal("sh -c 'echo what; read word; echo got $word; exit 3'") as shown:
            shown.until("what").type(b"this\r")
            assert shown.until("returned").wait() == 0
            assert shown.text.splitlines() == ["before", "what", "this", "got this", "returned 3"]
            assert shown.is_whole

    def test_what_is_typed_ahead_is_not_lost(self, terminal):
        with terminal("sh -c 'read word; echo got $word'") as shown:
            shown.type(b"early\r")  # the connection is still being made
            shown.until("got early").until("returned 0")

    def test_a_shell(self, terminal):
        with terminal("sh -i") as shown:
            shown.until(raw).type(b"tty\r")
            shown.until("/dev/").type(b"exit 0\r")
            shown.until("returned 0")

    def test_every_key_reaches_it(self, terminal):
        keys = bytes(range(1, 16)) + b"\x10a" + bytes(range(18, 32)) + b" ~\x7f\xc3\xa9"
        script = "stty raw -echo; echo ready; head -c {} | od -An -v -tx1; exit 0".format(len(keys))
        with terminal("sh -c {}".format(shlex.quote(script))) as shown:
            shown.until("ready")
            for key in keys:
                shown.type(bytes([key]))
            shown.until("returned 0")
            dump = shown.text.split("ready")[1].split("returned")[0]
            assert bytes.fromhex("".join(dump.split())) == keys

    def test_a_ctrl_p_alone_arrives_too(self, terminal):
        with terminal(FULL_SCREEN) as shown:
            shown.until("24x80").type(LEAVE[:1])
            shown.until("key 10").type(b"q")
            shown.until("returned 4")

    def test_ctrl_c_is_a_key_for_it_and_does_not_end_the_program_here(self, terminal):
        script = "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done"
        with terminal("sh -c {}".format(shlex.quote(script))) as shown:
            shown.until("ready").type(b"\x03")
            shown.until("interrupted").until("returned 9")

    def test_much_output_arrives_to_its_last_line(self, terminal):
        with terminal("seq 20000") as shown:
            shown.until("returned 0")
            assert b"".join(b"%d\r\n" % number for number in range(1, 20001)) in shown.raw

    def test_one_that_has_ended_before_the_first_key(self, terminal):
        with terminal("sh -c 'seq 20000; exit 5'", "--late") as shown:
            shown.until("returned 5")
            assert b"".join(b"%d\r\n" % number for number in range(1, 20001)) in shown.raw

    def test_one_that_is_not_there(self, terminal):
        with terminal("no-such-program") as shown:
            assert shown.until("returned 12").wait() == 0
            assert "no-such-program" in shown.text
            assert shown.is_whole


class TestAFullScreenProgram:
    def test_it_has_the_screen_and_its_keys(self, terminal):
        with terminal(FULL_SCREEN) as shown:
            shown.until("24x80").type(b"k")
            shown.until("key 6b").type(b"\x03")
            shown.until("key 03").type(b"\x1b")
            shown.until("key 1b").type(b"q")
            shown.until("returned 4")
            assert shown.is_whole

    def test_it_is_resized(self, terminal):
        with terminal(FULL_SCREEN) as shown:
            shown.until("24x80").resize(40, 120)
            shown.until("40x120").resize(10, 30)
            shown.until("10x30").type(b"q")
            shown.until("returned 4")

    @pytest.mark.parametrize(
        ("keys", "result"), [(b"x", "returned 7"), (LEAVE, "returned None"), (b"q", "returned 4")]
    )
    def test_the_screen_is_as_before_whichever_way_it_ends(self, terminal, keys, result):
        with terminal(FULL_SCREEN) as shown:
            untouched = set(shown.screen.mode)
            shown.until("24x80").type(keys)
            assert shown.until(result).wait() == 0
            assert set(shown.screen.mode) == untouched
            assert not shown.screen.cursor.hidden
            assert shown.raw.rfind(b"\x1b[r") > shown.raw.rfind(b"\x1b[2;5r")
            assert shown.raw.count(b"\x1b[?1049l") == 1
            assert shown.is_whole


class TestLeaving:
    def test_the_command_goes_on_without_us(self, terminal, jobs, running):
        script = "echo ready; read x; sleep 600"
        with terminal("sh -c {}".format(shlex.quote(script))) as shown:
            shown.until("ready").type(LEAVE)
            assert shown.until("returned None").wait() == 0
            # What comes after starts on a line of its own.
            assert shown.text.splitlines()[-1] == "returned None"
            assert shown.is_whole
        assert jobs.status(running.id).status is JobStatus.RUNNING

    def test_the_keys_may_come_one_by_one(self, terminal):
        with terminal("cat") as shown:
            shown.until(raw).type(LEAVE[:1])
            shown.type(b"z\r")  # something else came: both keys are the command's
            shown.until("^Pz").type(LEAVE[:1])
            shown.type(LEAVE[1:])
            shown.until("returned None")

    def test_the_job_is_killed_elsewhere(self, terminal, jobs, running):
        with terminal("sh -c 'echo ready; sleep 600'") as shown:
            shown.until("ready")
            jobs.kill(running.id)
            assert shown.until("returned 137").wait() == 0
            assert shown.is_whole

    @pytest.mark.parametrize(
        ("number", "code"), [(signal.SIGTERM, 128 + 15), (signal.SIGHUP, 128 + 1)]
    )
    def test_a_signal_ends_the_program(self, terminal, number, code):
        with terminal(FULL_SCREEN) as shown:
            untouched = set(shown.screen.mode)
            shown.until("24x80").process.send_signal(number)
            assert shown.wait() == code
            assert set(shown.screen.mode) == untouched
            assert shown.is_whole

    def test_an_interrupt_from_outside_ends_the_call(self, terminal):
        with terminal(FULL_SCREEN) as shown:
            shown.until("24x80").process.send_signal(signal.SIGINT)
            shown.until("raised KeyboardInterrupt").wait()
            assert shown.is_whole

    def test_the_window_is_closed(self, terminal):
        with terminal("sh -c 'echo ready; sleep 600'") as shown:
            shown.until("ready").hang_up()
            assert shown.process.wait(30) == 128 + signal.SIGHUP


def test_a_lost_connection_is_an_error_and_leaves_the_terminal_whole(
    neuro_platform, terminal, tmp_path
):
    with neuro_platform.client() as client:
        job = client.jobs.start(image="ubuntu", preset_name="cpu-small", command="sleep 600")
        client.jobs.wait(job.id, statuses={JobStatus.RUNNING}, timeout=30)
    neuro_platform.faults.reset_after(500, endpoint="exec")
    words = [sys.executable, str(HERE / "session.py"), neuro_platform.api_url]
    words += [str(neuro_platform.data_dir / "token"), job.id, FULL_SCREEN]
    with Terminal(words) as shown:
        untouched = set(shown.screen.mode)
        shown.until("24x80").type(b"k" * 50)
        assert shown.until("raised ConnectionFailed").wait() == 1
        assert set(shown.screen.mode) == untouched
        assert shown.is_whole


class TestAttached:
    def test_to_a_job_with_a_terminal(self, attached):
        shown = attached("sh -c 'read a; echo got $a; read b; exit 5'", tty=True)
        shown.until(raw).type(b"one\r")
        shown.until("got one").type(b"two\r")
        # The job's own code: the protocol says 0 at the end of each attached session.
        shown.until("returned 5").wait()
        assert shown.is_whole

    def test_it_has_the_size_of_this_terminal(self, attached):
        shown = attached("sh -c 'while :; do sleep 0.05; stty size; done'", tty=True)
        shown.until("24 80").resize(30, 100)
        shown.until("30 100").type(LEAVE)
        shown.until("returned None")

    def test_ctrl_c_goes_to_the_job(self, attached):
        script = "trap 'echo interrupted; exit 9' INT; while :; do sleep 0.05; echo .; done"
        shown = attached("sh -c {}".format(shlex.quote(script)), tty=True)
        shown.until(".").type(b"\x03")
        shown.until("returned 9")

    def test_to_a_job_without_a_terminal_lines_are_lines(self, attached):
        script = "while read line; do echo got $line; done"
        shown = attached("sh -c {}".format(shlex.quote(script)))
        shown.type(b"one\n")
        shown.until("got one").type(b"two\n")
        shown.until("got two").type(b"\x03")
        shown.until("raised KeyboardInterrupt").wait()
        assert shown.is_whole

    def test_to_a_job_that_is_over(self, start, jobs, terminal):
        job = jobs.wait(start("true").id, timeout=30)
        shown = terminal(job=job)
        assert shown.until("raised ").wait() == 1
        assert "ResourceNotFound" in shown.text
        assert "is not running (it succeeded" in shown.text.replace("\n", "")


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_without_a_terminal_it_says_what_to_use(running, jobs, monkeypatch, closed):
    import io

    monkeypatch.setattr(sys, closed, io.StringIO())
    other = "stdout" if closed == "stdin" else "stdin"
    monkeypatch.setattr(sys, other, _Tty())
    with pytest.raises(OSError, match="standard {} .*exec_run".format(closed[3:] + "put")):
        jobs.interact(running.id, "ls")


class _Tty:
    def isatty(self):
        return True

    def write(self, text):
        pass

    def flush(self):
        pass
