"""What becomes of a job: its statuses, reasons and exit codes, its restarts, its end."""

import base64
import json
import os
import threading
import time

import pytest

from neuro_sync.wire.times import parse_time

from .processes import alive, python, sh, wait_gone


def reasons(job):
    return [(item["status"], item["reason"]) for item in job["statuses"]]


def wait_lines(api, job_id, count):
    """The first lines of a job that goes on."""
    url = "{}/{}/log".format(api.mon, job_id)
    with api.call("GET", url, stream=True) as response:
        lines = response.iter_lines(chunk_size=1)
        # On a machine that is very busy the first of them may be in the archive by now.
        output = (line.decode() for line in lines if not line.startswith(b"=== Live logs"))
        return [next(output) for _ in range(count)]


# Statuses


def test_a_job_that_succeeds(api):
    job = api.run("true")
    assert job["status"] == job["history"]["status"] == "succeeded"
    assert reasons(job) == [("pending", "Creating"), ("running", None), ("succeeded", "Completed")]
    history = job["history"]
    assert history["reason"] == "Completed"
    assert history["description"] is None
    assert history["exit_code"] == job["statuses"][-1]["exit_code"] == 0
    assert history["restarts"] == 0
    moments = [item["transition_time"] for item in job["statuses"]]
    assert moments == sorted(moments)
    assert [history[key] for key in ("created_at", "started_at", "finished_at")] == moments
    assert job["materialized"] is True


def test_a_job_that_fails(api):
    job = api.run(sh("exit 3"))
    assert reasons(job) == [("pending", "Creating"), ("running", None), ("failed", "Error")]
    assert job["history"]["exit_code"] == job["statuses"][-1]["exit_code"] == 3


def test_a_job_whose_program_is_missing(api):
    job = api.run("no-such-program --really")
    assert job["status"] == "failed"
    assert job["history"]["reason"] == "ContainerCannotRun"
    assert "no-such-program" in job["history"]["description"]
    assert job["history"]["exit_code"] == 127


def test_a_job_that_takes_too_much_memory(api):
    resources = {"cpu": 0.1, "memory_mb": 32}
    command = python("x = bytearray(100 << 20); import time; time.sleep(60)")
    body = {"container": {"image": "ubuntu", "command": command, "resources": resources}}
    job = api.wait(api.post(body, "/jobs").json()["id"])
    assert job["status"] == "failed"
    assert job["history"]["reason"] == "OOMKilled"
    assert job["history"]["exit_code"] == 137


def test_run_time_is_from_the_start_to_the_end(api):
    history = api.run("true")["history"]
    started, finished = map(parse_time, (history["started_at"], history["finished_at"]))
    assert history["run_time_seconds"] == (finished - started).total_seconds() > 0


def test_a_job_with_a_variable_that_cannot_be(api):
    job = api.run("true", env={"A=B": "c"})
    assert job["status"] == "failed"
    assert job["history"]["reason"] == "ContainerCannotRun"
    assert "environment" in job["history"]["description"]


# What the program gets


def test_entrypoint_and_command_are_words(api):
    job = api.run('"two  words" $HOME \'q"q\' *', entrypoint="printf '[%s]\n'")
    assert api.log(job["id"]) == b'[two  words]\n[$HOME]\n[q"q]\n[*]\n'


def test_an_entrypoint_alone(api):
    assert api.log(api.run(None, entrypoint="echo alone")["id"]) == b"alone\n"


def test_the_environment(api):
    env = {"WORD": "x y", "EMPTY": "", "LINES": "a\nb", "UMLAUT": "\u00fc"}
    job = api.run(python("import os, json; print(json.dumps(dict(os.environ)))"), env=env)
    found = json.loads(api.log(job["id"]))
    assert {name: found[name] for name in env} == env


def test_each_job_has_a_directory_of_its_own(api, platform):
    command = sh("test ! -e mine && touch mine && pwd")
    first, second = (api.log(api.run(command)["id"]).decode().strip() for _ in range(2))
    assert first != second
    for directory in (first, second):
        assert os.path.dirname(os.path.dirname(directory)) == str(platform.data_dir / "jobs")


def test_a_terminal(api):
    job = api.run(sh("test -t 0 -a -t 1 -a -t 2 && echo $TERM; stty size </dev/tty"), tty=True)
    assert job["status"] == "succeeded"
    assert api.log(job["id"]) == b"xterm\r\n24 80\r\n"


def test_bytes_of_all_sorts_come_through(api):
    program = "import sys; sys.stdout.buffer.write(bytes(range(255, -1, -1)) * 400 + b'\\n')"
    output = api.log(api.run(python(program))["id"])
    assert output == bytes(range(255, -1, -1)) * 400 + b"\n"


