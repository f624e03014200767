"""A linear classifier of frames, fitted to labelled segments on what a frozen encoder gives.

It asks how much of where a forgery is a straight line finds in frames of a detector that was never
told: a logistic regression on standardised frames, both classes of equal weight. A frame's label is
that of its middle, as the segment EER has it by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from fakemamba.data.audio import SAMPLE_RATE_HZ
from fakemamba.data.reading import recording_or_reason
from fakemamba.data.trials import Trial
from fakemamba.evaluation.metrics.segments import Segment, Segments, frame_labels
from fakemamba.files import write_json
from fakemamba.models.detector import Detector, UnsupportedInputError
from fakemamba.models.external.detector import ExternalDetector
from fakemamba.models.maps.methods import MapMethod, shown_name
from fakemamba.models.maps.observation import Observation, observe
from fakemamba.names import one_line
from fakemamba.records import Stamp, read_record

SUPERVISED = "supervised"
STAMP: Stamp = {"kind": "fakemamba-frame-classifier", "schema": 1}
MAX_ITERATIONS = 2_000

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


class ClassifierError(ValueError):
    """A classifier of frames cannot be fitted, read or used; the message says why."""


@dataclass(frozen=True)
class FrameClassifier:
    """Scores frames by a straight line: higher is more bona fide, in log odds.

    Attributes:
        weights_sha256: of the detector that it was fitted to.
        weight: of each of the encoder's dimensions (width,).
        bias: what is added.
        bonafide: frames that it was fitted to,
        spoof: of each class,
        recordings: and of how many recordings these are.
    """

    weights_sha256: str
    weight: tuple[float, ...]
    bias: float
    bonafide: int
    spoof: int
    recordings: int

    def check_weights(self, sha256: str) -> None:
        """Refuse another detector than the one that it was fitted to.

        Raises:
            ClassifierError: the hashes of the weights differ.
        """
        if sha256 != self.weights_sha256:
            raise ClassifierError(
                f"the classifier was fitted to weights {self.weights_sha256[:12]}, but these are "
                f"{sha256[:12]}: fit one to this checkpoint with localize-fit"
            )

    def method(self) -> MapMethod:
        """As a way to a map."""
        summary = f"log odds by a linear classifier of {self.bonafide + self.spoof} labelled frames"
        return MapMethod(summary, True, lambda seen, _: self._scores(seen), "log odds of bona fide")

    def _scores(self, seen: Observation) -> torch.Tensor | None:
        frames = seen.encoded_frames
        if frames is None or frames.shape[1] != len(self.weight):
            return None
        return frames @ frames.new_tensor(self.weight) + self.bias


def read_classifier(path: str | Path) -> FrameClassifier:
    """Read what `write_classifier` wrote.

    Raises:
        ClassifierError: no such file, or another kind of file.
    """
    remedy = "it is no classifier of frames: make one with fakemamba localize-fit"
    return read_record(path, FrameClassifier, ClassifierError, remedy, stamp=STAMP)


def write_classifier(path: str | Path, classifier: FrameClassifier) -> None:
    """Write it as JSON."""
    write_json(path, STAMP | asdict(classifier))


def fit_classifier(
    detector: Detector,
    trials: Iterable[Trial],
    segments: Segments,
    weights_sha256: str,
    *,
    frames_each: int,
    seed: int = 0,
) -> tuple[FrameClassifier, dict[str, str]]:
    """Fit a classifier to frames of recordings with labelled segments.

    Args:
        detector: in eval mode, on its device; it is left as it is.
        trials: recordings; read lazily, one at a time.
        segments: of each of them, by its id.
        weights_sha256: of the detector.
        frames_each: at most so many frames of a recording, drawn by lot.
        seed: of that lot.

    Returns:
        The classifier, and why recordings are not among what it was fitted to, by their ids.

    Raises:
        ClassifierError: an encoder that keeps no frames apart, or no frames of a class.
    """
    from sklearn.linear_model import LogisticRegression  # slow, and reading one needs it not
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(seed)
    drawn: list[tuple[Floats, Labels]] = []
    failures: dict[str, str] = {}
    for trial in trials:
        found = _labelled(detector, trial, segments.get(trial.trial_id, ()))
        if isinstance(found, str):
            failures[trial.trial_id] = found
            continue
        chosen = generator.permutation(np.flatnonzero(found[1] >= 0))[:frames_each]
        drawn.append((found[0][chosen], found[1][chosen]))
    labels = np.concatenate([one for _, one in drawn]) if drawn else np.zeros(0, np.int64)
    counts = np.bincount(labels, minlength=2)
    if not counts.all():
        first = next(iter(failures.values()), "none")
        raise ClassifierError(
            f"{counts[1]} frames are labelled bona fide and {counts[0]} spoof, of {len(drawn)} "
            f"recordings: some of each are needed; {len(failures)} were left out, such as: {first}"
        )
    scaler = StandardScaler()
    regression = LogisticRegression(class_weight="balanced", max_iter=MAX_ITERATIONS)
    frames = np.concatenate([one for one, _ in drawn])
    make_pipeline(scaler, regression).fit(frames, labels)
    weight = regression.coef_[0] / scaler.scale_
    bias = float(regression.intercept_[0] - weight @ scaler.mean_)
    classifier = FrameClassifier(
        weights_sha256, tuple(weight.tolist()), bias, int(counts[1]), int(counts[0]), len(drawn)
    )
    return classifier, failures


def _labelled(
    detector: Detector, trial: Trial, segments: Sequence[Segment]
) -> tuple[Floats, Labels] | str:
    """A recording's frames (n, width) and their labels (n,), or why there are none."""
    if not segments:
        return f"{trial.trial_id}: no segments are labelled"
    recording = recording_or_reason(trial)
    if isinstance(recording, str):
        return recording
    waveform = torch.from_numpy(recording.waveform).to(detector.device)
    try:
        frames = frames_of(detector, waveform)
    except UnsupportedInputError as error:
        return f"{trial.path}: {one_line(str(error))}"
    frame_s = detector.framing.hop_samples / SAMPLE_RATE_HZ
    return frames.cpu().numpy(), frame_labels(len(frames), segments, frame_s, "centre")


def frames_of(detector: Detector, waveform: torch.Tensor) -> torch.Tensor:
    """What the encoder of a detector in eval mode makes of a recording's frames (n, width).

    Raises:
        ClassifierError: it keeps none apart.
    """
    if not isinstance(detector, ExternalDetector):
        frames = observe(detector, waveform, in_frontend=False).encoded_frames
        if frames is not None:
            return frames
    raise ClassifierError(
        f"the encoder of {shown_name(detector)} keeps no frames apart, which could be classified"
    )
