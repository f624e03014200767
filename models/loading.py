"""A detector with its weights: a checkpoint's folder, an official or exported file, or code."""

from __future__ import annotations

from pathlib import Path

import torch

from fakemamba.files import files_sha256, kind_of, require_file
from fakemamba.models.checkpoints import (
    check_files,
    checkpoint_sha256,
    from_pretrained,
)
from fakemamba.models.detector import Detector
from fakemamba.models.external.exported import SUFFIXES
from fakemamba.models.external.graphs import weights_beside
from fakemamba.models.external.names import installed_names, is_code_name
from fakemamba.models.official import convert_official
from fakemamba.models.registry import build_detector, create_detector, detector_entry
from fakemamba.models.state_dicts import tensors_sha256
from fakemamba.models.weight_files import CheckpointError
from fakemamba.records import content_sha256

# What a detector may have been taught instead of telling bona fide from spoof, and its use.
NOT_SCORED = {
    "frames": ("bona fide frames from spoofed ones", "fakemamba localize --method supervised"),
    "source": ("which system made a spoof", "fakemamba trace"),
}


def check_named(checkpoint: Path, name: str | None) -> None:
    """Refuse what can be no detector with weights, before anything else is done.

    Raises:
        CheckpointError: it is neither a folder with a detector's files nor a file; or it is a file,
            an official one then, and no detector is named.
        ExternalDetectorError: code of others cannot be imported, or it takes a front-end, whose
            weights it does not have.
    """
    if kind_of(checkpoint) == "a folder":
        check_files(checkpoint)
        return
    if _has_own_weights(checkpoint):
        entry = detector_entry(str(checkpoint))
        if not entry.has_own_frontend:
            raise CheckpointError(
                f"{checkpoint} takes a front-end, so that it has no weights by itself: give a "
                "checkpoint of it, and its name by --detector"
            )
        return
    require_file(
        checkpoint,
        CheckpointError,
        "name a detector's folder, an official .pth, an exported file or package.module:factory",
    )
    if name is None:
        raise CheckpointError(
            f"{checkpoint} is not a folder; for an official checkpoint say which one it is with "
            "--detector"
        )


def load_detector(
    checkpoint: Path, name: str | None = None, *, needs_scores: bool = True
) -> Detector:
    """Read a detector, in eval mode.

    Args:
        checkpoint: a folder made by ``fakemamba convert`` or ``fakemamba train``, an official
            ``.pth``, an exported ``.onnx``, ``.xml`` or ``.pt2``, or what makes a detector with
            weights: ``package.module:factory``, or a name that an installed package declares.
        name: the detector that it must be of; an official file does not say so itself.
        needs_scores: refuse one that was trained last to tell something else.

    Raises:
        CheckpointError: it cannot be read, is of another detector, is not named, or has no scores.
        ExternalDetectorError: code of others makes no detector.
    """
    check_named(checkpoint, name)
    if _has_own_weights(checkpoint):
        with torch.random.fork_rng(devices=[]):  # what it draws for itself is the same each time
            torch.manual_seed(0)
            return build_detector(str(checkpoint), None, {}).eval()
    if checkpoint.is_dir() or name is None:
        detector = from_pretrained(checkpoint, expected=name)
        if needs_scores and detector.taught in NOT_SCORED:
            what, remedy = NOT_SCORED[detector.taught]
            raise CheckpointError(
                f"{checkpoint} was trained last to tell {what}, not which recordings are bona "
                f"fide: its scores would say nothing; use it with {remedy}"
            )
        return detector
    return convert_official([checkpoint], name)


def detector_by_any_name(name: str) -> Detector:
    """A detector, in eval mode, of a checkpoint's path or of a name.

    One whose name brings no weights has random ones, the same each time.

    Raises:
        CheckpointError, ValueError: see `load_detector` and `create_detector`.
    """
    path = Path(name)
    if path.exists():
        return load_detector(path, needs_scores=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return create_detector(name).eval()


def weights_sha256(checkpoint: Path) -> str:
    """SHA-256 of a checkpoint's files; of code of others, of the tensors that it has."""
    if checkpoint.exists():
        beside = weights_beside(checkpoint)
        return files_sha256([checkpoint, *beside]) if beside else checkpoint_sha256(checkpoint)
    tensors = load_detector(checkpoint).state_dict()
    return content_sha256([str(checkpoint), tensors_sha256(tensors)])


def _has_own_weights(checkpoint: Path) -> bool:
    """Whether it is an exported file, or code."""
    text = str(checkpoint)
    base = text.partition("?")[0]
    if Path(base).suffix in SUFFIXES:
        return True
    return kind_of(checkpoint) is None and (is_code_name(text) or base in installed_names())
