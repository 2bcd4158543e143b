"""Reading and writing at once on one TLS connection, for long: it neither stops, nor breaks, nor mixes.

One SSL object that two threads use has stopped or crashed on some versions of Python, and still may.
Here each call into it is short and under a lock, which this shows to be enough.
"""

import hashlib
import os
import random
import struct
import sys
import threading

from neuro_sync.transport.auth import StaticToken
from neuro_sync.transport.ws import WsTransport

from ..wire.raw_server import serve

ROUNDS = 8000
LONG_ROUNDS = 100000
WRITERS = 4


def message(writer, number, rng):
    """Who sent it, the how many it is, and data with its checksum."""
    data = os.urandom(rng.choice((0, 1, 100, 1000, 17000, 40000, 300000)))
    return struct.pack("!II", writer, number) + hashlib.md5(data).digest() + data


def check(received, expected):
    """Each message is whole, and in the order of its writer."""
    writer, number = struct.unpack("!II", received[:8])
    assert hashlib.md5(received[24:]).digest() == received[8:24]
    assert number == expected[writer]
    expected[writer] += 1


def echo(peer):
    """Sends each message back; in one thread, for it is the client's end that is tested."""
    peer.upgrade(peer.request())
    while True:
        payload = read_frame(peer.reader)
        if payload is None:
            return
        peer.sock.sendall(struct.pack("!BBQ", 0x82, 127, len(payload)) + payload)


def read_frame(reader):
    head = reader.read(2)
    if len(head) < 2 or head[0] & 15 == 8:
        return None
    size = head[1] & 127
    if size > 125:
        size = int.from_bytes(reader.read(2 if size == 126 else 8), "big")
    mask = reader.read(4)
    data = reader.read(size)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
    return (int.from_bytes(data, "little") ^ key).to_bytes(size, "little")


def test_reading_and_writing_at_once_over_tls_goes_on_and_on(tls, is_long, figure, nothing_left):
    rounds = LONG_ROUNDS if is_long else ROUNDS
    failures = []

    def write(conn, writer):
        rng = random.Random(writer)
        try:
            for number in range(rounds // WRITERS):
                conn.send(message(writer, number, rng))
        except BaseException as error:
            failures.append(error)
            conn.abort()

    expected = [0] * WRITERS
    with serve(echo, tls=tls) as server:
        conn = WsTransport(StaticToken("secret")).dial(server.url)
        threads = [threading.Thread(target=write, args=(conn, n)) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            while sum(expected) < rounds:
                for received in conn.recv_batch():
                    check(received, expected)
        finally:
            conn.abort()
            for thread in threads:
                thread.join()
            conn.close()
    figure(
        "{:,} messages each way at once on one TLS connection, {} writers".format(rounds, WRITERS),
        "each arrives whole and in order",
        "{:,} arrived, Python {}".format(sum(expected), sys.version.split()[0]),
    )
    assert not failures
    assert expected == [rounds // WRITERS] * WRITERS
