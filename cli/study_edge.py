"""``fakemamba study edge``: which form of a detector runs in real time on a small computer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import torch
import tyro

from fakemamba import interrupts
from fakemamba.analysis.edge.page import markdown
from fakemamba.analysis.edge.units import EdgeJournal, EdgeUnit, Form, unit_table
from fakemamba.cli.edge_forms import ENGINE_PRECISIONS, EdgeForms
from fakemamba.cli.example_speech import example_speech
from fakemamba.cli.printing import say
from fakemamba.cli.trial_source import trial_source
from fakemamba.environment import cpu_name, describe_environment
from fakemamba.evaluation.manner import Manner
from fakemamba.files import file_sha256, write_csv, write_json, write_whole
from fakemamba.lists import numbers, some_of
from fakemamba.locks import sole_writer
from fakemamba.models.detector import Detector
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.loading import detector_by_any_name, weights_sha256
from fakemamba.models.registry import registered_name
from fakemamba.records import Stamp

STAMP: Stamp = {"kind": "fakemamba-edge-study", "schema": 1}
JOURNAL, PAGE, TABLE, RECORD = "edge.journal", "edge.md", "edge.csv", "edge.json"
USUAL_LAYERS = (3, 6, 9, 12, 18, 24)
LONGEST_S = 60.0


def study_edge(
    checkpoints: tyro.conf.Positional[tuple[str, ...]],
    /,
    out: Path,
    layers: str = "",
    engines: str = "torch,onnxruntime,openvino",
    precisions: str = "fp32,bf16,int8",
    threads: str = "1,2",
    duration: Annotated[float, tyro.conf.arg(metavar="S")] = 4.0,
    seconds: Annotated[float, tyro.conf.arg(metavar="S")] = 10.0,
    examples: Path | None = None,
    dev: Path | None = None,
    root: Path | None = None,
    length: Annotated[int | None, tyro.conf.arg(metavar="SAMPLES")] = None,
) -> int:
    """Measure a detector behind fewer layers, by engines, in precisions, on few cores.

    Each form runs in a process of its own that has the engine alone. Called again it goes on with
    what is left, and tries again what failed. 0 if all went well, 1 if a form failed, 130 after
    Ctrl-C, 143 after SIGTERM.

    Args:
        checkpoints: A folder made by `fakemamba convert` or `train`; further ones of the same
            detector, trained behind fewer layers, are taken for these. Or a detector's name, such
            as `fake-mamba-l?frontend=xls-r-300m`: random weights, which cost the same.
        out: Folder of the study: edge.md, edge.csv, edge.json, pareto.png and its journal.
        layers: Of the front-end, comma-separated; by default 3, 6, 9, 12, 18 and 24, as far as
            there are so many, and all there are.
        engines: torch, onnxruntime and openvino, comma-separated.
        precisions: fp32, bf16 and int8, comma-separated, as far as an engine has them.
        threads: Numbers of cores, comma-separated.
        duration: Of the recording that is timed.
        seconds: That calls of a form are timed for, and five calls at the least.
        examples: CSV or Parquet with a column `path`: speech that openvino's int8 takes ranges of
            activations from, instead of the recordings that come with the package.
        dev: CSV or Parquet with `path` and `label`: trials for the rise of EER.
        root: Where the paths in --dev and --examples begin, if not at their own folders.
        length: Cut or tile trials of --dev to so many samples.
    """
    if not checkpoints:
        raise ValueError("no detector given: fakemamba study edge CHECKPOINT --out FOLDER")
    if not 0 < duration <= LONGEST_S or not 0 < seconds < float("inf"):
        raise ValueError(
            f"--duration {duration:g} and --seconds {seconds:g}: give numbers over 0, and a "
            f"duration of {LONGEST_S:g} s at the most"
        )
    wanted_engines = some_of("--engines", engines, ENGINE_PRECISIONS)
    wanted_precisions = some_of("--precisions", precisions, ENGINE_PRECISIONS["torch"])
    cores = _counts("--threads", threads)
    wanted_layers = _counts("--layers", layers) if layers else ()
    known = _detectors(checkpoints)
    most = max(known)
    if not wanted_layers:
        wanted_layers = tuple(sorted({one for one in USUAL_LAYERS if one < most} | {most}))
    forms = [
        Form(number, engine, precision)
        for number in sorted(wanted_layers, reverse=True)
        for engine in wanted_engines
        for precision in wanted_precisions
        if precision in ENGINE_PRECISIONS[engine]
    ]
    if examples is not None and not any(
        (form.engine, form.precision) == ("openvino", "int8") for form in forms
    ):
        raise ValueError("--examples is for openvino in int8, which is not among the forms")
    trials = [] if dev is None else list(trial_source(None, root, None, dev)())
    identity = {
        "weights": [_identity(one) for one in checkpoints],
        "duration_s": duration,
        "seconds": seconds,
        "examples": None if examples is None else file_sha256(examples),
        "dev": None if dev is None else file_sha256(dev),
        "length": length,
    }
    manner, speech = Manner(length=length, device="cpu"), example_speech(examples, root)
    study = EdgeForms(known, duration, seconds, trials, manner, speech)
    with sole_writer(out, is_folder=True):
        journal = EdgeJournal(out / JOURNAL, identity)
        journal.mend()
        done = {key for key, unit in journal.units().items() if unit.status == "done"}
        out.mkdir(parents=True, exist_ok=True)
        try:
            for form in forms:
                left = [one for one in cores if (*astuple(form), one) not in done]
                for unit in study.units(form, left) if left else ():
                    journal.add(unit)
                    say(_line(unit))
        except KeyboardInterrupt:
            _write(out, journal, study)
            say(f"stopped; the same command goes on. What is done is in {out / PAGE}")
            return interrupts.status()
        failures = _write(out, journal, study)
    say(out / PAGE)
    return 1 if failures else 0


def _detectors(checkpoints: Sequence[str]) -> dict[int, Detector]:
    """Detectors by how many layers they are behind; they differ in that alone."""
    known: dict[int, Detector] = {}
    for one in checkpoints:
        detector = detector_by_any_name(one)
        if isinstance(detector, ExternalDetector):
            raise ValueError(f"{one} is code of others, whose layers are not known")
        layers = detector.config.frontend.num_layers
        if layers in known:
            raise ValueError(f"{one}: another of these detectors has {layers} layers as well")
        known[layers] = detector
    names = sorted({registered_name(one) for one in known.values()})
    if len(names) > 1:
        raise ValueError(f"{' and '.join(names)}: name detectors of one kind")
    return known


def _identity(checkpoint: str) -> str:
    path = Path(checkpoint)
    return weights_sha256(path) if path.exists() else checkpoint


def _counts(option: str, text: str) -> tuple[int, ...]:
    wanted = "whole numbers over 0, each once, such as 1,2"
    return numbers(option, text, int, lambda one: one > 0, wanted)


def _line(unit: EdgeUnit) -> str:
    """A unit in words."""
    what = f"{unit.layers} layers, {unit.engine}, {unit.precision}, {unit.threads} cores"
    if unit.status == "failed":
        return f"{what}: failed: {unit.reason}"
    assert unit.latency_p50_s is not None and unit.peak_bytes is not None
    return (
        f"{what}: {unit.latency_p50_s * 1e3:,.0f} ms, RTF {unit.rtf:.3f}, "
        f"{unit.peak_bytes / 1e6:,.0f} MB"
    )


def _write(out: Path, journal: EdgeJournal, study: EdgeForms) -> list[str]:
    """Write the tables and the picture of what there is; returns the failures, a line each."""
    units = journal.units().values()
    table = unit_table(units)
    failures = [_line(one) for one in units if one.status == "failed"]
    trials = len(study.trials) or None
    facts = {
        "detector": registered_name(study.whole),
        "parameters": sum(one.numel() for one in study.whole.parameters()),
        "frontend": study.whole.config.frontend.name,
        "duration_s": study.duration_s,
        "cpu": cpu_name(),
        "trials": trials,
    }
    write_whole(out / PAGE, markdown(table, facts, failures))
    write_csv(out / TABLE, table.columns, table.astype(object).itertuples(index=False))
    content = {
        **STAMP,
        **facts,
        "identity": journal.identity,
        "environment": describe_environment(torch.device("cpu")),
        "units": [asdict(one) for one in units],
    }
    write_json(out / RECORD, content)
    if find_spec("seaborn") is not None:  # of the extra `report`
        from fakemamba.analysis.edge.picture import draw

        draw(table, out)
    return failures
