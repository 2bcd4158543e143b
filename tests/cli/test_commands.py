"""``python -m neuro_sync``: what each command prints, and the code it exits with."""

import shlex
import signal
import socket
import subprocess
import sys

import pytest
import responses

from neuro_sync import JobsClient, JobStatus, RemoteImage
from neuro_sync.streams.log import LogStream
from neuro_sync.streams.retrying import ReconnectPolicy

from ..peers.config import config_payload, make_token
from ..wire.stream_server import serve


def interrupt(process):
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=30)
    return process.returncode, rest


class TestRun:
    @pytest.mark.parametrize("code", [0, 3])
    def test_it_shows_the_log_and_exits_with_the_code_of_the_job(self, cli, code):
        ran = cli("run", "ubuntu", "--", "sh", "-c", "echo one; echo two >&2; exit {}".format(code))
        assert ran.code == code
        assert sorted(ran.out.splitlines()) == ["one", "two"]
        assert ran.err.startswith("job-")
        assert ("exit code 3" in ran.err) == (code == 3)

    def test_one_word_is_a_command_line(self, cli):
        assert cli("run", "ubuntu", "sh -c 'echo $0 hello'").out == "sh hello\n"

    def test_several_words_are_the_words_of_one(self, cli):
        ran = cli("run", "ubuntu", "--", "printf", "[%s]", "a b", "", "c'd")
        assert ran.out == "[a b][][c'd]\n"  # a log has whole lines

    def test_options(self, cli, jobs):
        ran = cli(
            "run", "-d", "-n", "with-options", "-p", "cpu-medium", "-e", "A=b c", "ubuntu", "true"
        )
        assert ran.code == 0
        job = jobs.wait(ran.out.strip(), timeout=30)
        assert job.name == "with-options"
        assert job.preset_name == "cpu-medium"
        assert job.container.env["A"] == "b c"

    def test_a_job_that_is_killed_does_not_look_well(self, program, jobs):
        process = program("run", "ubuntu", "--", "sh", "-c", "echo ready; sleep 600")
        assert process.stdout.readline() == "ready\n"
        id = process.stderr.readline().strip()
        jobs.kill(id)
        _, err = process.communicate(timeout=30)
        assert process.returncode not in (0, None)
        assert "it was cancelled" in err

    def test_ctrl_c_leaves_the_job_and_says_how_to_end_it(self, program, jobs):
        process = program("run", "ubuntu", "--", "sh", "-c", "echo ready; sleep 600")
        assert process.stdout.readline() == "ready\n"
        id = process.stderr.readline().strip()
        code, (_, err) = interrupt(process)
        assert code == 130
        assert err.strip() == "the job goes on; to end it: python -m neuro_sync kill " + id
        assert jobs.status(id).status is JobStatus.RUNNING
        jobs.kill(id)

    def test_ctrl_c_says_it_with_the_login_that_is_in_use(self, program, platform, tmp_path):
        file = tmp_path / "my token"
        file.write_text(platform.token)
        there = ["--url", platform.api_url, "--token-file", str(file)]
        process = program(*there, "run", "ubuntu", "--", "sh", "-c", "echo ready; sleep 600")
        assert process.stdout.readline() == "ready\n"
        id = process.stderr.readline().strip()
        _, (_, err) = interrupt(process)
        _, _, line = err.strip().partition("to end it: python -m neuro_sync ")
        assert shlex.split(line) == [*there, "kill", id]
        assert platform.token not in err
        _, err = program(*shlex.split(line)).communicate(timeout=30)
        assert err == ""

    def test_a_cluster_that_is_not_known(self, cli):
        ran = cli("run", "image://other/x/y", "--", "true")
        assert (ran.code, ran.err) == (1, "neuro_sync: cluster 'other' is not known\n")

    def test_a_cluster_without_presets(self, cli, tmp_path):
        config = config_payload("https://api.example")
        config["clusters"][0]["resource_presets"] = []
        (tmp_path / "token").write_text(make_token("alice"))
        with responses.RequestsMock() as mock:
            mock.add("GET", "https://api.example/api/v1/config", json=config)
            there = ["--url", "https://api.example/api/v1", "--token-file", tmp_path / "token"]
            ran = cli(*there, "run", "ubuntu")
        assert ran.code == 1
        assert ran.err == "neuro_sync: cluster default has no presets, and a job needs one\n"

    def test_a_refusal_is_said_in_the_words_of_the_server(self, cli):
        ran = cli("run", "-p", "no-such-preset", "ubuntu", "true")
        assert ran.code == 1
        assert ran.out == ""
        assert ran.err.startswith("neuro_sync: ")
        assert "no-such-preset" in ran.err
        assert "Traceback" not in ran.err


