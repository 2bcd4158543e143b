"""All ways to mask give the same bytes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_sync.transport import ws_mask

BLOCK = ws_mask._BLOCK
LENGTHS = [*range(10), BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 3, 5 * BLOCK - 2]
keys = st.binary(min_size=4, max_size=4)


def one_by_one(data, key):
    return bytes(byte ^ key[number % 4] for number, byte in enumerate(data))


@pytest.mark.parametrize("length", LENGTHS)
def test_masks_are_the_same_at_the_ends_of_blocks(length):
    data, key = os.urandom(length), b"\x01\x80\xff\x00"
    expected = one_by_one(data, key)
    assert ws_mask._by_integers(data, key) == expected
    assert ws_mask.apply_mask(data, key) == expected


@given(st.binary(max_size=400), keys)
def test_integers_mask_as_single_bytes_do(data, key):
    assert ws_mask._by_integers(data, key) == one_by_one(data, key)


def test_the_compiled_masker_gives_the_same():
    speedups = pytest.importorskip(
        "websockets.speedups", reason="the extra 'speed' is not installed"
    )
    for length in LENGTHS:
        data, key = os.urandom(length), os.urandom(4)
        assert speedups.apply_mask(data, key) == ws_mask._by_integers(data, key), length


@given(st.binary(max_size=400), keys)
def test_a_mask_takes_itself_off(data, key):
    assert ws_mask.apply_mask(ws_mask.apply_mask(data, key), key) == data


def test_keys_are_new_each_time():
    keys = [ws_mask.new_key() for _ in range(5000)]
    assert {len(key) for key in keys} == {4}
    # Of 5000 keys out of 2**32, three or more pairs that are equal have a chance of one in a million.
    assert len(set(keys)) >= len(keys) - 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of threads of other tests
def test_a_forked_child_has_keys_of_its_own():
    ws_mask.new_key()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(ws_mask.new_key() for _ in range(20)))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        of_child = file.read()
    assert len(of_child) == 80
    assert of_child != b"".join(ws_mask.new_key() for _ in range(20))
