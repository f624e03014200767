"""Front-ends by name, and of others: a fairseq ``.pt``, a Hugging Face folder or an id of the hub.

Behind a ``?`` stands what is chosen of it: `choices`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from fakemamba.files import kind_of
from fakemamba.models.frontend import FRONTEND_SIZES, Frontend, FrontendConfig
from fakemamba.models.frontends.choices import chosen, split_source
from fakemamba.models.frontends.families import FAMILIES
from fakemamba.models.frontends.hugging_face import (
    finder,
    hugging_face_config,
    hugging_face_state,
    is_normalised,
)
from fakemamba.models.frontends.sizes import NORMALISED_BY_CARD
from fakemamba.models.frontends.tensor_names import (
    POSITION_WEIGHT,
    family_of,
    network_tensors,
    transformers_key,
)
from fakemamba.models.state_dicts import load_exactly, plain_state
from fakemamba.models.weight_files import CheckpointError, read_weights

# The heads of released models of fairseq, which their weights do not show: by width, or else 16.
_FAIRSEQ_HEADS = {768: 12}
Reader = Callable[[], tuple[dict[str, Tensor], Path]]


def frontend_config(source: str | Path | FrontendConfig, attention: str = "sdpa") -> FrontendConfig:
    """Sizes of a source; a fairseq ``.pt`` says them by its weights alone, which are read and left.

    Raises: see `create_frontend`.
    """
    return _described(source, attention)[0]


def create_frontend(source: str | Path | FrontendConfig, attention: str = "sdpa") -> Frontend:
    """Make a front-end from a named size, a fairseq ``.pt``, or a Hugging Face folder or id.

    A named size (a key of `FRONTEND_SIZES`, such as ``xls-r-300m``) or a `FrontendConfig` gives
    random weights; every other source gives the weights that it holds, in fp32. Behind a ``?`` may
    stand what is chosen: ``wavlm-large?layers=6&output=weighted``.

    Raises:
        ValueError: the source is of no known kind, or a choice is none.
        FileNotFoundError: it is named as a file that is not there.
        CheckpointError: it is not a model of a known family, or not a whole one.
        UnsafeCheckpointError: a file holds objects that a front-end checkpoint has no need of.
    """
    config, read = _described(source, attention)
    return Frontend(config) if read is None else _loaded(config, *read())


def usual_heads(config: FrontendConfig) -> int:
    """Attention heads of the released models of fairseq that are as wide as this."""
    return _FAIRSEQ_HEADS.get(config.hidden_size, 16)


def _described(
    source: str | Path | FrontendConfig, attention: str
) -> tuple[FrontendConfig, Reader | None]:
    """A source's configuration, and what reads its weights, None where they are to be random."""
    if isinstance(source, FrontendConfig):
        return source, None
    base, choices = split_source(source)
    if base in FRONTEND_SIZES:
        config = replace(FRONTEND_SIZES[base], attention=attention)
        return chosen(config, choices, lambda: base in NORMALISED_BY_CARD), None
    path = Path(base)
    if _is_file(path):
        state, family = _fairseq_state(path)
        config = _fairseq_config(state, family, path, attention)
        return chosen(config, choices, lambda: _no_card(base)), lambda: (state, path)
    find = finder(base)
    config = hugging_face_config(find, base, attention)
    family = config.family
    return (
        chosen(config, choices, lambda: is_normalised(find, base, family)),
        lambda: hugging_face_state(find, base, family),
    )


def _loaded(config: FrontendConfig, state: dict[str, Tensor], path: Path) -> Frontend:
    """The front-end with weights, of which layers that are not built are left out."""
    with torch.device("meta"):
        frontend = Frontend(config)
    layer = re.compile(rf"{re.escape(config.build.layers)}\.(\d+)\.")
    kept = {
        name: value
        for name, value in state.items()
        if (found := layer.match(name)) is None or int(found[1]) < config.num_layers
    }
    load_exactly(frontend.model, kept, path)
    if frontend.layer_sum is not None:  # no publisher's, so it begins as a new one does
        frontend.layer_sum = type(frontend.layer_sum)(config.num_layers + 1)
    return frontend


def _is_file(path: Path) -> bool:
    return path.suffix in {".pt", ".pth"} or kind_of(path) not in (None, "a folder")


def _no_card(source: str) -> bool:
    raise CheckpointError(
        f"front-end {source!r} has no card that would say whether waveforms are normalised; choose "
        "waveform=none or waveform=utterance"
    )


def _fairseq_config(
    state: dict[str, Tensor], family: str, path: Path, attention: str
) -> FrontendConfig:
    try:
        config = FrontendConfig.from_state(state, num_heads=1, name=path.stem, family=family)
        return replace(config, num_heads=usual_heads(config), attention=attention)
    except ValueError as error:
        title = FAMILIES[family].title
        raise CheckpointError(f"{path} is not a {title} model: {error}") from error


def _fairseq_state(path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of ``xlsr2_300m.pt`` and its like under transformers' names, and the family."""
    raw = plain_state(read_weights(path), path)
    family = family_of(raw)
    state = network_tensors(raw, transformers_key, path, family)
    if POSITION_WEIGHT not in state:
        raise CheckpointError(
            f"{path} holds no fairseq wav2vec 2.0 model (no encoder.pos_conv.0.weight_v); a whole "
            "detector's checkpoint is read with `fakemamba convert`, and Hugging Face's files by "
            "their folder"
        )
    return state, family
