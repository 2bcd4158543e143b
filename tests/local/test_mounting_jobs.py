"""Jobs with volumes, disks, secrets and a working directory, from the request to the mount."""

import os
import shutil

import pytest

from neuro_sync.local import LocalPlatform

from .api import Api
from .processes import sh

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="bubblewrap is not installed"
)
ORG = "local-org/user"


@pytest.fixture
def secret(platform):
    """Puts a secret where a job finds it."""
    made = []

    def put(name, value):
        path = platform.data_dir / "secrets" / "local-org" / "user" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
        made.append(path)
        return "secret://local/{}/{}".format(ORG, name)

    yield put
    for path in made:
        path.unlink()


@needs_bubblewrap
def test_all_that_can_be_mounted(api, platform, secret):
    program = (
        "pwd; cat /keys/key; echo; echo $PASSWORD; echo kept >/disk/file; echo data >/data/out/file;"
        " touch /input/file 2>/dev/null || echo read-only"
    )
    job = api.run(
        sh(program),
        working_dir="/data/in",
        volumes=[
            {
                "src_storage_uri": "storage://local/{}/data".format(ORG),
                "dst_path": "/data",
                "read_only": False,
            },
            {"src_storage_uri": "storage://local/{}/in".format(ORG), "dst_path": "/input"},
        ],
        disk_volumes=[
            {
                "src_disk_uri": "disk://local/{}/disk-1".format(ORG),
                "dst_path": "/disk",
                "read_only": False,
            }
        ],
        secret_volumes=[
            {"src_secret_uri": secret("key", "the key"), "dst_path": "/keys/key"},
            {
                "src_secret_uri": "secret://local/{}/key".format(ORG),
                "dst_path": "/data/out/key",
            },
        ],
        secret_env={"PASSWORD": secret("password", "of the job")},
    )
    lines = api.log(job["id"]).decode().splitlines()
    assert job["status"] == "succeeded", lines
    assert lines[:3] == ["/data/in", "the key", "of the job"]
    assert lines[-1] == "read-only"
    data = platform.data_dir
    assert (data / "storage" / ORG / "data" / "out" / "file").read_text() == "data\n"
    assert (data / "disks" / ORG / "disk-1" / "file").read_text() == "kept\n"
    assert not os.path.exists("/keys")
    # It is all in the answer, as it was asked for; the values of secrets are not.
    container = job["container"]
    assert [item["read_only"] for item in container["volumes"]] == [False, True]
    assert container["secret_env"] == {"PASSWORD": "secret://local/{}/password".format(ORG)}
    assert container["env"] == {}
    assert "of the job" not in str(job)


def test_a_secret_that_is_missing(api):
    job = api.run("true", secret_env={"KEY": "secret://local/{}/nothing".format(ORG)})
    assert job["status"] == "failed"
    assert job["history"]["reason"] == "ContainerCannotRun"
    missing = "there is no secret://local/{}/nothing: ".format(ORG)
    assert job["history"]["description"].startswith(missing)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The API of a platform that finds no bubblewrap."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path_factory.mktemp("path")))
        with LocalPlatform() as platform:
            api = Api(platform)
            yield api
            api.close()


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        (
            {"volumes": [{"src_storage_uri": "storage://local/o/p/x", "dst_path": "/x"}]},
            "volumes",
        ),
        (
            {"disk_volumes": [{"src_disk_uri": "disk://local/o/d", "dst_path": "/d"}]},
            "disk volumes",
        ),
        (
            {"secret_volumes": [{"src_secret_uri": "secret://local/o/k", "dst_path": "/k"}]},
            "secret files",
        ),
        ({"working_dir": "/no/such/directory"}, "/no/such/directory"),
    ],
)
def test_without_bubblewrap_it_is_refused(bare, fields, what):
    error = bare.error(bare.post({"image": "x", "command": "true", **fields}), 400)
    assert what in error
    assert "'bwrap' is not installed" in error


def test_what_needs_no_mount_needs_no_bubblewrap(bare):
    assert bare.run("/bin/pwd", working_dir="/")["status"] == "succeeded"
