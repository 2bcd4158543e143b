"""``save`` is checked like the platform's, and refused in the body of a 200."""

import json
import pathlib
from typing import Any

import pytest

from .execution import Platform, platform, run

IMAGE = "registry.local:5000/org/project/name:tag"


def body(image: Any) -> Any:
    return {"container": {"image": image}}


async def save(site: Platform, job_id: str) -> str:
    async with site.session.post(
        "{}/{}/save".format(site.url, job_id), json=body(IMAGE)
    ) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
        text = await response.text()
    assert text.endswith("\r\n")
    line = json.loads(text)
    assert line["errorDetail"] == {"message": line["error"]}
    return str(line["error"])


def test_there_are_no_images_to_save(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.start("cat")
            assert "cannot save images" in await save(site, "job-1")

    run(scenario())


def test_a_job_that_does_not_run(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            await site.jobs.run("true")
            assert await save(site, "job-1") == "Job 'job-1' is not running."

    run(scenario())


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"container": IMAGE},
        {"container": {}},
        {"container": {"image": IMAGE, "tag": "x"}},
        {"container": {"image": IMAGE}, "more": 1},
        body(""),
        body(5),
        body("UPPER/case"),
        body("registry.local:5000/org/name:bad tag"),
        body("ubuntu:22.04"),
        body("registry.local/org/project/name:tag"),
        body("other.registry:5000/org/project/name:tag"),
    ],
)
def test_a_wrong_body(tmp_path: pathlib.Path, wrong: Any) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            status, answer = await site.refusal("/no-such-job/save", "POST", json=wrong)
            assert status == 400
            assert isinstance(answer["error"], str)
            assert "no such job" not in answer["error"]

    run(scenario())


def test_a_body_that_is_no_json(tmp_path: pathlib.Path) -> None:
    async def scenario() -> None:
        async with platform(tmp_path) as site:
            status, answer = await site.refusal("/no-such-job/save", "POST", data=b"{")
            assert (status, "JSON" in answer["error"]) == (400, True)

    run(scenario())
