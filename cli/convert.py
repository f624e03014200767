"""``fakemamba convert``: official checkpoints to a folder that fakemamba reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from fakemamba.cli.printing import say
from fakemamba.models.checkpoints import save_pretrained
from fakemamba.models.official import convert_official


def convert(
    checkpoints: tyro.conf.Positional[tuple[Path, ...]],
    /,
    detector: str,
    out: Path,
    average: Literal["true", "as-released"] = "true",
    frontend_heads: Annotated[int | None, tyro.conf.arg(metavar="HEADS")] = None,
) -> None:
    """Read official checkpoints and write config.json and model.safetensors.

    Args:
        checkpoints: One file (of torch or safetensors) or folder in Hugging Face's layout, or
            several to average, the best epoch first.
        detector: A detector's name (see `fakemamba detectors`); fake-mamba stands for any depth.
        out: Folder to write to.
        average: Of several files: their true mean, or (2·b1+b2+b3+b4)/5 as the published code does.
        frontend_heads: Attention heads of the front-end, which tensors do not show: 12 at a width
            of 768, else 16, unless said otherwise.
    """
    if not checkpoints:
        raise ValueError("no checkpoint given: fakemamba convert CHECKPOINT.pth ...")
    model = convert_official(checkpoints, detector, average=average, frontend_heads=frontend_heads)
    save_pretrained(model, out)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    say(f"{out}: {type(model).__name__}, {parameters:,} parameters")
