"""Everything that reads what people or kills may have changed: what is changed and who reads it."""

import contextlib
import io
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np
import soundfile
import torch
from mutations import changed_bytes, changed_json, changed_text

from fakemamba import create_detector, save_pretrained
from fakemamba.bench.cells import Cell
from fakemamba.bench.outcome import Outcome, Visit
from fakemamba.bench.sweep.journal import Journal
from fakemamba.cli.main import main
from fakemamba.data.lengths import summarise_lengths, write_lengths
from fakemamba.data.synthetic import speech_like
from fakemamba.models.frontend import FRONTEND_SIZES
from fakemamba.models.frontend_sources import create_frontend
from fakemamba.training.recipe_files import write_recipe


class Refused(Exception):
    """What was changed is told to be so; with the message."""


@dataclass(frozen=True)
class Reader:
    """Who reads a file.

    Attributes:
        name: for people.
        file: that is changed, below the folder.
        change: how: bytes, text or json of `mutations`.
        read: gives what comes of the files in the current folder; raises `Refused`.
        known: kinds of change that can always be known, or ``("any",)``: what is read after one
            has to be as undamaged.
        weight: cases, against others' 1.
    """

    name: str
    file: str
    change: Callable[[bytes, random.Random], tuple[str, bytes]]
    read: Callable[[], object]
    known: tuple[str, ...] = ()
    weight: float = 1.0


