"""Volumes, disks, secrets and working directories in a job's own view of the file system."""

import os
import pathlib
import shutil
from typing import Any, Dict

import pytest

from neuro_sync.local import sandbox
from neuro_sync.local.runner import LaunchError
from neuro_sync.local.sandbox import Mount, Sandbox, arguments

from .execution import platform, run
from .test_exec import execute
from .test_runner import Machine

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed"
)


def volume(path: str, target: str, read_only: bool = False) -> Dict[str, Any]:
    return {
        "volumes": [
            {
                "src_storage_uri": "storage://default/org/project/" + path,
                "dst_path": target,
                "read_only": read_only,
            }
        ]
    }


@needs_bubblewrap
def test_a_volume_is_the_same_for_all_jobs_and_outlives_them(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            container = volume("data%20x", "/no/such/dir/data")
            command = "sh -c 'echo text > /no/such/dir/data/file'"
            assert (await machine.run(command, container=container)).exit_code == 0
            stored = tmp_path / "storage" / "org" / "project" / "data x" / "file"
            assert stored.read_text() == "text\n"
            container = volume("data%20x", "/mnt", read_only=True)
            result = await machine.run("sh -c 'cat /mnt/file; ! touch /mnt/x'", container=container)
            assert result.exit_code == 0
            assert machine.output().startswith(b"text\n")
        assert not os.path.exists("/no")

    run(scenario())


@needs_bubblewrap
def test_a_volume_is_read_only_where_nothing_is_said(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            container = volume("data", "/data")
            del container["volumes"][0]["read_only"]
            assert (await machine.run("touch /data/x", container=container)).exit_code == 1

    run(scenario())


@needs_bubblewrap
def test_a_file_of_the_storage_can_be_a_volume(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "storage" / "org" / "project" / "file"
    source.parent.mkdir(parents=True)
    source.write_text("content")

    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            await machine.run("cat /some/file", container=volume("file", "/some/file"))
            assert machine.output() == b"content"

    run(scenario())


@needs_bubblewrap
def test_disks_and_mounts_within_mounts(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            container = volume("outer", "/vol")
            container["disk_volumes"] = [
                {
                    "src_disk_uri": "disk://default/org/project/disk-1",
                    "dst_path": "/vol/a/disk",
                    "read_only": False,
                }
            ]
            await machine.run("sh -c 'echo 1 > /vol/a/disk/f'", container=container)
            stored = tmp_path / "disks" / "org" / "project" / "disk-1" / "f"
            assert stored.read_text() == "1\n"

    run(scenario())


def secret(path: pathlib.Path, name: str, content: bytes) -> str:
    place = path / "secrets" / "org" / "project"
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(content)
    return "secret://default/org/project/" + name


@needs_bubblewrap
def test_a_secret_file(tmp_path: pathlib.Path) -> None:
    uri = secret(tmp_path, "cert", b"\0\xff")

    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            container = {
                "secret_volumes": [{"src_secret_uri": uri, "dst_path": "/etc/certs/cert.pem"}]
            }
            command = "sh -c 'cat /etc/certs/cert.pem; ls /etc/passwd; ! touch /etc/certs/cert.pem'"
            result = await machine.run(command, container=container)
            assert result.exit_code == 0
            assert machine.output().startswith(b"\0\xff/etc/passwd\n")
        assert not os.path.exists("/etc/certs")

    run(scenario())


def test_secret_environment(tmp_path: pathlib.Path) -> None:
    uri = secret(tmp_path, "key", "schlüssel".encode() + b"\xff")

    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            await machine.run("printenv KEY", container={"secret_env": {"KEY": uri}})
            assert machine.output() == "schlüssel".encode() + b"\xff\n"

    run(scenario())


@pytest.mark.parametrize("kind", ["secret_env", "secret_volumes"])
def test_a_missing_secret_stops_the_job(
    tmp_path: pathlib.Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/" + name)
    uri = "secret://default/org/project/none"
    container: Dict[str, Any] = {
        "secret_env": {"KEY": uri},
        "secret_volumes": [{"src_secret_uri": uri, "dst_path": "/x"}],
    }

    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            with pytest.raises(LaunchError) as refused:
                await machine.run("true", container={kind: container[kind]})
            assert uri in refused.value.description
            assert str(tmp_path / "secrets" / "org" / "project" / "none") in str(refused.value)

    run(scenario())


@needs_bubblewrap
def test_a_working_directory_that_the_machine_does_not_have(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            await machine.run("sh -c 'pwd; echo x > file'", working_dir="/no/such/app")
            assert machine.output() == b"/no/such/app\n"
            assert (tmp_path / "jobs" / "job-1" / "work" / "file").read_text() == "x\n"

    run(scenario())


@needs_bubblewrap
def test_a_working_directory_in_a_volume(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            await machine.run(
                "sh -c 'pwd; echo x > file'",
                working_dir="/vol/deep/dir",
                container=volume("data", "/vol"),
            )
            assert machine.output() == b"/vol/deep/dir\n"
            stored = tmp_path / "storage" / "org" / "project" / "data" / "deep" / "dir" / "file"
            assert stored.exists()

    run(scenario())


def test_a_working_directory_that_is_there_needs_no_mount(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            await machine.run("pwd", working_dir="/usr/bin")
            assert machine.output() == b"/usr/bin\n"

    run(scenario())


@needs_bubblewrap
def test_exec_shares_the_view_and_signals_reach_the_job(tmp_path: pathlib.Path) -> None:
    script = 'trap "exit 9" TERM; echo up; while :; do sleep 0.02; done'

    async def scenario() -> None:
        async with platform(tmp_path) as site:
            job = await site.jobs.start("sh -c '{}'".format(script), container=volume("d", "/vol"))
            session = await execute(site, "sh -c 'touch /vol/made; ls /vol; pwd'")
            assert session.stdout.startswith(b"made\n")
            async with site.connect("/job-1/log_ws") as log:
                assert await log.receive_bytes() == b"up\n"
            await job.terminate(30)
            assert (await job.wait()).exit_code == 9

    run(scenario())


@needs_bubblewrap
def test_a_tty_in_a_view(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            await machine.run("sh -c 'stty size </dev/tty'", tty=True, container=volume("d", "/v"))
            assert machine.output() == b"24 80\r\n"

    run(scenario())


@needs_bubblewrap
def test_the_words_of_bubblewrap_are_told(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with Machine(tmp_path) as machine:
            result = await machine.run("true", container=volume("d", "/etc/passwd"))
            assert result.reason == "ContainerCannotRun"
            assert "bwrap" in result.description

    run(scenario())


def test_without_bubblewrap_the_missing_program_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert sandbox.missing_reason({}) is None
    assert sandbox.missing_reason({"volumes": [], "working_dir": "/"}) is None
    for container in (
        volume("d", "/v"),
        {"secret_volumes": [{"src_secret_uri": "secret://c/o/p/s", "dst_path": "/s"}]},
        {"disk_volumes": [{"src_disk_uri": "disk://c/o/p/d", "dst_path": "/d"}]},
        {"working_dir": "/no/such/dir"},
    ):
        reason = sandbox.missing_reason(container)
        assert reason is not None
        assert "bwrap" in reason
        with pytest.raises(LaunchError, match="bwrap"):
            Sandbox(tmp_path).prepare(container, str(tmp_path))


@pytest.mark.parametrize("path", ["../x", "a/%2e%2e/b", "%00"])
def test_a_path_stays_below_its_place(
    tmp_path: pathlib.Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/" + name)
    with pytest.raises(LaunchError, match="leads out"):
        Sandbox(tmp_path).prepare(volume(path, "/v"), str(tmp_path))


def test_a_target_that_is_there_is_mounted_over(tmp_path: pathlib.Path) -> None:
    mount = Mount(str(tmp_path), "/source", False)
    assert arguments([mount]) == ["--dev-bind", "/", "/", "--bind", "/source", str(tmp_path)]


def test_a_directory_that_lacks_a_target_is_replaced_in_the_view(tmp_path: pathlib.Path) -> None:
    (tmp_path / "entry").mkdir()
    (tmp_path / "link").symlink_to("entry")
    target = str(tmp_path / "new" / "deep")
    parent = str(tmp_path)
    assert arguments([Mount(target, "/source", True)]) == [
        *("--dev-bind", "/", "/", "--tmpfs", parent),
        *("--dev-bind", parent + "/entry", parent + "/entry"),
        *("--symlink", "entry", parent + "/link"),
        *("--ro-bind", "/source", target),
    ]
