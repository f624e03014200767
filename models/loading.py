"""A detector from a checkpoint of either form: a folder of this package, or an official file."""

from __future__ import annotations

from pathlib import Path

from fakemamba.files import kind_of, require_file
from fakemamba.models.checkpoints import check_files, from_pretrained
from fakemamba.models.detector import Detector
from fakemamba.models.official import convert_official
from fakemamba.models.weight_files import CheckpointError


def check_named(checkpoint: Path, name: str | None) -> None:
    """Refuse what can be no checkpoint, before anything else is done.

    Raises:
        CheckpointError: it is neither a folder with a detector's files nor a file; or it is a file,
            an official one then, and no detector is named.
    """
    if kind_of(checkpoint) == "a folder":
        check_files(checkpoint)
        return
    require_file(checkpoint, CheckpointError, "name a detector's folder or an official .pth")
    if name is None:
        raise CheckpointError(
            f"{checkpoint} is not a folder; for an official checkpoint say which one it is with "
            "--detector"
        )


def load_detector(checkpoint: Path, name: str | None = None) -> Detector:
    """Read a detector, in eval mode.

    Args:
        checkpoint: a folder made by ``fakemamba convert``, or an official ``.pth``.
        name: the detector that it must be of; an official file does not say so itself.

    Raises:
        CheckpointError: it cannot be read, is of another detector, or is not named.
    """
    check_named(checkpoint, name)
    if checkpoint.is_dir() or name is None:
        return from_pretrained(checkpoint, expected=name)
    return convert_official([checkpoint], name)
