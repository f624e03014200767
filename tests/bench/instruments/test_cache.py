"""The last-level cache that is emptied before a round."""

import pytest
import torch

from fakemamba.bench.instruments.cache import (
    CacheSizeUnknownError,
    last_level_cache_bytes,
    make_flush,
)

CPU = torch.device("cpu")


def test_the_last_level_is_the_largest(tmp_path):
    for index, size in enumerate(("32K", "1024K", "16M")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(f"{size}\n")
    assert last_level_cache_bytes(CPU, tmp_path) == 16 << 20


def test_a_machine_that_does_not_say_is_refused(tmp_path):
    with pytest.raises(CacheSizeUnknownError, match="is not in"):
        last_level_cache_bytes(CPU, tmp_path)


def test_a_flush_writes_twice_the_cache(monkeypatch):
    from fakemamba.bench.instruments import cache

    monkeypatch.setattr(cache, "last_level_cache_bytes", lambda device: 1 << 20)
    buffer = make_flush(CPU)()
    assert buffer.numel() == 2 << 20 and not buffer.any()
