"""``GET /jobs``: each filter, both forms of the answer, the order."""

import datetime
import itertools
import json
import sqlite3
import urllib.parse

import pytest
import requests

from .scale import fill

NDJSON = "application/x-ndjson"


def query(**filters):
    return "/jobs?" + urllib.parse.urlencode(filters, doseq=True)


def ids(jobs):
    return [job["id"] for job in jobs]


def too_large(tag):
    """A job that this machine never has room for."""
    resources = {"cpu": 10**6, "memory": 2**30}
    return {"container": {"image": "ubuntu", "resources": resources}, "tags": [tag]}


@pytest.fixture(scope="module")
def some(platform):
    """Jobs of all sorts, in the order in which they were made; no other test sees a job of ``tag``."""
    from .api import Api

    api = Api(platform)
    tag = "listing"
    finished = [
        api.run("true", name="list-a", tags=[tag, "x"], restart_policy="never"),
        api.run("false", tags=[tag, "x", "y"]),
        api.run("true", name="list-a", tags=[tag, "y"], project_name="local-project"),
    ]
    killed = api.start("sleep 600", tags=[tag, "y", "list-x"])
    api.wait_running(killed["id"])
    api.kill(killed["id"])
    running = api.start("sleep 600", name="list-b", tags=[tag])
    api.wait_running(running["id"])
    pending = api.post(too_large(tag), "/jobs").json()
    yield {
        "tag": tag,
        "all": [*ids(finished), killed["id"], running["id"], pending["id"]],
        "jobs": finished,
    }
    api.end_jobs()
    api.close()


@pytest.fixture(params=["ndjson", "json"])
def list_jobs(request, api, some):
    """Lists the jobs of this module, in one form or the other."""

    def list_jobs(**filters):
        filters["tag"] = [some["tag"], *filters.get("tag", [])]
        path = query(**filters)
        if request.param == "json":
            return api.get(path)["jobs"]
        headers = {**api.headers, "Accept": NDJSON}
        response = api.call("GET", path, headers=headers)
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"] == NDJSON
        assert response.content.endswith(b"\n") or not response.content
        return [json.loads(line) for line in response.content.splitlines()]

    return list_jobs


def test_the_oldest_comes_first(list_jobs, some):
    assert ids(list_jobs()) == some["all"]


def test_the_newest_comes_first_in_reverse(list_jobs, some):
    assert ids(list_jobs(reverse="1")) == some["all"][::-1]
    assert ids(list_jobs(reverse="false")) == some["all"]


def test_a_limit_takes_from_the_start_of_the_order(list_jobs, some):
    assert ids(list_jobs(limit="2")) == some["all"][:2]
    assert ids(list_jobs(limit="2", reverse="True")) == some["all"][:-3:-1]
    assert ids(list_jobs(limit="1000")) == some["all"]


def test_any_of_some_statuses(list_jobs, some):
    a, b, c, killed, running, pending = some["all"]
    assert ids(list_jobs(status="succeeded")) == [a, c]
    assert ids(list_jobs(status=["failed", "cancelled"])) == [b, killed]
    assert ids(list_jobs(status=["running"])) == [running]
    assert ids(list_jobs(status=["pending", "suspended"])) == [pending]
    assert list_jobs(status="suspended") == []


def test_all_of_some_tags(list_jobs, some):
    a, b, c, killed, _, _ = some["all"]
    assert ids(list_jobs(tag=["x"])) == [a, b]
    assert ids(list_jobs(tag=["y"])) == [b, c, killed]
    assert ids(list_jobs(tag=["x", "y"])) == [b]
    # A tag is a whole one, and no pattern.
    assert list_jobs(tag=["list"]) == []
    assert list_jobs(tag=["%"]) == []


def test_a_name(list_jobs, some):
    assert ids(list_jobs(name="list-a")) == [some["all"][0], some["all"][2]]
    assert list_jobs(name="list-nobody") == []


