"""A number out of a text, the same in every process and release: what spreads `H` and jitter."""

from __future__ import annotations


def number_of(text: str) -> int:
    """Below 2**64."""
    import hashlib  # not before it is needed: OpenSSL comes with it, 3 MiB of every worker

    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
