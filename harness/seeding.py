"""Named random streams. Kernel module; the only place that turns seeds into generators.

A stream is keyed by (seed, purpose, keys...), never by batch order, process or call count, so that
any worker can redraw exactly its own numbers and variants share them at one (seed, example, draw).
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def digest(*parts: object) -> bytes:
    """32 bytes that depend on every part and on where one part ends (length-prefixed reprs)."""
    h = hashlib.blake2b(digest_size=32)
    for part in parts:
        raw = str(part).encode()
        h.update(len(raw).to_bytes(8, "little"))
        h.update(raw)
    return h.digest()


def stream(seed: int, purpose: str, *keys: object) -> np.random.Generator:
    """Generator for one purpose. Equal arguments give equal numbers, on any machine and order."""
    key = np.frombuffer(digest(seed, purpose, *keys)[:16], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def uniforms(
    seed: int, purpose: str, example_id: str, draw: int, positions: int
) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) for one answer, shape (positions,): one per token position.

    A longer request starts with the numbers of a shorter one.
    """
    return stream(seed, purpose, example_id, draw).random(positions)


def derive_seed(seed: int, purpose: str, *keys: object) -> int:
    """A 63-bit integer for libraries that want a seed instead of a generator."""
    return int.from_bytes(digest(seed, purpose, *keys)[:8], "little") >> 1


def round_seed(seed: int, number: int) -> int:
    """Seed of the choices made in one of several rounds; the first round's is the run's own."""
    return derive_seed(seed, "round", number) if number else seed


def pool_purpose(number: int) -> str:
    """Purpose of the uniforms that draw the pool of a round, counted from 0."""
    return f"pool-{number}" if number else "pool"


def keyed_unit(purpose: str, *keys: object) -> float:
    """One number in [0, 1) from a hash alone; used for splits and tie-breaks."""
    return int.from_bytes(digest(purpose, *keys)[:7], "little") / float(1 << 56)