def test_any_of_some_projects(list_jobs, some):
    third = some["all"][2]
    assert ids(list_jobs(project_name="local-project")) == [third]
    assert ids(list_jobs(project_name=["local-project", "user"])) == some["all"]
    assert list_jobs(project_name="nobodys") == []


def test_any_of_some_owners(list_jobs, some):
    assert ids(list_jobs(owner=["nobody", "user"])) == some["all"]
    assert list_jobs(owner="user/service-accounts/ci") == []
    assert ids(list_jobs(base_owner="user")) == some["all"]
    assert list_jobs(base_owner="nobody") == []


def test_any_of_some_clusters_and_organisations(list_jobs, some):
    assert ids(list_jobs(cluster_name=["other", "local"])) == some["all"]
    assert list_jobs(cluster_name="other") == []
    assert ids(list_jobs(org_name=["other", "local-org"])) == some["all"]
    assert list_jobs(org_name="other") == []


def test_since_and_until_have_their_ends_in_them(list_jobs, some):
    moments = [job["history"]["created_at"] for job in some["jobs"]]
    a, b, c = some["all"][:3]
    assert ids(list_jobs(since=moments[1]))[:2] == [b, c]
    assert ids(list_jobs(until=moments[1])) == [a, b]
    assert ids(list_jobs(since=moments[1], until=moments[1])) == [b]
    assert list_jobs(since=moments[2], until=moments[1]) == []


@pytest.mark.parametrize("form", ["offset", "Z", "naive", "other zone"])
def test_a_moment_in_any_form(list_jobs, some, form):
    moment = datetime.datetime.fromisoformat(some["jobs"][1]["history"]["created_at"])
    texts = {
        "offset": moment.isoformat(),
        "Z": moment.isoformat().replace("+00:00", "Z"),
        "naive": moment.replace(tzinfo=None).isoformat(),
        "other zone": moment.astimezone(
            datetime.timezone(datetime.timedelta(hours=-5, minutes=-30))
        ).isoformat(),
    }
    assert ids(list_jobs(until=texts[form])) == some["all"][:2]


@pytest.mark.parametrize("text", ["0", "false", "FALSE", "False"])
def test_what_the_clients_always_send_hides_nothing(list_jobs, some, text):
    assert ids(list_jobs(being_dropped=text, logs_removed=text)) == some["all"]


@pytest.mark.parametrize("key", ["being_dropped", "logs_removed"])
def test_no_job_is_dropped(list_jobs, key):
    assert list_jobs(**{key: "true"}) == []


def test_materialized_jobs_have_had_a_container(list_jobs, some):
    assert ids(list_jobs(materialized="1")) == some["all"][:5]
    assert ids(list_jobs(materialized="0")) == some["all"][5:]


def test_a_host_is_called_after_an_id_or_a_name(list_jobs, some):
    a, _, c = some["all"][:3]
    assert ids(list_jobs(hostname=a + ".jobs.local")) == [a]
    assert ids(list_jobs(hostname=c)) == [c]
    assert list_jobs(hostname="job-nothing.jobs.local") == []
    for job in (some["jobs"][0], some["jobs"][2]):
        host = "list-a--{}.jobs.local".format(job["org_project_hash"])
        assert ids(list_jobs(hostname=host)) == [job["id"]]
    assert list_jobs(hostname="list-a--0123456789.jobs.local") == []


@pytest.mark.parametrize("key", ["name", "project_name", "cluster_name", "since", "until"])
def test_a_host_excludes_other_filters(api, key):
    value = "2026-01-01T00:00:00Z" if key in ("since", "until") else "local"
    error = api.error(api.call("GET", query(hostname="x.y", **{key: value})), 400)
    assert "hostname" in error
    assert key in error


