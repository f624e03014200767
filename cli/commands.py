"""All sub-commands, each with the head of its module, which is imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence

from fakemamba.subcommands import run_one_of

COMMANDS = {
    "backends": "the scans' implementations, and which can run here.",
    "bench": "a sweep of detectors from any folder, as `pytest bench/` in a clone.",
    "calibrate": "scores of development trials to a calibration for other trials.",
    "claims": "which claims hold on the machine that results are from?",
    "compare": "whether a change made anything slower, and by how much.",
    "convert": "official checkpoints to a folder that fakemamba reads.",
    "corpus": "what is done with a corpus as a whole, a sub-command each.",
    "cost": "what a corpus costs each detector, by the lengths of its recordings.",
    "crossover": "from which duration on does one detector beat another?",
    "detect": "recordings to a probability, a verdict, and where it came from.",
    "detectors": "what there is, and what other packages declare.",
    "embed": "embeddings, a map of them, and how separable the classes are in them.",
    "evaluate": "score files and a key to metrics with intervals, costs and breakdowns.",
    "evaluate-segments": "scores of frames and labelled segments to their error rates.",
    "evaluate-stream": "how soon a fake is known, and how often the alarm is false.",
    "evaluate-tandem": "a detector with speaker verification, a-DCF, t-DCF and t-EER.",
    "export": "a whole detector to ONNX, OpenVINO or torch.export, held to its logits.",
    "fetch": "published weights, downloaded, converted and pinned.",
    "gate": "is a revision slower than another one, measured here and now?",
    "kernels": "what each backend of the scans costs on this machine.",
    "lengths": "how long a corpus' recordings are.",
    "load": "how soon a served detector answers, and how many calls a machine holds.",
    "localize": "where in recordings a detector hears a spoof, by maps of frames.",
    "localize-fit": "a linear classifier of frames, fitted to labelled segments.",
    "new-detector": "a package of your own with a detector that works, to be changed.",
    "plot": "a benchmark's JSON to figures and a CSV.",
    "profile": "which parts and operators of a detector its time goes to.",
    "report": "results to one page that answers how the costs grow.",
    "scaling": "is a detector near-linear in the audio's duration, or quadratic?",
    "score": "recordings, a manifest or a corpus to a score file.",
    "study": "grids of training runs, or of forms for a small computer, as a table.",
    "trace": "which system made a spoofed recording, or none of those known.",
    "train": "a recipe, and whatever is to be other than it says, to a detector.",
    "weights": "what authors publish of their detectors' weights, and where.",
}
# What parses its arguments itself: `train` by the recipe that it names, `corpus`, `study` and
# `trace` have sub-commands, and pytest knows those of `bench`.
PARSING_THEMSELVES = ("bench", "corpus", "study", "trace", "train")


def run(arguments: Sequence[str]) -> int | None:
    """Run one sub-command, as `run_one_of` does."""
    return run_one_of(
        COMMANDS,
        "fakemamba.cli.{}",
        "fakemamba",
        arguments,
        parsing_themselves=PARSING_THEMSELVES,
    )
