"""An empty last-level cache before a round: what a cold call costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

_CPU_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class CacheSizeUnknownError(ValueError):
    """A machine does not say how large its last-level cache is."""


def make_flush(device: torch.device) -> Callable[[], object]:
    """A call that overwrites twice as many bytes as the last-level cache of the device holds.

    Raises:
        CacheSizeUnknownError: the system does not say how large that cache is.
    """
    buffer = torch.empty(2 * last_level_cache_bytes(device), dtype=torch.uint8, device=device)
    return buffer.zero_


def last_level_cache_bytes(device: torch.device, caches: Path = _CPU_CACHES) -> int:
    """Size of a GPU's L2 cache, or of the largest cache of the first core.

    Raises:
        CacheSizeUnknownError: the system does not say.
    """
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    texts = [path.read_text().strip() for path in caches.glob("index*/size")]
    if not texts:
        raise CacheSizeUnknownError(
            f"the size of the CPU's caches is not in {caches}, so they cannot be emptied; measure "
            "without --bench-flush-cache"
        )
    return max(int(text[:-1]) * _UNITS[text[-1]] for text in texts)