@pytest.mark.parametrize("accept", [NDJSON, "*/*"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status", "done"),
        ("name", "ab"),
        ("name", "a" * 41),
        ("name", "Upper"),
        ("name", "a--b"),
        ("cluster_name", "Local"),
        ("org_name", "NO_ORG"),
        ("project_name", "x"),
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", "1.5"),
        ("limit", ""),
        ("reverse", "yes"),
        ("reverse", "2"),
        ("materialized", "maybe"),
        ("being_dropped", ""),
        ("logs_removed", "no"),
        ("since", "yesterday"),
        ("since", ""),
        ("until", "2026-13-01T00:00:00+00:00"),
        ("until", "2026-01-01T00:00:00 00:00"),
    ],
)
def test_a_filter_that_is_not_right(api, accept, key, value):
    headers = {**api.headers, "Accept": accept}
    response = api.call("GET", query(**{key: value}), headers=headers)
    assert api.error(response, 400)


def test_the_form_is_that_which_is_accepted(api):
    for accept, expected in (
        (NDJSON, NDJSON),
        ("text/html, {};q=0.5".format(NDJSON), NDJSON),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
    ):
        response = api.call(
            "GET", query(name="list-nobody"), headers={**api.headers, "Accept": accept}
        )
        assert response.headers["Content-Type"].split(";")[0] == expected
        assert response.content == (b"" if expected == NDJSON else b'{"jobs": []}')


def test_a_job_in_a_listing_is_the_job(api, some):
    job_id = some["all"][0]
    (listed,) = api.get(query(hostname=job_id))["jobs"]
    assert listed == api.job(job_id)


def test_a_running_job_is_listed_as_it_stands(api, some):
    job_id = some["all"][4]
    first, second = (
        api.get(query(hostname=job_id))["jobs"][0]["history"]["run_time_seconds"] for _ in range(2)
    )
    assert 0 < first < second


@pytest.fixture
def archive(tmp_path, some):
    """Fills a data directory with finished jobs; returns their ids in order."""
    return lambda count: fill(tmp_path, some["jobs"][0], count)


def execute(path, sql):
    """Does something to the database behind the platform's back."""
    db = sqlite3.connect(str(path / "jobs.sqlite"))
    try:
        with db:
            db.execute(sql)
    finally:
        db.close()


def test_pages_hold_together(archive, own_platform, tmp_path):
    # Page by page is how they are read, and no job gets lost or doubled where pages meet, though
    # several have been made in the same moment.
    oldest_first = archive(1700)
    _, api = own_platform(data_dir=tmp_path)
    for reverse, limit in itertools.product(("0", "1"), (None, 499, 500, 501, 1200)):
        filters = {"reverse": reverse, **({} if limit is None else {"limit": limit})}
        expected = oldest_first[::-1] if reverse == "1" else oldest_first
        assert ids(api.get(query(**filters))["jobs"]) == expected[:limit]


def test_a_failure_in_the_middle_is_the_last_line(archive, own_platform, tmp_path):
    order = archive(600)
    _, api = own_platform(data_dir=tmp_path)
    execute(tmp_path, "UPDATE jobs SET line = NULL WHERE id = '{}'".format(order[550]))
    response = api.call("GET", "/jobs", headers={**api.headers, "Accept": NDJSON})
    assert response.status_code == 200
    *lines, last = response.content.split(b"\n")
    assert ids(map(json.loads, lines)) == order[:500]
    assert list(json.loads(last)) == ["error"]


def test_half_a_document_does_not_look_like_a_whole_one(archive, own_platform, tmp_path):
    order = archive(600)
    _, api = own_platform(data_dir=tmp_path)
    execute(tmp_path, "UPDATE jobs SET line = NULL WHERE id = '{}'".format(order[550]))
    with pytest.raises(requests.exceptions.RequestException):
        api.call("GET", "/jobs")


@pytest.mark.parametrize("accept", [NDJSON, "*/*"])
def test_a_failure_before_the_first_job_is_an_answer(own_platform, tmp_path, accept):
    _, api = own_platform(data_dir=tmp_path)
    execute(tmp_path, "DROP TABLE jobs")
    response = api.call("GET", "/jobs", headers={**api.headers, "Accept": accept})
    assert "Unexpected exception" in api.error(response, 500)