def run(*arguments):
    """What a command prints; raises `Refused` with its errors."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        try:
            status = main([str(one) for one in arguments])
        except SystemExit as exit:
            status = exit.code
    said = err.getvalue()
    assert "Traceback" not in said, said
    if status and (arguments[0] != "compare" or "fakemamba: error: " in said):
        assert "fakemamba: error: " in said, said
        raise Refused(said)
    return out.getvalue()


def _score(*recordings, out="scores.txt"):
    run("score", "--checkpoint", "model", "--out", out, "--device", "cpu", *recordings)
    told = json.loads(Path(f"{out}.json").read_text())
    return Path(out).read_text(), told["audio_s"]


def _resume_scores():
    return _score(*sorted(Path().glob("clip[1-9].wav")), "--resume", out="resumed.txt")


def _front_end(folder):
    try:
        made = create_frontend(f"./{folder}")
    except (ValueError, OSError) as error:
        raise Refused(str(error)) from error
    return {key: value.sum().item() for key, value in made.state_dict().items()}


def _json_of(*arguments):
    run(*arguments, "--json", "out.json")
    return json.loads(Path("out.json").read_text())


def _resume_training():
    run("train", "recipe.toml", "--device", "cpu", "--workers", "0", "--out", "run", "--resume")
    return Path("run/steps.csv").read_text(), Path("run/detector/model.safetensors").read_bytes()


SWEEP = {"device": "a CPU", "torch": "2.13.0"}
CELLS = [
    Cell("fake-mamba-s", "xls-r-tiny", "encoder", duration_s) for duration_s in (1.0, 2.0, 4.0)
]


def _resume_sweep():
    try:
        found = Journal(Path("sweep.journal"), SWEEP).read(CELLS)
    except (ValueError, OSError) as error:
        raise Refused(str(error)) from error
    return {name: outcome.to_record() for name, outcome in found.items()}


ANY, CUT = ("any",), ("cut",)
AUDIO = {  # FLAC has a checksum of all samples, and raw streams say nothing of themselves
    "clip.flac": ANY,
    **{f"clip.{ending}": CUT for ending in ("wav", "aiff", "ogg", "opus", "mp3", "m4a", "mka")},
    "clip.ulaw": (),
}
TRAINING = {
    "recipe.toml": (changed_text, ANY),
    "run.json": (changed_json, CUT),
    "CHECKPOINT/progress.json": (changed_json, ANY),
    "CHECKPOINT/random_states_0.pkl": (changed_bytes, ANY),
    "CHECKPOINT/optimizer.bin": (changed_bytes, ANY),
    "CHECKPOINT/model.safetensors": (changed_bytes, ANY),
}
EVALUATE = ("evaluate", "s.txt", "--key", "key.csv")
SEGMENTS = ("--segments", "segments.rttm", "--bootstrap", "0")
COMPARE = ("compare", "--base", "base.json", "--head", "out.json")
DETECT = ("detect", "clip.wav", "--checkpoint", "model", "--device", "cpu")

READERS = [
    *(
        Reader(name, name, changed_bytes, partial(_score, name), known)
        for name, known in AUDIO.items()
    ),
    Reader("config.json", "model/config.json", changed_json, partial(_score, "clip.wav"), weight=2),
    Reader("weights", "model/model.safetensors", changed_bytes, partial(_score, "clip.wav")),
    *(
        Reader(f"{folder}'s {file}", f"{folder}/{file}", change, partial(_front_end, folder), known)
        for folder, file, change, known in (
            ("front-end", "config.json", changed_json, ()),
            ("front-end", "model.safetensors", changed_bytes, CUT),
            ("pickled", "pytorch_model.bin", changed_bytes, ANY),
        )
    ),
    Reader("manifest", "list.csv", changed_text, partial(_score, "--manifest", "list.csv")),
    Reader(
        "score journal", "resumed.txt.journal/rank-0.jsonl", changed_json, _resume_scores, weight=2
    ),
    Reader("sweep journal", "sweep.journal", changed_json, _resume_sweep, weight=2),
    Reader("scores", "s.txt", changed_text, partial(_json_of, *EVALUATE), weight=2),
    Reader(
        "scores.csv", "s.csv", changed_text, partial(_json_of, "evaluate", "s.csv", *EVALUATE[2:])
    ),
    Reader("key", "key.csv", changed_text, partial(_json_of, *EVALUATE), weight=2),
    Reader(
        "calibration",
        "calibration.json",
        changed_json,
        partial(_json_of, *DETECT, "--calibration", "calibration.json"),
    ),
    *(
        Reader(
            name,
            name,
            changed_text,
            partial(_json_of, "evaluate-segments", "frames.txt", *SEGMENTS),
        )
        for name in ("frames.txt", "segments.rttm")
    ),
    Reader(
        "tandem", "tandem.tsv", changed_text, partial(_json_of, "evaluate-tandem", "tandem.tsv")
    ),
    Reader("scaling", "out.json", changed_json, partial(run, "scaling", "out.json"), weight=2),
    Reader(
        "cost",
        "out.json",
        changed_json,
        partial(run, "cost", "out.json", "--lengths", "calls.json"),
    ),
    Reader("compare", "out.json", changed_json, partial(run, *COMPARE)),
    Reader(
        "accepted",
        "accepted.toml",
        changed_text,
        partial(run, *COMPARE, "--accepted", "accepted.toml"),
    ),
    Reader("lengths", "calls.json", changed_json, partial(run, "lengths", "calls.json")),
    Reader("recipe", "recipe.toml", changed_text, partial(run, "train", "recipe.toml", "--print")),
    *(
        Reader(f"training's {name}", f"run/{name}", change, _resume_training, known, weight=0.5)
        for name, (change, known) in TRAINING.items()
    ),
]


def write_everything(folder, recipe):
    """Good files of every kind in a folder; ``recipe`` is a training's, of more than one step."""
    torch.manual_seed(0)
    save_pretrained(create_detector("fake-mamba", "xls-r-tiny", depth=1), folder / "model")
    front_end = create_frontend(FRONTEND_SIZES["xls-r-tiny"])
    front_end.model.save_pretrained(folder / "front-end")
    (folder / "pickled").mkdir()
    shutil.copy(folder / "front-end" / "config.json", folder / "pickled")
    torch.save(front_end.model.state_dict(), folder / "pickled" / "pytorch_model.bin")
    _write_audio(folder)
    _write_score_journal(folder)
    _write_tables(folder)
    _write_results(folder)
    _write_training(folder, recipe)


def _write_audio(folder):
    clip = speech_like(24_000, 0)
    for name in (
        "clip.wav",
        "clip.flac",
        "clip.ogg",
        "clip.mp3",
        "clip.aiff",
        "clip1.wav",
        "clip2.wav",
    ):
        soundfile.write(folder / name, clip, 16_000)
    soundfile.write(folder / "clip.ulaw", clip[::2], 8_000, format="RAW", subtype="ULAW")
    for name, codec in (("clip.opus", "libopus"), ("clip.m4a", "aac"), ("clip.mka", "pcm_s16le")):
        with av.open(
            str(folder / name), "w", format="ogg" if name == "clip.opus" else None
        ) as container:
            stream = container.add_stream(codec, rate=48_000 if codec == "libopus" else 16_000)
            wave = np.repeat(clip, 3) if codec == "libopus" else clip
            frame = av.AudioFrame.from_ndarray(
                (wave * 32_000).astype(np.int16)[None], "s16", "mono"
            )
            frame.sample_rate = stream.rate
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)


