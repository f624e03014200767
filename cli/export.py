"""``fakemamba export``: a whole detector to ONNX, OpenVINO or torch.export, held to its logits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from fakemamba.cli.eer_limit import EerLimit, in_points
from fakemamba.cli.example_speech import example_speech, speech_of_trials
from fakemamba.cli.mixed_precision import INT8, advice, kept_groups
from fakemamba.cli.printing import say
from fakemamba.cli.trial_source import trial_source
from fakemamba.data.recordings import speech_of
from fakemamba.evaluation.calibration import read_calibration
from fakemamba.evaluation.manner import Manner
from fakemamba.evaluation.score_origin import ScoreOrigin
from fakemamba.files import appearing_folder, kind_of
from fakemamba.models.export.errors import ExportError
from fakemamba.models.export.parity import DURATIONS_S
from fakemamba.models.export.write import draft_of, write_card, write_model
from fakemamba.models.loading import load_detector, weights_sha256
from fakemamba.models.truncation import with_first_layers

HARM_EXAMPLES = 8  # of --dev, to see by which groups int8 does harm


def export(
    checkpoint: tyro.conf.Positional[Path],
    /,
    to: Literal["onnx", "openvino", "torch-export"],
    out: Path,
    detector: str | None = None,
    precision: Literal["fp32", "int8"] = "fp32",
    keep_fp32: Annotated[str, tyro.conf.arg(metavar="GROUPS")] = "",
    layers: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    examples: Path | None = None,
    dev: Path | None = None,
    root: Path | None = None,
    max_eer_rise: Annotated[float, tyro.conf.arg(metavar="POINTS")] = 0.5,
    length: Annotated[int | None, tyro.conf.arg(metavar="SAMPLES")] = None,
    calibration: Path | None = None,
) -> None:
    """Write a detector as a model of ONNX, OpenVINO or torch.export, with a card and a script.

    Nothing is written unless its logits in fp32 are those of the detector within 1e-3, on speech of
    0.5 to 30 s.

    Args:
        checkpoint: A folder made by `fakemamba convert` or `train`, or an official .pth with
            --detector.
        to: onnx (ONNX Runtime and others), openvino, or torch-export (a .pt2 that torch runs).
        out: Folder to write; it must not be there, or be empty.
        detector: The detector that the checkpoint must be of; needed for an official .pth.
        precision: int8 is for the front-end's linear layers; openvino's for its convolutions, too.
        keep_fp32: Of what int8 quantises, what stays in fp32, comma-separated: layers of the
            front-end by their numbers from 0 on, and `convolutions`, which is all before them.
        layers: Keep the front-end's first N layers alone. The rest was trained behind all of them:
            fit it again behind N (`fakemamba train fewer-layers`), or see by --dev what it costs.
        examples: CSV or Parquet with a column `path`: speech that openvino's int8 takes ranges of
            activations from, instead of the recordings that come with the package.
        dev: CSV or Parquet with columns `path` and `label`: trials to show the change of EER on.
            Nothing is written if it may be more than --max-eer-rise; for int8 it is then tried
            what to keep in fp32.
        root: Where paths in --dev and --examples begin, if not at their own folders.
        max_eer_rise: Percentage points that the upper end of the 95 % interval may be.
        length: Cut or tile trials of --dev to so many samples.
        calibration: JSON of `fakemamba calibrate` of this checkpoint, for the card.
    """
    if not 0 <= max_eer_rise < float("inf"):
        raise ValueError(f"--max-eer-rise {max_eer_rise}: give 0 or more percentage points")
    if dev is None and length is not None:
        raise ValueError("--length belongs to --dev")
    _require_empty(out)
    whole = load_detector(checkpoint, detector)
    weights = weights_sha256(checkpoint)
    fitted = None if calibration is None else read_calibration(calibration)
    if fitted is not None:
        fitted.check_origin(ScoreOrigin(weights, length))
    model = whole if layers is None else with_first_layers(whole, layers)
    draft = draft_of(model, to, precision)
    kept = kept_groups(keep_fp32, draft, precision)
    given = None
    if precision in draft.calibrated:
        given = example_speech(examples, root)
    elif examples is not None:
        raise ValueError(f"--examples is for openvino in int8, not for {to} in {precision}")
    manner = Manner(length=length, device="cpu")
    trials = [] if dev is None else list(trial_source(None, root, None, dev)())
    limit = None if dev is None else EerLimit(whole, trials, manner, max_eer_rise)
    speech = {duration_s: speech_of(duration_s) for duration_s in DURATIONS_S}
    with appearing_folder(out) as partial:
        written = write_model(model, draft, partial, precision, speech, given, kept)
        told: dict[str, Any] = {
            "checkpoint": str(checkpoint),
            "checkpoint_sha256": weights,
            "layers": layers,
            "calibration": fitted and calibration and fitted.told(calibration),
            "eer": None,
        }
        rises = ""
        if limit is not None:
            rise = limit.rise("the export", partial / draft.model_name)
            told["eer"] = {"trials": len(trials), "length": length, "rise": asdict(rise)}
            rises = f"the EER of {len(trials):,} trials rises by {in_points(rise)}"
            if not limit.allows(rise):
                in_fp32 = None if layers is None else limit.rise("its layers in fp32", model)
                remedy = ""
                if in_fp32 is not None and not limit.allows(in_fp32):
                    remedy = (
                        f"; in fp32 by {in_points(in_fp32)}: keep more layers, or fit it behind "
                        "these (`fakemamba train fewer-layers`)"
                    )
                elif precision == INT8:
                    some = trials[:: -(-len(trials) // HARM_EXAMPLES)]
                    harmed = speech_of_trials(some, f"--dev {dev}")
                    remedy = f"; {advice(model, draft, partial, given, kept, harmed, limit)}"
                raise ExportError(
                    f"nothing is written: {rises}, and {max_eer_rise:g} are allowed by "
                    f"--max-eer-rise{remedy}"
                )
        write_card(partial, model, to, written, told)
    worst = max(written.errors.values())
    say(
        f"{out}: {written.model}, {written.files_bytes / 1e6:,.1f} MB, run by {written.runs_on}; "
        f"logits within {worst:.1e} of the detector's"
    )
    if rises:
        say(rises)
    say(f"next: python {out / 'score.py'} FILE...")


def _require_empty(out: Path) -> None:
    kind = kind_of(out)
    if kind not in (None, "a folder"):
        raise ExportError(f"{out} is {kind}, but should be a folder to be made")
    if kind is not None and any(out.iterdir()):
        raise ExportError(f"{out} is not empty: name a folder that is not there yet, or empty it")