def test_a_passed_config(api, platform):
    job = api.start("true", pass_config=True, project_name="local-project")
    config = json.loads(base64.b64decode(job["container"]["env"]["NEURO_PASSED_CONFIG"]))
    token = config.pop("token")
    assert config == {
        "cluster": "local",
        "org_name": "local-org",
        "project_name": "local-project",
        "url": platform.api_url,
    }
    assert api.get("/config", headers={"Authorization": "Bearer " + token})["authorized"] is True


def test_a_job_with_a_passed_config_is_logged_in(api):
    program = (
        "import neuro_sync\n"
        "with neuro_sync.get() as client:\n"
        "    job = client.jobs.status('the-one-inside')\n"
        "    print(client.username, job.status.value, client.config.project_name)\n"
    )
    job = api.run(
        python(program), pass_config=True, name="the-one-inside", project_name="local-project"
    )
    output = api.log(job["id"])
    assert (job["status"], output) == ("succeeded", b"user running local-project\n")


# Restarts


def test_a_failed_job_is_started_again_on_failure(api):
    # The directory is the job's: what one container leaves there the next one finds.
    program = "echo try; test -e again && exit 0; touch again; exit 7"
    job = api.run(sh(program), restart_policy="on-failure")
    assert reasons(job) == [
        ("pending", "Creating"),
        ("running", None),
        ("running", "Restarting"),
        ("succeeded", "Completed"),
    ]
    assert job["statuses"][2]["exit_code"] == 7
    assert job["history"]["restarts"] == 1
    assert job["history"]["exit_code"] == 0
    assert api.log(job["id"]) == b"try\ntry\n"


def test_a_job_that_succeeds_is_not_started_again_on_failure(api):
    job = api.run("true", restart_policy="on-failure")
    assert job["history"]["restarts"] == 0


def test_a_job_is_always_started_again_until_it_is_killed(api):
    job = api.start("true", restart_policy="always")
    job = api.wait(job["id"], lambda job: job["history"]["restarts"] >= 2)
    assert job["status"] == "running"
    api.kill(job["id"])
    job = api.job(job["id"])
    assert job["status"] == "cancelled"
    restarts = job["history"]["restarts"]
    # Its log ends: no other container comes.
    assert api.log(job["id"]) == b""
    assert api.job(job["id"])["history"]["restarts"] == restarts


def test_a_signal_restarts_what_is_to_be_restarted(api):
    job_id = api.start("sleep 600", restart_policy="on-failure")["id"]
    api.wait_running(job_id)
    assert api.call("POST", "{}/{}/kill".format(api.mon, job_id)).status_code == 204
    job = api.wait(job_id, lambda job: job["history"]["restarts"] == 1)
    assert job["status"] == "running"
    assert job["statuses"][-1]["exit_code"] == 137


# Ends


STUBBORN = r"""
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for generation in range(3):
    if os.fork():
        break
    if generation == 1:
        os.setsid()  # out of the group
print(os.getpid(), flush=True)
os.close(1)
os.close(2)
while True:
    time.sleep(1)
"""


def test_kill_asks_first(api):
    program = "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    job_id = api.start(sh(program))["id"]
    assert wait_lines(api, job_id, 1) == ["ready"]
    api.kill(job_id)
    assert api.log(job_id).endswith(b"asked\n")
    assert api.job(job_id)["status"] == "cancelled"


def test_kill_takes_all_that_a_job_has_started(api):
    job_id = api.start(python(STUBBORN))["id"]
    pids = [int(line) for line in wait_lines(api, job_id, 4)]
    assert len(set(pids)) == 4
    assert all(map(alive, pids))
    began = time.monotonic()
    api.kill(job_id)
    assert api.job(job_id)["status"] == "cancelled"
    wait_gone(*pids)
    assert time.monotonic() - began >= 1.0  # it was asked, and had time to end by itself
    # Nobody has its output open any more, and so its log has ended too.
    assert len(api.log(job_id).split()) == 4


def test_the_end_of_a_job_is_the_end_of_what_it_has_started(api):
    program = "(setsid sleep 1000 & echo $!); (sleep 1000 & echo $!); exit 4"
    job = api.run(sh(program))
    assert job["history"]["exit_code"] == 4
    wait_gone(*map(int, api.log(job["id"]).split()))


def test_a_job_without_output_lives_on(api):
    job_id = api.start(sh("echo $$; exec >&- 2>&-; exec sleep 600"))["id"]
    (pid,) = map(int, wait_lines(api, job_id, 1))
    assert alive(pid)
    assert api.job(job_id)["status"] == "running"
    api.kill(job_id)
    wait_gone(pid)


# What bounds a job's time


@pytest.fixture(scope="module")
def hasty():
    """The API of a platform whose minutes take a tenth of a second."""
    from neuro_sync.local import LocalPlatform

    from .api import Api

    with LocalPlatform(seconds_per_minute=0.1) as platform:
        api = Api(platform)
        yield api
        api.close()


def test_a_life_span_ends_a_job(hasty):
    job = hasty.run("sleep 600", max_run_time_minutes=1)
    assert job["status"] == "cancelled"
    assert job["history"]["reason"] == "LifeSpanEnded"
    assert job["history"]["run_time_seconds"] >= 0.1


