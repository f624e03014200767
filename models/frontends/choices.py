"""A front-end's name with what is chosen of it: ``wavlm-large?layers=6&output=weighted``.

``layers=N`` builds the first N layers alone. ``output`` is one of `outputs`, or the number of a
layer: its raw output, of a network that ends there. ``waveform`` is one of `normalising`, or
``card``: what the publisher's preprocessor_config.json says. ``frames`` is one of `framing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from fakemamba.models.frontends.config import FrontendConfig
from fakemamba.models.frontends.framing import Frames
from fakemamba.models.frontends.normalising import Waveform
from fakemamba.models.frontends.outputs import Output

CHOICES = {
    "layers": "a number of layers",
    "output": f"{', '.join(get_args(Output))} or a layer's number",
    "waveform": f"{', '.join(get_args(Waveform))} or card",
    "frames": " or ".join(get_args(Frames)),
}


def split_source(source: str | Path) -> tuple[str, dict[str, str]]:
    """A source without its choices, and these by name; a file's name may have ``?`` in it.

    Raises:
        ValueError: a choice that there is not, or that is there twice.
    """
    name, mark, text = str(source).partition("?")
    if not mark or Path(source).exists():
        return str(source), {}
    choices: dict[str, str] = {}
    for part in text.split("&"):
        choice, _, value = part.partition("=")
        if choice not in CHOICES:
            guesses = get_close_matches(choice, CHOICES, n=1)
            hint = f"; did you mean {guesses[0]}?" if guesses else ""
            raise ValueError(
                f"front-end {str(source)!r}: there is no choice {choice!r}{hint} "
                f"There are {', '.join(CHOICES)}, as in {name}?layers=6&output=weighted"
            )
        if choice in choices:
            raise ValueError(f"front-end {str(source)!r}: {choice} is given twice")
        choices[choice] = value
    return name, choices


def chosen(
    config: FrontendConfig, choices: dict[str, str], is_normalised: Callable[[], bool]
) -> FrontendConfig:
    """The configuration with choices; ``is_normalised`` tells what the card says.

    Raises:
        ValueError: a value that there is not, or a layer that the network does not have.
    """
    if not choices:
        return config
    name = f"{config.name}?{'&'.join(f'{key}={value}' for key, value in choices.items())}"
    layers, output = choices.get("layers"), choices.get("output", config.output)
    waveform = choices.get("waveform", config.waveform)
    frames = choices.get("frames", config.frames)
    if layers is not None:
        config = replace(config, num_layers=_number(name, "layers", layers, config.num_layers))
    if output.isdecimal():
        number = _number(name, "output", output, config.num_layers)
        config, output = replace(config, num_layers=number), "last-raw"
    if waveform == "card":
        waveform = "utterance" if is_normalised() else "none"
    for choice, value, known in (
        ("output", output, Output),
        ("waveform", waveform, Waveform),
        ("frames", frames, Frames),
    ):
        if value not in get_args(known):
            guesses = get_close_matches(value, get_args(known), n=1)
            hint = f"; did you mean {guesses[0]}?" if guesses else ""
            raise ValueError(
                f"front-end {name!r}: {choice} {value!r} is unknown{hint} It is {CHOICES[choice]}"
            )
    found: dict[str, Any] = {"output": output, "waveform": waveform, "frames": frames}
    return replace(config, name=name, **found)


def _number(name: str, choice: str, value: str, most: int) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= most:
        raise ValueError(
            f"front-end {name!r}: {choice} should be a layer's number from 1 to {most}, but is "
            f"{value!r}"
        )
    return int(value)
