"""Front-ends by name, and of others: a fairseq ``.pt``, a Hugging Face folder or an id of the hub.

Of others only XLS-R and models that are built like it are taken: what a configuration says must be
what the front-end computes, and the tensors must be all of its tensors and no others. transformers
itself would fill in at random what is missing, and read models of another family.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Wav2Vec2Config
from transformers.utils.hub import cached_file

from fakemamba.files import kind_of
from fakemamba.models.frontend import (
    CONV_KERNELS,
    CONV_STRIDES,
    FRONTEND_SIZES,
    Frontend,
    FrontendConfig,
    Layers,
    Size,
)
from fakemamba.models.state_dicts import load_exactly, plain_state
from fakemamba.models.wav2vec2_names import (
    POSITION_WEIGHT,
    encoder_tensors,
    transformers_key,
)
from fakemamba.models.weight_files import CheckpointError, read_weights
from fakemamba.records import parse_record, read_record, shown

CONFIG_NAME = "config.json"
WEIGHTS_NAMES = ("model.safetensors", "pytorch_model.bin")  # the first is preferred
# Every released XLS-R and wav2vec 2.0 large model has so many; the weights do not show it.
FAIRSEQ_HEADS = 16
# What a config.json has to say of how the model is built, whatever its sizes.
_BUILD: dict[str, Any] = {
    "model_type": "wav2vec2",
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
    "feat_extract_activation": "gelu",
    "hidden_act": "gelu",
    "conv_bias": True,
    "conv_kernel": list(CONV_KERNELS),
    "conv_stride": list(CONV_STRIDES),
    "layer_norm_eps": 1e-5,
    "add_adapter": False,
    "adapter_attn_dim": None,
}
_REMEDY = "give the folder of an XLS-R model, such as facebook/wav2vec2-xls-r-300m"


@dataclass(frozen=True)
class _Sizes:
    """What a config.json says of sizes, in transformers' words."""

    hidden_size: Size
    num_hidden_layers: Layers
    num_attention_heads: Size
    intermediate_size: Size
    conv_dim: list[Size]
    num_conv_pos_embeddings: Size
    num_conv_pos_embedding_groups: Size

    def __post_init__(self) -> None:
        if len(self.conv_dim) != len(CONV_KERNELS) or len(set(self.conv_dim)) != 1:
            raise ValueError(
                f"conv_dim should be {len(CONV_KERNELS)} equal numbers, but is {self.conv_dim}"
            )


def frontend_config(source: str | Path | FrontendConfig, attention: str = "sdpa") -> FrontendConfig:
    """Sizes of a source; a fairseq ``.pt`` says them by its weights alone, which are read and left.

    Raises: see `create_frontend`.
    """
    if isinstance(source, FrontendConfig):
        return source
    if str(source) in FRONTEND_SIZES:
        return replace(FRONTEND_SIZES[str(source)], attention=attention)
    if _is_file(Path(source)):
        return _fairseq_config(_fairseq_state(Path(source)), Path(source), attention)
    return _hugging_face_config(_finder(source), source, attention)


def create_frontend(source: str | Path | FrontendConfig, attention: str = "sdpa") -> Frontend:
    """Make a front-end from a named size, a fairseq ``.pt``, or a Hugging Face folder or id.

    A named size (``xls-r-300m``, ``xls-r-1b``, ``xls-r-2b``, ``xls-r-tiny``) or a `FrontendConfig`
    gives random weights; every other source gives the weights that it holds, in fp32.

    Raises:
        ValueError: the source is of no known kind.
        FileNotFoundError: it is named as a file that is not there.
        CheckpointError: it is not an XLS-R model, or not a whole one.
        UnsafeCheckpointError: a file holds objects that a front-end checkpoint has no need of.
    """
    if isinstance(source, FrontendConfig) or str(source) in FRONTEND_SIZES:
        return Frontend(frontend_config(source, attention))
    path = Path(source)
    if _is_file(path):
        state = _fairseq_state(path)
        return _loaded(_fairseq_config(state, path, attention), state, path)
    find = _finder(source)
    config = _hugging_face_config(find, source, attention)
    return _loaded(config, *_hugging_face_state(find, source))


def _loaded(config: FrontendConfig, state: dict[str, Tensor], path: Path) -> Frontend:
    with torch.device("meta"):
        frontend = Frontend(config)
    load_exactly(frontend.model, state, path)
    return frontend


def _is_file(path: Path) -> bool:
    return path.suffix in {".pt", ".pth"} or kind_of(path) not in (None, "a folder")


def _fairseq_config(state: dict[str, Tensor], path: Path, attention: str) -> FrontendConfig:
    try:
        config = FrontendConfig.from_state(state, num_heads=FAIRSEQ_HEADS, name=path.stem)
    except ValueError as error:
        raise CheckpointError(f"{path} is not an XLS-R model: {error}") from error
    return replace(config, attention=attention)