def test_a_life_span_counts_restarts(hasty):
    job = hasty.run("sleep 0.05", max_run_time_minutes=3, restart_policy="always")
    assert job["history"]["reason"] == "LifeSpanEnded"
    assert job["history"]["restarts"] >= 1


def test_a_longer_life_span_counts_from_the_start(hasty):
    job_id = hasty.start("sleep 600", max_run_time_minutes=10**6)["id"]
    hasty.wait_running(job_id)
    body = {"max_run_time_minutes": 1}
    path = "/jobs/{}/max_run_time_minutes".format(job_id)
    assert hasty.call("PUT", path, json=body).status_code == 204
    job = hasty.wait(job_id)
    assert job["history"]["reason"] == "LifeSpanEnded"


def test_life_that_is_added_is_lived(hasty):
    job_id = hasty.start("sleep 0.6", max_run_time_minutes=3)["id"]
    path = "/jobs/{}/max_run_time_minutes".format(job_id)
    body = {"additional_max_run_time_minutes": 1000}
    assert hasty.call("PUT", path, json=body).status_code == 204
    job = hasty.wait(job_id)
    assert job["status"] == "succeeded"
    assert job["max_run_time_minutes"] == 1003


# Who runs when


@pytest.fixture
def own(own_platform):
    _, api = own_platform()
    return api


LARGE = {"preset_name": "cpu-large"}


def fill(api):
    """Jobs that take all the room there is."""
    capacity = api.get(api.mon + "/capacity")["cpu-large"]
    assert capacity >= 1
    jobs = [api.start("sleep 600", **LARGE)["id"] for _ in range(capacity)]
    for job_id in jobs:
        api.wait_running(job_id)
    assert api.get(api.mon + "/capacity") == {"cpu-small": 0, "cpu-medium": 0, "cpu-large": 0}
    return jobs


def test_presets_bound_what_runs_at_once(own):
    running = fill(own)
    waiting = own.start("true", **LARGE)["id"]
    assert own.job(waiting)["status"] == "pending"
    own.kill(running[0])
    job = own.wait(waiting)
    assert job["status"] == "succeeded"
    assert own.get(own.mon + "/capacity")["cpu-large"] == 1


def test_the_urgent_come_first_and_then_the_old(own):
    blocker = fill(own)[0]
    jobs = [
        own.start("true", priority=priority, **LARGE)["id"]
        for priority in ("low", "normal", "high", "normal", "high")
    ]
    for job_id in jobs:
        assert own.job(job_id)["status"] == "pending"
    own.kill(blocker)  # the others leave room for one at a time
    started = [own.wait(job_id)["history"]["started_at"] for job_id in jobs]
    order = sorted(range(len(jobs)), key=started.__getitem__)
    assert order == [2, 4, 1, 3, 0]


def test_a_job_that_finds_no_room_in_time_fails(own):
    fill(own)
    job = own.run("true", schedule_timeout=1)
    assert job["status"] == "failed"
    assert job["history"]["reason"] == "ClusterScaleUpFailed"
    assert job["history"]["description"]
    assert reasons(job)[0] == ("pending", "Creating")
    assert job["materialized"] is False


def test_a_job_that_has_found_room_does_not_time_out(own):
    job = own.run("sleep 1.5", schedule_timeout=1)
    assert job["status"] == "succeeded"


def test_a_quota_refuses_or_makes_wait(own_platform):
    _, api = own_platform(jobs_quota=2)
    running = [api.start("sleep 600")["id"] for _ in range(2)]
    response = api.post({"image": "x", "command": "true"})
    assert "quota" in api.error(response, 400)
    waiting = api.start("true", wait_for_jobs_quota=True)["id"]
    for job_id in running:
        api.wait_running(job_id)
    assert api.job(waiting)["status"] == "pending"
    api.kill(running[0])
    assert api.wait(waiting)["status"] == "succeeded"
    assert api.run("true")["status"] == "succeeded"


def test_a_job_that_is_killed_while_it_waits_never_runs(own):
    running = fill(own)
    waiting = own.start(sh("echo ran"), **LARGE)["id"]
    own.kill(waiting)
    own.kill(running[0])
    after = own.run("true", **LARGE)
    assert after["status"] == "succeeded"
    assert own.job(waiting)["history"]["run_time_seconds"] == 0
    assert own.log(waiting) == b""


def test_jobs_are_killed_while_they_are_started(api):
    # At whichever moment of its start: it is cancelled and leaves nothing.
    jobs = [api.start("sleep 600")["id"] for _ in range(15)]
    threads = [threading.Thread(target=api.kill, args=(job_id,)) for job_id in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for job_id in jobs:
        assert api.job(job_id)["status"] == "cancelled"
        assert api.log(job_id) == b""  # which comes to its end when the job has
