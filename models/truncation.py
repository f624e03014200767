"""A detector behind the first layers of its front-end alone: fewer layers, less time and memory.

The rest of it was trained behind all layers. It runs behind fewer, but what it gives there is
nobody's detector before it is trained again.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from fakemamba.models.detector import Detector
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.state_dicts import load_exactly


def with_first_layers(detector: Detector, layers: int) -> Detector:
    """The detector with so many of its front-end's layers; it shares the weights that it keeps.

    Weights of states, where the front-end or the encoder weighs all of them, are those of the
    first; what is a share among them is a share among fewer.

    Args:
        detector: in evaluation mode.
        layers: how many of the front-end's are kept.

    Raises:
        ValueError: it has fewer layers, or is code of others.
    """
    if isinstance(detector, ExternalDetector):
        raise ValueError(f"{detector.name} is code of others, whose layers are not known")
    frontend = detector.config.frontend
    most = frontend.num_layers
    if not 1 <= layers <= most:
        raise ValueError(f"{layers} layers of {frontend.name}: give a number from 1 to {most}")
    name = f"{frontend.name.partition('?')[0]}?layers={layers}"
    config = replace(detector.config, frontend=replace(frontend, num_layers=layers, name=name))
    with torch.device("meta"):
        made = type(detector)(config)
    wanted, state = made.state_dict(), detector.state_dict()
    kept = {
        key: state[key][: len(one)] if _is_of_states(one, state[key], layers, most) else state[key]
        for key, one in wanted.items()
    }
    load_exactly(made, kept, frontend.name)
    return made.eval()


def _is_of_states(few: torch.Tensor, many: torch.Tensor, layers: int, most: int) -> bool:
    """Whether a tensor's first dim is the states': a layer's each, and the input of the first."""
    return few.shape != many.shape and (len(few), len(many)) == (layers + 1, most + 1)
