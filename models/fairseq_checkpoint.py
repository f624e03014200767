"""Official tensors and keys: fairseq's XLS-R checkpoints, read without running anything in them.

A fairseq ``.pt`` is a pickle that mentions argparse, omegaconf and fairseq classes beside its
tensors. `torch.load(weights_only=True)` is given inert stand-ins for just those names; whatever
else a file asks for is refused before anything is built.
"""

from __future__ import annotations

import pickle
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

# Pre-training heads: in official checkpoints, never part of a detector's computation.
PRETRAINING_PREFIXES = ("mask_emb", "quantizer.", "project_q.", "final_proj.")

_FAIRSEQ_TO_TRANSFORMERS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
        (
            r"^feature_extractor\.conv_layers\.(\d+)\.2\.1\.",
            r"feature_extractor.conv_layers.\1.layer_norm.",
        ),
        (r"^layer_norm\.", "feature_projection.layer_norm."),
        (r"^post_extract_proj\.", "feature_projection.projection."),
        (
            r"^encoder\.pos_conv\.0\.weight_g$",
            "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
        ),
        (
            r"^encoder\.pos_conv\.0\.weight_v$",
            "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
        ),
        (r"^encoder\.pos_conv\.0\.bias$", "encoder.pos_conv_embed.conv.bias"),
        (r"^encoder\.layers\.(\d+)\.self_attn\.", r"encoder.layers.\1.attention."),
        (r"^encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"encoder.layers.\1.layer_norm."),
        (r"^encoder\.layers\.(\d+)\.fc1\.", r"encoder.layers.\1.feed_forward.intermediate_dense."),
        (r"^encoder\.layers\.(\d+)\.fc2\.", r"encoder.layers.\1.feed_forward.output_dense."),
    )
)

# Everything that published wav2vec 2.0 / XLS-R files mention beside tensors and builtins.
_HARMLESS_NAME = re.compile(
    r"""^(
        argparse\.Namespace
      | omegaconf\.(dictconfig\.DictConfig|listconfig\.ListConfig)
      | omegaconf\.base\.(ContainerMetadata|Metadata)
      | omegaconf\.nodes\.(AnyNode|StringNode|IntegerNode|FloatNode|BooleanNode|EnumNode)
      | fairseq\.[\w.]*\.(\w*Config|\w*Choices|\w*Meter|MetersDict)
      | fairseq\.dataclass\.constants\.\w+
      | typing\.(Any|Dict|List|Optional|Union)
      | numpy\.(core|_core)\.multiarray\.scalar | numpy\.dtype | numpy\.dtypes\.\w+
      | _codecs\.encode
    )$""",
    re.VERBOSE,
)
_REAL_TYPES: dict[str, type] = {
    "collections.defaultdict": defaultdict,
    **{f"builtins.{kind.__name__}": kind for kind in (bool, dict, float, int, list, str, tuple)},
}


class UnsafeCheckpointError(ValueError):
    """A checkpoint asks for classes or functions that reading its tensors has no need of."""


class _Inert:
    """Stand-in for a foreign class: takes any state, does nothing with it but keep it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


def transformers_key(fairseq_key: str) -> str:
    """The name in transformers' ``Wav2Vec2Model`` of a fairseq wav2vec 2.0 tensor."""
    for pattern, replacement in _FAIRSEQ_TO_TRANSFORMERS:
        fairseq_key, hits = pattern.subn(replacement, fairseq_key)
        if hits:
            break
    return fairseq_key


def strip_pretraining_tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without mask embedding, quantizer and contrastive projections."""
    return {key: value for key, value in state.items() if not key.startswith(PRETRAINING_PREFIXES)}


def load_pickle_safely(path: Path) -> Any:
    """Read a torch pickle with ``weights_only``, with stand-ins for fairseq's own classes only.

    Raises:
        FileNotFoundError: there is no such file.
        UnsafeCheckpointError: the file mentions a class or function that is not on the list.
        ValueError: the file is not a torch checkpoint.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint file")
    try:
        asked_for = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except ValueError:
        asked_for = []  # the pre-2020 file format: torch cannot list it, and allows nothing extra
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is not a torch checkpoint: {error}") from error
    foreign = sorted(
        name for name in asked_for if name not in _REAL_TYPES and not _HARMLESS_NAME.match(name)
    )
    if foreign:
        raise UnsafeCheckpointError(
            f"{path} refused, and nothing in it was run: it asks for {', '.join(foreign)}, which "
            "weights have no need of. Get the file from its publisher, or save its state_dict() "
            "alone"
        )
    stand_ins: list[Any] = [
        (_REAL_TYPES.get(name) or type("Inert", (_Inert,), {}), name) for name in asked_for
    ]
    try:
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "Unsupported global" in reason or "GLOBAL" in reason:
            raise UnsafeCheckpointError(
                f"{path} refused, and nothing in it was run: {reason.splitlines()[0]}"
            ) from error
        raise ValueError(f"{path} is not a torch checkpoint: {reason.splitlines()[0]}") from error
    except (RuntimeError, EOFError) as error:
        raise ValueError(f"{path} is not a readable torch checkpoint: {error}") from error


def read_fairseq_frontend(path: Path) -> tuple[dict[str, Tensor], int]:
    """Read ``xlsr2_300m.pt`` and its like: transformers' keys, and the number of attention heads.

    Raises: as `load_pickle_safely`, and ValueError where the file holds no wav2vec 2.0 model.
    """
    content = load_pickle_safely(path)
    state = content.get("model", content) if isinstance(content, dict) else {}
    if "encoder.pos_conv.0.weight_v" not in state:
        raise ValueError(
            f"{path} holds no fairseq wav2vec 2.0 model (no encoder.pos_conv.0.weight_v under "
            "'model'); a whole detector's checkpoint is read with `fakemamba convert`"
        )
    # Every released XLS-R and wav2vec 2.0 large model has 16 heads; the weights do not show it.
    return {transformers_key(key): value for key, value in state.items()}, 16
