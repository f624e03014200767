"""A detector as a model in a folder, found to give the detector's logits, with a card."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from fakemamba.files import bytes_in, packaged, write_json, write_whole
from fakemamba.models.detector import Detector
from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.models.export.drafts import FORMATS, Draft
from fakemamba.models.export.errors import ExportError
from fakemamba.models.export.parity import least_samples, logit_errors, require_parity
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.frontends.framing import SAMPLE_RATE_HZ
from fakemamba.models.registry import registered_name
from fakemamba.records import Stamp

STAMP: Stamp = {"kind": "fakemamba-export", "schema": 1}
CARD_NAME, README_NAME, SCRIPT_NAME = "card.json", "README.md", "score.py"
IN_FP32 = "fp32"


@dataclass(frozen=True)
class Written:
    """A model that was written.

    Attributes:
        precision: of it.
        kept_fp32: groups of the front-end that are in fp32 all the same.
        runs_on: what it was run by, with versions.
        model: the file that is opened.
        files_bytes: of all of its files.
        least_samples: that it takes.
        fp32_errors: the largest |Δ logit| of the same graph in fp32, by duration in seconds.
        errors: the same of what was written.
    """

    precision: str
    kept_fp32: tuple[str, ...]
    runs_on: str
    model: str
    files_bytes: int
    least_samples: int
    fp32_errors: dict[float, float]
    errors: dict[float, float]


def draft_of(detector: Detector, to: str, precision: str) -> Draft:
    """What writes a detector in a format, if it can be written in it.

    Args:
        detector: in evaluation mode, on the CPU.
        to: a key of `FORMATS`.
        precision: one that the format has.

    Raises:
        ExportError: code of others, or logits that depend on what else is in a batch.
        UnsupportedSettingError: the format lacks the precision or the front-end's kind, or
            something is not installed.
    """
    if isinstance(detector, ExternalDetector):
        raise ExportError(
            f"{detector.name} is code of others, which is not exported: its own authors' tools do"
        )
    if detector.config.frontend.waveform == "joint":
        raise ExportError(
            "with waveform=joint a score depends on what else is in the batch: export it with "
            "waveform=utterance or utterance-fairseq"
        )
    draft = FORMATS[to](detector)
    if precision not in draft.precisions:
        raise UnsupportedSettingError(
            f"--to {to} has no {precision}, but {', '.join(draft.precisions)}"
        )
    draft.check(precision)
    return draft


def write_model(
    detector: Detector,
    draft: Draft,
    folder: Path,
    precision: str,
    speech: Mapping[float, Tensor],
    examples: Tensor | None,
    kept: Collection[str] = (),
) -> Written:
    """Write a model's files into a folder; those in fp32 are tried first, wherever they are.

    Args:
        detector: in evaluation mode, on the CPU.
        draft: of `draft_of`.
        folder: where to write, which is there.
        precision: one that the draft has.
        speech: waveforms (samples,) by duration in seconds, to compare logits of.
        examples: speech (n, samples) for ranges of activations.
        kept: of the draft's groups, those that int8 leaves in fp32.

    Raises:
        ExportError: logits in fp32 differ by more than is allowed, or are none at all.
    """
    speech = {key: one for key, one in speech.items() if _is_taken(detector, len(one))}

    def parity(place: Path) -> tuple[dict[float, float], int]:
        draft.write(place, IN_FP32, None)
        run = draft.open(place, IN_FP32)
        errors = require_parity(detector, draft, run, speech)
        return errors, least_samples(detector, run, speech[min(speech)])

    if precision == IN_FP32:
        plain, least = parity(folder)
        errors = plain
    else:
        with TemporaryDirectory(dir=folder.parent) as beside:
            plain, least = parity(Path(beside))
        draft.write(folder, precision, examples, kept=kept)
        errors = logit_errors(detector, draft.open(folder, precision), speech)
    return Written(
        precision,
        tuple(kept),
        draft.versions(precision),
        draft.model_name,
        bytes_in(folder),
        least,
        plain,
        errors,
    )


def _is_taken(detector: Detector, num_samples: int) -> bool:
    most = detector.framing.most_samples
    return num_samples >= detector.min_samples and (most is None or num_samples <= most)


def write_card(
    folder: Path, detector: Detector, to: str, written: Written, told: Mapping[str, Any]
) -> None:
    """Write what a model is, for programs and for people, and a script that scores with it.

    ``told`` is what else is to stand in the card, such as the checkpoint and a calibration.
    """
    parameters = sum(one.numel() for one in detector.parameters())
    card = {
        **STAMP,
        "detector": registered_name(detector),
        "format": to,
        **asdict(written),
        "parameters": parameters,
        "config": asdict(detector.config),
        "inputs": {
            "waveforms": f"float32 (batch, samples), {SAMPLE_RATE_HZ} Hz, from -1 to 1",
            "lengths": "int64 (batch,), the samples of each row that are not padding",
        },
        "outputs": {
            "scores": "float32 (batch,): higher is more bona fide",
            "logits": "float32 (batch, 2)",
        },
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "bona_fide_index": 1,
        "most_samples": detector.framing.most_samples,
        "fixed_samples": detector.fixed_samples,
        **told,
    }
    write_json(folder / CARD_NAME, card)
    scripts = packaged("fakemamba.models.export", "scripts", ".template")
    write_whole(folder / SCRIPT_NAME, scripts[f"{to}.py"].read_text())
    write_whole(folder / README_NAME, _readme(card))


def _readme(card: Mapping[str, Any]) -> str:
    """The card for people."""
    errors = {IN_FP32: card["fp32_errors"], card["precision"]: card["errors"]}
    rows = "\n".join(
        " | ".join((f"| {duration_s:g}", *(f"{one[duration_s]:.1e}" for one in errors.values())))
        + " |"
        for duration_s in card["errors"]
    )
    calibration = card.get("calibration")
    llr = (
        "It is no probability: there is no calibration of it."
        if calibration is None
        else f"Its log-likelihood ratio of bona fide to spoof, in nats, is "
        f"{calibration['scale']:.6g} · score + {calibration['offset']:.6g}; at "
        f"{calibration['eer_threshold']:.6g} the calibration's trials have equal errors."
    )
    fixed = card["fixed_samples"]
    cut = f" It takes the first {fixed:,} samples, repeated where there are fewer." if fixed else ""
    inputs, outputs = card["inputs"], card["outputs"]
    kept = ", ".join(card["kept_fp32"])
    mixed = f"\n* In fp32 stay, of the front-end (layers from 0 on): {kept}." if kept else ""
    return f"""# {card["detector"]}, {card["format"]}, {card["precision"]}

`{card["model"]}` is the whole detector, from waveform to score: {card["parameters"]:,} parameters,
{card["files_bytes"] / 1e6:,.1f} MB. It was run by {card["runs_on"]}.
`python score.py FILE...` scores recordings with that alone; `card.json` has all that is said here
and the configuration.

* Inputs: `waveforms`, {inputs["waveforms"]}; `lengths`, {inputs["lengths"]}.
  Any number of rows of any length from {card["least_samples"]:,} samples on; padding changes no
  score.{cut}
* Outputs: `scores`, {outputs["scores"]}; `logits`, {outputs["logits"]}:
  index 0 is spoof, index 1 bona fide.
* A score is what the detector's authors rank by. {llr}{mixed}

The largest difference of a logit from the detector's own, on speech that comes with fakemamba:

| seconds | {" | ".join(errors)} |
|---{"|---" * len(errors)}|
{rows}
"""
