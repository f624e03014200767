"""Front-ends in Hugging Face's files: a folder, or an id of the hub.

What a configuration says must be what the front-end computes, and the tensors must be all of its
tensors and no others. transformers itself would fill in at random what is missing, and read models
of another family.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import make_dataclass
from difflib import get_close_matches
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, get_type_hints

from pydantic import Field
from torch import Tensor
from transformers.utils.hub import cached_file

from fakemamba.files import kind_of
from fakemamba.models.frontends.config import WITHOUT, FrontendConfig, Size
from fakemamba.models.frontends.families import CONVOLUTIONS, FAMILIES
from fakemamba.models.frontends.sizes import FRONTEND_SIZES
from fakemamba.models.frontends.tensor_names import network_tensors
from fakemamba.models.state_dicts import plain_state
from fakemamba.models.weight_files import CheckpointError, read_weights
from fakemamba.records import parse_record, read_record, shown

CONFIG_NAME = "config.json"
CARD_NAME = "preprocessor_config.json"
WEIGHTS_NAMES = ("model.safetensors", "pytorch_model.bin")  # the first is preferred
Finder = Callable[[str], Path | None]
_FOLDER = "give the folder of a model of Hugging Face, such as facebook/wav2vec2-xls-r-300m"


def finder(source: str | Path) -> Finder:
    """What finds a model's file by its name, in a folder or on the hub; None if it has none.

    Raises:
        ValueError: the source cannot be an id.
    """
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


def hugging_face_config(find: Finder, source: str | Path, attention: str) -> FrontendConfig:
    """Sizes out of a config.json that says that the model is built as a front-end here is.

    Raises:
        CheckpointError: names the first field that says otherwise.
    """
    path = find(CONFIG_NAME)
    if path is None:
        raise CheckpointError(
            f"front-end {str(source)!r} is neither a folder with a {CONFIG_NAME} nor a Hugging "
            f"Face id that has one and can be reached from here; {_FOLDER}"
        )
    said = read_record(path, dict[str, Any], CheckpointError, _FOLDER)
    if "model_type" not in said:
        raise CheckpointError(f"{path}, model_type: it is missing; {_FOLDER}")
    name = said["model_type"]
    if not isinstance(name, str) or name not in FAMILIES:
        raise CheckpointError(
            f"{path}: model_type should be one of {', '.join(FAMILIES)}, but is {shown(name)}; "
            f"{_FOLDER}"
        )
    family = FAMILIES[name]
    remedy = f"give the folder of a {family.title} model, such as {family.example}"
    # As transformers has it where a file is silent.
    said = resolve_name(family.config_class)().to_dict() | said
    unlike = [
        f"{field} should be {json.dumps(wanted)}, but is {shown(said[field])}"
        for field, wanted in family.fixed.items()
        if field in said and said[field] != wanted
    ]
    if unlike:
        raise CheckpointError(
            f"{path} is not of a {family.title} model as it is built here: {', '.join(unlike)}; "
            f"{remedy}"
        )
    hints = get_type_hints(FrontendConfig, include_extras=True)
    row = Annotated[list[Size], Field(min_length=CONVOLUTIONS, max_length=CONVOLUTIONS)]
    form = make_dataclass(
        "Sizes",
        [
            (theirs, row if theirs == "conv_dim" else hints[ours])
            for ours, theirs in family.sizes.items()
        ],
    )
    in_words = json.dumps({theirs: said[theirs] for theirs in family.sizes.values()})
    found: Any = parse_record(in_words, form, str(path), CheckpointError, remedy)
    sizes = {ours: getattr(found, theirs) for ours, theirs in family.sizes.items()}
    if "conv_channels" in sizes:
        if len(set(sizes["conv_channels"])) != 1:
            raise CheckpointError(
                f"{path}: conv_dim should be {CONVOLUTIONS} equal numbers, but is "
                f"{sizes['conv_channels']}; {remedy}"
            )
        sizes["conv_channels"] = sizes["conv_channels"][0]
    try:
        return FrontendConfig(
            name=Path(source).name, attention=attention, family=name, **WITHOUT | sizes
        )
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}; {remedy}") from error


def is_normalised(find: Finder, source: str | Path, family: str) -> bool:
    """Whether the publisher's card says that waveforms are normalised.

    Raises:
        CheckpointError: there is no card, or it says something that is done otherwise here.
    """
    path = find(CARD_NAME)
    if path is None:
        raise CheckpointError(
            f"front-end {str(source)!r} has no {CARD_NAME}, which would say whether waveforms are "
            "normalised; choose waveform=none or waveform=utterance"
        )
    remedy = "choose waveform=none or waveform=utterance, whatever the card says"
    said = read_record(path, dict[str, Any], CheckpointError, remedy)
    for name, wanted in FAMILIES[family].extractor.items():
        if said.get(name, wanted) != wanted:
            raise CheckpointError(
                f"{path}: {name} should be {json.dumps(wanted)}, but is {shown(said[name])}; "
                f"{remedy}"
            )
    does = said.get("do_normalize", False)
    if not isinstance(does, bool):
        raise CheckpointError(
            f"{path}: do_normalize should be true or false, but is {shown(does)}; {remedy}"
        )
    return does


def hugging_face_state(
    find: Finder, source: str | Path, family: str
) -> tuple[dict[str, Tensor], Path]:
    """The network's tensors, and the file that they are in, or that lists those.

    Raises:
        CheckpointError: as `hugging_face_weights`, or they are of another family.
    """
    content, path = hugging_face_weights(find, f"front-end {str(source)!r}")
    return network_tensors(plain_state(content, path), str, path, family), path


def hugging_face_weights(find: Finder, what: str) -> tuple[Any, Path]:
    """What is in one file of weights, or in several that an index lists, and that file.

    ``what`` it is of, for errors.

    Raises:
        CheckpointError: there is none, or a part is missing.
    """
    for name in WEIGHTS_NAMES:
        if whole := find(name):
            return read_weights(whole), whole
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
            return content, index
    raise CheckpointError(f"{what} has no weights: neither {' nor '.join(WEIGHTS_NAMES)}")


def _parts(index: Path) -> list[str]:
    """The names of the files that an index lists."""
    said = read_record(index, dict[str, Any], CheckpointError, _FOLDER)
    listed = json.dumps(said.get("weight_map"))
    of_tensor = parse_record(
        listed, dict[str, str], f"{index}, weight_map", CheckpointError, _FOLDER
    )
    parts = sorted(set(of_tensor.values()))
    outside = [part for part in parts if Path(part).name != part]
    if outside or not parts:
        raise CheckpointError(f"{index} lists no files of its folder: {shown(parts)}; {_FOLDER}")
    return parts