def _fairseq_state(path: Path) -> dict[str, Tensor]:
    """The encoder's tensors of ``xlsr2_300m.pt`` and its like, under transformers' names."""
    state = encoder_tensors(plain_state(read_weights(path), path), transformers_key, path)
    if POSITION_WEIGHT not in state:
        raise CheckpointError(
            f"{path} holds no fairseq wav2vec 2.0 model (no encoder.pos_conv.0.weight_v); a whole "
            "detector's checkpoint is read with `fakemamba convert`, and Hugging Face's files by "
            "their folder"
        )
    return state


def _finder(source: str | Path) -> Callable[[str], Path | None]:
    """What finds a model's file by its name, in a folder or on the hub; None if it has none."""
    folder = Path(source)
    if kind_of(folder) == "a folder":
        return lambda name: folder / name if kind_of(folder / name) else None
    if "/" not in str(source):
        guesses = get_close_matches(str(source), FRONTEND_SIZES)
        hint = f"; did you mean {' or '.join(guesses)}?" if guesses else ""
        raise ValueError(
            f"unknown front-end {str(source)!r}{hint} Named sizes: {', '.join(FRONTEND_SIZES)}; "
            "otherwise give a fairseq .pt file, a Hugging Face folder or an id such as "
            "facebook/wav2vec2-xls-r-300m"
        )

    def find(name: str) -> Path | None:
        try:
            found = cached_file(str(source), name, _raise_exceptions_for_missing_entries=False)
        except (OSError, ValueError) as error:  # ValueError: no id can be like this
            raise CheckpointError(
                f"front-end {str(source)!r} is neither a folder with a {CONFIG_NAME} nor a Hugging "
                f"Face id that can be reached from here: {' '.join(str(error).split())}"
            ) from error
        return None if found is None else Path(found)

    return find


def _hugging_face_config(
    find: Callable[[str], Path | None], source: str | Path, attention: str
) -> FrontendConfig:
    """Sizes out of a config.json that says that the model is built as this front-end is."""
    path = find(CONFIG_NAME)
    if path is None:
        raise CheckpointError(
            f"front-end {str(source)!r} is neither a folder with a {CONFIG_NAME} nor a Hugging "
            f"Face id that has one and can be reached from here; {_REMEDY}"
        )
    said = read_record(path, dict[str, Any], CheckpointError, _REMEDY)
    if "model_type" not in said:
        raise CheckpointError(f"{path}, model_type: it is missing; {_REMEDY}")
    said = Wav2Vec2Config().to_dict() | said  # as transformers has it where a file is silent
    unlike = [
        f"{name} should be {json.dumps(wanted)}, but is {shown(said[name])}"
        for name, wanted in _BUILD.items()
        if said[name] != wanted
    ]
    if unlike:
        raise CheckpointError(f"{path} is not an XLS-R model's: {', '.join(unlike)}; {_REMEDY}")
    in_words = json.dumps({name: said[name] for name in _Sizes.__dataclass_fields__})
    sizes = parse_record(in_words, _Sizes, str(path), CheckpointError, _REMEDY)
    try:
        return FrontendConfig(
            name=Path(source).name,
            hidden_size=sizes.hidden_size,
            num_layers=sizes.num_hidden_layers,
            num_heads=sizes.num_attention_heads,
            ffn_size=sizes.intermediate_size,
            conv_channels=sizes.conv_dim[0],
            position_kernel=sizes.num_conv_pos_embeddings,
            position_groups=sizes.num_conv_pos_embedding_groups,
            attention=attention,
        )
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}; {_REMEDY}") from error


def _hugging_face_state(
    find: Callable[[str], Path | None], source: str | Path
) -> tuple[dict[str, Tensor], Path]:
    """The encoder's tensors, of one file or of several that an index lists, and that file."""
    for name in WEIGHTS_NAMES:
        if whole := find(name):
            return _encoder(read_weights(whole), whole), whole
        if index := find(f"{name}.index.json"):
            content: dict[str, Any] = {}
            for part in _parts(index):
                path = find(part)
                if path is None:
                    raise CheckpointError(f"{index} lists {shown(part)}, which is not there")
                tensors = read_weights(path)
                twice = sorted(content.keys() & tensors.keys())
                if twice:
                    raise CheckpointError(f"{path} holds {shown(twice[0])}, as another part does")
                content |= tensors
            return _encoder(content, index), index
    raise CheckpointError(
        f"front-end {str(source)!r} has no weights: neither {' nor '.join(WEIGHTS_NAMES)}"
    )


def _encoder(content: Any, source: Path) -> dict[str, Tensor]:
    return encoder_tensors(plain_state(content, source), str, source)


def _parts(index: Path) -> list[str]:
    """The names of the files that an index lists."""
    said = read_record(index, dict[str, Any], CheckpointError, _REMEDY)
    listed = json.dumps(said.get("weight_map"))
    of_tensor = parse_record(
        listed, dict[str, str], f"{index}, weight_map", CheckpointError, _REMEDY
    )
    parts = sorted(set(of_tensor.values()))
    outside = [part for part in parts if Path(part).name != part]
    if outside or not parts:
        raise CheckpointError(f"{index} lists no files of its folder: {shown(parts)}; {_REMEDY}")
    return parts
