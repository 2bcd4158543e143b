"""Masking, which RFC 6455 wants of each byte that a client sends.

In pure Python it is the largest part of sending. A compiled masker is taken where one is installed (the
extra ``speed``); without it, integers of 16 KiB are the fastest way.
"""

import os
from typing import Callable, List, Optional

__all__ = ["apply_mask", "new_key"]

# Above this the cost of a byte grows with the size of the integer.
_BLOCK = 16 * 1024
_POOL = 4096

_compiled: Optional[Callable[[bytes, bytes], bytes]] = None
_chosen = False
_keys: List[bytes] = []
if hasattr(os, "register_at_fork"):
    # The child of a fork must not use the keys of its parent.
    os.register_at_fork(after_in_child=_keys.clear)


def apply_mask(data: bytes, key: bytes) -> bytes:
    """Data masked with the four bytes of a key; the same again takes the mask off."""
    if not _chosen:
        _choose()
    if _compiled is not None:
        return _compiled(data, key)
    return _by_integers(data, key)


def new_key() -> bytes:
    """Four bytes that nobody can guess, from a pool: asking the system for each is dear."""
    while True:
        try:
            return _keys.pop()
        except IndexError:
            random = os.urandom(_POOL)
            _keys.extend(random[n : n + 4] for n in range(0, _POOL, 4))


def _choose() -> None:
    global _compiled, _chosen
    _compiled = _installed()
    _chosen = True


def _installed() -> Optional[Callable[[bytes, bytes], bytes]]:
    try:
        from websockets.speedups import apply_mask
    except ImportError:
        return None
    compiled: Callable[[bytes, bytes], bytes] = apply_mask
    return compiled


def _by_integers(data: bytes, key: bytes) -> bytes:
    length = len(data)
    if length <= _BLOCK:
        return _xor(data, key * (length // 4) + key[: length % 4])
    whole = int.from_bytes(key * (_BLOCK // 4), "little")
    parts = []
    last = length - length % _BLOCK
    for start in range(0, last, _BLOCK):
        block = int.from_bytes(data[start : start + _BLOCK], "little") ^ whole
        parts.append(block.to_bytes(_BLOCK, "little"))
    if last < length:
        parts.append(_by_integers(data[last:], key))
    return b"".join(parts)


def _xor(data: bytes, mask: bytes) -> bytes:
    mixed = int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")
    return mixed.to_bytes(len(data), "little")
