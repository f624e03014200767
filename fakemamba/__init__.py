"""fakemamba: benchmark, profile, train and score speech-deepfake detectors.

The package's rooms live in folders at the top of the repository (see ``pyproject.toml``).
Names are loaded on first use, so that reading results does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakemamba.models.checkpoints import from_pretrained, save_pretrained
    from fakemamba.models.registry import create_detector, list_detectors

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "create_detector",
    "from_pretrained",
    "list_detectors",
    "save_pretrained",
]

_HOMES = {
    "create_detector": "fakemamba.models.registry",
    "list_detectors": "fakemamba.models.registry",
    "from_pretrained": "fakemamba.models.checkpoints",
    "save_pretrained": "fakemamba.models.checkpoints",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'fakemamba' has no attribute {name!r}")