def _write_score_journal(folder):
    """What a scoring leaves one of whose recordings could not be read, as it now can be."""
    last = folder / "clip3.wav"
    last.write_bytes(b"")
    with contextlib.chdir(folder), contextlib.suppress(Refused):
        _resume_scores()
    shutil.copy(folder / "clip1.wav", last)


# Which labels have high scores of a detector, of speaker verification, and of both.
HIGH = (("target", "nontarget"), ("target", "spoof"), ("target",))


def _write_tables(folder):
    rng = random.Random(0)
    trials = [(f"t{number:03d}", "bonafide" if number % 2 else "spoof") for number in range(40)]
    scores = [(name, rng.gauss(2.0 * (label == "bonafide"), 1)) for name, label in trials]
    lines = {
        "key.csv": ["trial_id,label", *(f"{name},{label}" for name, label in trials)],
        "s.txt": [f"{name} {score:.9g}" for name, score in scores],
        "s.csv": ["trial_id,score", *(f"{name},{score:.9g}" for name, score in scores)],
        "list.csv": ["trial_id,path", "a,clip.wav", "b,clip1.wav", "c,clip2.wav"],
        "frames.txt": [
            f"u{k} {n} {rng.gauss(n % 50 > 20, 1):.6f}" for k in range(2) for n in range(100)
        ],
        "segments.rttm": [
            f"SPEAKER u{k} 1 {start} {end - start:.2f} <NA> <NA> {label} <NA> <NA>"
            for k in range(2)
            for start, end, label in ((0, 0.4, "spoof"), (0.4, 1.4, "bonafide"), (1.4, 2, "spoof"))
        ],
        "tandem.tsv": ["cm-score\tasv-score\tsasv-score\tasv-label"]
        + [
            "\t".join(f"{rng.gauss(2 * (label in high), 1):.5f}" for high in HIGH) + f"\t{label}"
            for label in ("target", "nontarget", "spoof") * 20
        ],
    }
    for name, content in lines.items():
        (folder / name).write_text("\n".join(content) + "\n")
    run(
        "calibrate",
        folder / "s.txt",
        "--key",
        folder / "key.csv",
        "--out",
        folder / "calibration.json",
    )
    durations_s = np.sort(np.exp([rng.gauss(1, 0.5) for _ in range(50)]))
    table = summarise_lengths(
        durations_s, name="calls", source="calls", licence=None, made_by="hand"
    )
    write_lengths(table, folder / "calls.json")


def _write_results(folder):
    """A few cells of a committed result, and what a killed sweep and a killed scoring left."""
    source = Path(__file__).parents[2] / "results" / "cpu-epyc-2t" / "scaling-1.json"
    content = json.loads(source.read_text())
    kept = [
        entry
        for entry in content["benchmarks"]
        if entry["extra_info"]["cell"]["detector"] in ("fake-mamba-l", "xlsr-conformer")
        and entry["extra_info"]["cell"]["part"] == "encoder"
    ]
    for name in ("out.json", "base.json"):
        (folder / name).write_text(json.dumps(content | {"benchmarks": kept[:12]}))
    accepted = ("pattern = '*'", "factor = 1.5", "reason = 'a fix'", "expires = 2999-01-01")
    (folder / "accepted.toml").write_text("\n".join(["[[accepted]]", *accepted, ""]))
    journal = Journal(folder / "sweep.journal", SWEEP)
    for cell in CELLS:
        for number, took_s in enumerate((0.4, 0.5, 0.6)):
            details = {"load_s": 0.5} if number == 0 else {}
            visit = Visit(number, (took_s,), took_s, took_s, (), 1e9)
            journal.add(Outcome(cell, "measured", None, details, (visit,)))


def _write_training(folder, recipe):
    write_recipe(folder / "recipe.toml", recipe)


def checkpoint_of(folder):
    """The one checkpoint of the training in a folder, below it."""
    (found,) = (folder / "run" / "checkpoints").iterdir()
    return found.relative_to(folder / "run")