class TestLogs:
    def test_of_a_job_that_has_ended(self, cli, start, jobs):
        job = jobs.wait(start("sh -c 'echo one; echo two'").id, timeout=30)
        assert cli("logs", job.id).out == "one\ntwo\n"

    def test_by_name_and_with_time_stamps(self, cli, start, jobs):
        jobs.wait(start("echo one", name="log-by-name").id, timeout=30)
        stamp, line = cli("logs", "-t", "log-by-name").out.split(" ", 1)
        assert stamp.endswith("Z")
        assert line == "one\n"

    def test_a_reader_that_has_seen_enough_is_no_failure(self, program, start, jobs):
        job = jobs.wait(start("seq 100000").id, timeout=30)
        process = program("logs", job.id)
        assert process.stdout.readline() == "1\n"
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == ""

    def test_a_gap_is_told_and_what_is_behind_it_shown(self, cli, start, jobs, monkeypatch):
        job = jobs.wait(start("true").id, timeout=30)
        policy = ReconnectPolicy(base=0.001, cap=0.01, gap_tries=2, archive_lag=0.0)
        monkeypatch.setitem(LogStream.__init__.__kwdefaults__, "policy", policy)

        def lose(peer):
            if "since" not in peer.query:
                peer.send(b"2026-09-14T08:11:01.000000000Z one\n")
                peer.reset()
            else:
                peer.send(b"2026-09-14T08:11:05.000000000Z two\n")
                peer.close()

        with serve(lose) as server:
            monkeypatch.setattr(JobsClient, "_monitoring_url", lambda *args: server.url)
            ran = cli("logs", job.id)
        assert (ran.code, ran.out) == (0, "one\ntwo\n")
        assert "lines may be missing" in ran.err

    def test_of_no_job(self, cli):
        ran = cli("logs", "no-such-job")
        assert ran.code == 1
        assert "no such job no-such-job" in ran.err


