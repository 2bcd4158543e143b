"""The log on disk."""

import itertools
import os
import pathlib
from typing import Any, List

import pytest

from neuro_sync.local.logstore import CONTAINER, CUT, STDERR, STDOUT, LogFiles, LogWriter, Record


def writer(path: pathlib.Path, **options: Any) -> LogWriter:
    return LogWriter(str(path), clock=itertools.count(1000, 1000).__next__, **options)


def content(path: pathlib.Path) -> List[Record]:
    files = LogFiles(str(path))
    try:
        return files.records(0)
    finally:
        files.close()


def test_a_log_that_was_never_written_is_empty(tmp_path: pathlib.Path) -> None:
    files = LogFiles(str(tmp_path / "none"))
    assert len(files) == 0
    assert files.records(0) == []
    assert files.read(0, 100) == b""
    assert files.find_time(5) == 0


def test_each_piece_has_its_time_and_stream(tmp_path: pathlib.Path) -> None:
    log = writer(tmp_path)
    assert log.start_container() == 1000
    log.write(STDOUT, b"out\n")
    log.write(STDERR, b"err\n")
    log.close()
    assert content(tmp_path) == [
        Record(0, 1000, 0, CONTAINER),
        Record(0, 2000, 4, STDOUT),
        Record(4, 3000, 4, STDERR),
    ]
    assert (tmp_path / "output").read_bytes() == b"out\nerr\n"


def test_times_never_go_back_and_leave_room_for_the_lines(tmp_path: pathlib.Path) -> None:
    log = LogWriter(str(tmp_path), clock=iter([500, 400, 300, 200]).__next__)
    log.start_container()
    log.write(STDOUT, b"\n" * 10)
    log.write(STDOUT, b"x\n")
    log.close()
    assert [record.time_ns for record in content(tmp_path)] == [500, 501, 512]


def test_the_next_container_goes_on_in_the_same_log_on_a_new_line(tmp_path: pathlib.Path) -> None:
    log = writer(tmp_path)
    log.start_container()
    log.write(STDOUT, b"unfinished")
    log.close()
    log = LogWriter(str(tmp_path), clock=lambda: 0)
    log.start_container()
    log.write(STDOUT, b"second\n")
    log.close()
    assert (tmp_path / "output").read_bytes() == b"unfinished\nsecond\n"
    records = content(tmp_path)
    assert [record.kind for record in records].count(CONTAINER) == 2
    times = [record.time_ns for record in records]
    assert times == sorted(set(times))


def test_bytes_without_a_record_are_dropped(tmp_path: pathlib.Path) -> None:
    log = writer(tmp_path)
    log.write(STDOUT, b"kept\n")
    log.close()
    with open(str(tmp_path / "output"), "ab") as output, open(
        str(tmp_path / "index"), "ab"
    ) as index:
        output.write(b"torn")
        index.write(b"torn")
    log = writer(tmp_path)
    log.write(STDOUT, b"next\n")
    log.close()
    assert (tmp_path / "output").read_bytes() == b"kept\nnext\n"
    assert [record.end for record in content(tmp_path)] == [5, 10]


def test_a_log_is_cut_at_its_limit_and_says_so(tmp_path: pathlib.Path) -> None:
    log = writer(tmp_path, limit=200)
    for _ in range(10):
        log.write(STDOUT, b"x" * 49 + b"\n")
    log.close()
    log = writer(tmp_path, limit=200)
    log.start_container()
    log.write(STDOUT, b"of no use\n")
    log.close()
    output = (tmp_path / "output").read_bytes()
    assert output.endswith(b"\n--- cut here: this log has reached its limit of 200 bytes ---\n")
    assert output.startswith(b"x" * 49 + b"\n")
    assert b"of no use" not in output
    assert content(tmp_path)[-1].kind == CUT
    assert len(output) < 300


def test_a_full_disk_stops_the_log_and_not_the_job(tmp_path: pathlib.Path) -> None:
    troubles: List[str] = []
    log = writer(tmp_path, on_failure=troubles.append)
    log.write(STDOUT, b"before\n")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._output.fileno())
    os.close(full)
    log.write(STDOUT, b"x" * 100)
    log.write(STDOUT, b"y" * 100)
    log.close()
    assert len(troubles) == 1
    assert "No space left" in troubles[0]


@pytest.mark.parametrize(
    ("time_ns", "number"), [(0, 0), (1000, 0), (1500, 0), (2000, 1), (3999, 2), (10**9, 2)]
)
def test_the_record_of_a_time_is_found(tmp_path: pathlib.Path, time_ns: int, number: int) -> None:
    log = writer(tmp_path)
    for _ in range(3):
        log.write(STDOUT, b"x\n")
    log.close()
    files = LogFiles(str(tmp_path))
    assert files.find_time(time_ns) == number
    files.close()