class TestExec:
    def test_output_errors_and_exit_code(self, cli, running):
        ran = cli("exec", running.id, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
        assert (ran.code, ran.out, ran.err) == (7, "out\n", "err\n")

    def test_standard_input_is_the_input_of_the_command(self, cli, running):
        assert cli("exec", running.id, "sort", stdin=b"b\na\n").out == "a\nb\n"

    def test_standard_input_may_be_left_alone(self, program, running):
        for option in ("-n", "--no-stdin"):
            # It stays open, and silent.
            process = program("exec", option, running.id, "echo", "hello", stdin=subprocess.PIPE)
            assert process.wait(30) == 0
            assert process.stdout.read() == "hello\n"
            process.stdin.close()

    def test_standard_input_that_is_closed_is_empty(self, program, running):
        process = program("exec", running.id, "echo", "hello", closed="<&-")
        assert process.communicate(timeout=30) == ("hello\n", "")
        assert process.returncode == 0

    def test_output_comes_as_it_is_written(self, program, running):
        process = program("exec", running.id, "--", "sh", "-c", "echo ready; sleep 600")
        assert process.stdout.readline() == "ready\n"
        code, (_, err) = interrupt(process)
        assert (code, err) == (130, "")

    def test_a_command_that_cannot_be_run(self, cli, running):
        ran = cli("exec", running.id, "no-such-program")
        assert ran.code == 127
        assert "no-such-program" in ran.err

    def test_a_job_that_is_to_begin_is_waited_for(self, cli, start, jobs):
        job = start("sleep 600")
        assert cli("exec", job.id, "echo", "hello").out == "hello\n"

    def test_a_job_that_is_over(self, cli, start, jobs):
        job = jobs.wait(start("true").id, timeout=30)
        ran = cli("exec", job.id, "ls")
        assert ran.code == 1
        assert "it succeeded" in ran.err

    def test_no_command(self, cli, running):
        ran = cli("exec", running.id)
        assert ran.code == 1
        assert "no command" in ran.err

    def test_at_a_terminal_it_is_one(self, login, running):
        screen = pytest.importorskip("tests.terminal.screen", reason="there are no terminals here")
        words = [sys.executable, "-m", "neuro_sync", "exec", running.id, "sh -i"]
        with screen.Terminal(words) as terminal:
            terminal.until(lambda shown: shown.is_raw).type(b"stty size; exit 3\r")
            assert terminal.until("24 80").wait() == 3
            assert terminal.is_whole


class TestTop:
    def test_samples_until_ctrl_c(self, program, running):
        process = program("top", running.id)
        assert process.stdout.readline().split() == "CPU MEMORY MiB GPU % GPU MiB".split()
        cpu, memory, duty, gpu = process.stdout.readline().split()
        assert float(cpu) >= 0
        assert float(memory) > 0
        assert (duty, gpu) == ("-", "-")
        code, (_, err) = interrupt(process)
        assert (code, err) == (130, "")


class TestPortForward:
    def test_connections_until_ctrl_c(self, program, start):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            job_port = server.getsockname()[1]
            job = start("sleep 600")
            process = program("port-forward", job.id, "0:{}".format(job_port))
            where, arrow, port = process.stdout.readline().split()
            assert (arrow, port) == ("->", str(job_port))
            assert process.stdout.readline() == "until Ctrl-C\n"
            host, local_port = where.split(":")
            with socket.create_connection((host, int(local_port)), 30) as local:
                server.settimeout(30)
                with server.accept()[0] as accepted:
                    accepted.sendall(b"hello")
                    assert local.recv(5) == b"hello"
            code, _ = interrupt(process)
            assert code == 130
        with socket.socket() as probe:
            assert probe.connect_ex((host, int(local_port))) != 0

    @pytest.mark.parametrize("ports", ["8080", "a:b", "1:", ":1", "1:2:3"])
    def test_what_is_no_pair_of_ports(self, cli, running, ports):
        ran = cli("port-forward", running.id, ports)
        assert ran.code == 1
        assert "LOCAL:JOB" in ran.err


class TestLs:
    def test_active_jobs_and_all_of_them(self, cli, running, start, jobs):
        ended = jobs.wait(start("true", name="ended-now").id, timeout=30)
        active = cli("ls").out
        assert active.splitlines()[0].split() == ["ID", "NAME", "STATUS", "CREATED", "IMAGE"]
        assert running.id in active
        assert ended.id not in active
        [row] = [line for line in cli("ls", "--all").out.splitlines() if ended.id in line]
        assert row.split()[1:3] == ["ended-now", "succeeded"]
        assert row.split()[-1] == "ubuntu:latest"

    def test_what_a_terminal_would_obey_is_escaped(self, cli, start):
        job = start("sleep 600", image=RemoteImage("\u00fcber\x1b]0;mine\x07\n\x9b31m\u202e"))
        [row] = [line for line in cli("ls").out.splitlines() if job.id in line]
        assert row.endswith(" \u00fcber" + r"\x1b]0;mine\x07\n\x9b31m\u202e:latest")

    def test_what_the_output_has_no_character_for_is_escaped(self, program, start):
        job = start("sleep 600", image=RemoteImage("\u00fcber"))
        process = program("ls", encoding="ascii")
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        [row] = [line for line in out.splitlines() if job.id in line]
        assert row.endswith(r" \xfcber:latest")

    @pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
    def test_output_that_is_closed_is_for_nobody(self, program, running, closed):
        process = program("ls", closed=closed)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0

    def test_a_limit_keeps_the_newest(self, cli, start):
        start("sleep 600")
        newest = start("sleep 600")
        lines = cli("ls", "--limit", "1").out.splitlines()
        assert [line.split()[0] for line in lines] == ["ID", newest.id]


class TestKill:
    def test_by_id_and_by_name(self, cli, start, jobs):
        by_id, by_name = start("sleep 600"), start("sleep 600", name="to-be-killed")
        ran = cli("kill", by_id.id, "to-be-killed")
        assert (ran.code, ran.out.split()) == (0, [by_id.id, "to-be-killed"])
        for job in jobs.as_completed([by_id, by_name], timeout=30):
            assert job.status is JobStatus.CANCELLED

    def test_one_that_is_not_there_does_not_save_the_others(self, cli, running, jobs):
        ran = cli("kill", "no-such-job", running.id)
        assert ran.code == 1
        assert "no-such-job: " in ran.err
        assert jobs.wait(running.id, timeout=30).status is JobStatus.CANCELLED

    def test_an_empty_name_does_not_save_the_others(self, cli, running, jobs):
        ran = cli("kill", "", running.id)
        assert ran.code == 1
        assert ran.err.startswith("'': ")
        assert jobs.wait(running.id, timeout=30).status is JobStatus.CANCELLED


class TestLocal:
    def test_a_platform_until_ctrl_c(self, program, cli, tmp_path):
        data = tmp_path / "data"
        process = program("local", "--data-dir", data)
        told = ""
        while "JobsClient" not in told:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            told += line
        url = told.split("API")[1].split()[0]
        there = ["--url", url, "--token-file", data / "token"]
        assert cli(*there, "run", "ubuntu", "--", "echo", "hello").out == "hello\n"
        assert cli(*there, "ls", "-a").out.count("\n") == 2
        code, _ = interrupt(process)
        assert code == 0
        assert cli(*there, "ls").code == 1

    def test_what_it_needs_and_is_not_installed(self, cli, monkeypatch):
        monkeypatch.setattr("neuro_sync.local.platform._EXTRA", ("aiohttp", "no_such_library"))
        ran = cli("local")
        assert ran.code == 1
        assert ran.err == (
            "neuro_sync: the local platform needs no_such_library: "
            "pip install 'neuro_sync[local]'\n"
        )


class TestTheLine:
    def test_no_command(self, cli):
        ran = cli()
        assert ran.code == 2
        assert "COMMAND" in ran.err

    def test_help_has_every_command(self, cli):
        ran = cli("--help")
        assert ran.code == 0
        for command in "doctor local run logs exec top port-forward ls kill".split():
            assert "\n    {} ".format(command) in ran.out

    def test_a_url_without_a_token(self, cli, platform):
        ran = cli("--url", platform.api_url, "ls")
        assert ran.code == 1
        assert "--token-file" in ran.err

    def test_a_token_without_a_url_is_not_left_out(self, cli, tmp_path):
        ran = cli("--token-file", tmp_path / "token", "ls")
        assert (ran.code, ran.out) == (1, "")
        assert "--token-file needs --url" in ran.err

    def test_what_a_server_says_is_escaped_where_a_terminal_would_obey(self, cli):
        ran = cli("logs", "no-such\x1b[31m-job")
        assert ran.code == 1
        assert r"no-such\x1b[31m-job" in ran.err
        assert "\x1b" not in ran.err

    def test_nobody_is_logged_in(self, cli, monkeypatch, tmp_path):
        monkeypatch.setenv("APOLO_CONFIG", str(tmp_path / "empty"))
        monkeypatch.setenv("NEUROMATION_CONFIG", str(tmp_path / "empty"))
        ran = cli("ls")
        assert ran.code == 1
        assert "Traceback" not in ran.err
        assert "log" in ran.err.lower()

    def test_no_token_is_ever_shown(self, cli, platform, start):
        for words in (["doctor"], ["ls", "-a"], ["logs", "no-such-job"]):
            ran = cli(*words)
            assert platform.token not in ran.out + ran.err
