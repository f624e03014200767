"""A form of a detector: written, run in a process of its own, and scored, a unit for each cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fakemamba.analysis.edge.units import EdgeUnit, Form
from fakemamba.bench.edge.measuring import RunAloneError, run_alone
from fakemamba.cli.scored_table import scored_table
from fakemamba.data.recordings import speech_of
from fakemamba.data.trials import Trial
from fakemamba.evaluation.eer_rise import eer_rise
from fakemamba.evaluation.manner import Manner
from fakemamba.files import bytes_in
from fakemamba.models.checkpoints import save_pretrained
from fakemamba.models.detector import Detector
from fakemamba.models.device import is_out_of_memory
from fakemamba.models.execution.engines.frontend import ENGINES
from fakemamba.models.execution.errors import UnsupportedSettingError
from fakemamba.models.execution.modes import slower_than_fp32
from fakemamba.models.export.drafts import Draft
from fakemamba.models.export.write import draft_of, write_model
from fakemamba.models.loading import load_detector
from fakemamba.models.truncation import with_first_layers

TORCH = "torch"
FORMATS = {"onnxruntime": "onnx", "openvino": "openvino"}
ENGINE_PRECISIONS = {
    TORCH: ("fp32", "bf16", "int8"),
    **{name: ENGINES[name].precisions for name in FORMATS},
}
COMPARED_S = (1.0, 4.0)  # of speech whose logits an export must have


@dataclass
class EdgeForms:
    """The forms of a detector, each compared with the whole of it in fp32.

    Attributes:
        known: detectors by how many layers they were trained behind, the whole one with the most.
        duration_s: of the recording that is timed.
        seconds: that calls of a form are timed for.
        trials: with labels, for the rise of EER; none for none.
        manner: how they are scored.
        examples: speech (n, samples) that int8 takes ranges of activations from.
    """

    known: dict[int, Detector]
    duration_s: float
    seconds: float
    trials: Sequence[Trial]
    manner: Manner
    examples: Tensor
    _whole_scores: pd.DataFrame | None = field(default=None, init=False)
    _drafts: dict[tuple[int, str], Draft] = field(default_factory=dict, init=False)

    @property
    def whole(self) -> Detector:
        """The detector behind all layers."""
        return self.known[max(self.known)]

    def units(self, form: Form, threads: Sequence[int]) -> Iterator[EdgeUnit]:
        """A form on each number of cores; failed with the reason where it is not to be had."""
        base: dict[str, Any] = {**asdict(form), "is_fitted": form.layers in self.known}
        left = list(threads)
        try:
            detector = self._behind(form.layers)
            with TemporaryDirectory() as folder:
                model = self._written(form, detector, Path(folder))
                base["files_bytes"] = bytes_in(Path(folder))
                base |= self._rise(form, detector, model)
                wanted = self._score(detector)
                while left:
                    figures = self._alone(form, model, left[0], wanted)
                    yield EdgeUnit(**base, threads=left.pop(0), status="done", **figures)
        except (ValueError, OSError, MemoryError, RuntimeError) as error:
            if not isinstance(error, ValueError | OSError | RunAloneError) and not (
                is_out_of_memory(error)
            ):
                raise
            reason = str(error) or "out of memory"
            for count in left:
                yield EdgeUnit(**base, threads=count, status="failed", reason=reason)

    def _behind(self, layers: int) -> Detector:
        return self.known.get(layers) or with_first_layers(self.whole, layers)

    def _written(self, form: Form, detector: Detector, folder: Path) -> Path:
        """What the engine opens, in a folder."""
        if form.engine == TORCH:
            slow = slower_than_fp32(torch.device("cpu"), form.precision)
            if slow is not None:
                raise UnsupportedSettingError(slow)
            save_pretrained(detector, folder)
            return folder
        ENGINES[form.engine].check(form.precision)
        # The file for bf16 is that for fp32: it is said when a model is compiled.
        precision = "fp32" if form.precision == "bf16" else form.precision
        draft = self._draft(form, draft_of(detector, FORMATS[form.engine], precision))
        speech = {one: speech_of(one) for one in COMPARED_S}
        write_model(detector, draft, folder, precision, speech, self.examples)
        return folder / draft.model_name

    def _draft(self, form: Form, draft: Draft) -> Draft:
        """A draft; the one before, where that is of the same and has been traced."""
        key = form.layers, form.engine
        if key not in self._drafts:
            self._drafts = {key: draft}  # one, for it keeps its detector
        return self._drafts[key]

    def _alone(self, form: Form, model: Path, threads: int, wanted: float) -> dict[str, Any]:
        """Figures of a unit."""
        found = run_alone(
            form.engine,
            model,
            speech_of(self.duration_s).numpy(),
            precision=form.precision,
            threads=threads,
            seconds=self.seconds,
        )
        p50_s, p95_s = (float(np.percentile(found.calls_s, one)) for one in (50, 95))
        return {
            "score_error": abs(found.score - wanted),
            "loaded_s": found.loaded_s,
            "first_call_s": found.first_call_s,
            "latency_p50_s": p50_s,
            "latency_p95_s": p95_s,
            "rtf": p50_s / self.duration_s,
            "calls": len(found.calls_s),
            "peak_bytes": found.peak_bytes,
            "energy_j": found.energy_j,
            "energy_reason": found.energy_reason,
        }

    def _score(self, detector: Detector) -> float:
        """Of the recording that is timed, in fp32."""
        with torch.inference_mode():
            return float(detector.scores(detector(speech_of(self.duration_s)[None])))

    def _rise(self, form: Form, detector: Detector, model: Path) -> dict[str, float]:
        """The rise of EER; nothing where it is not known."""
        is_in_file = form.precision != "bf16"  # of an engine, which is told it when it compiles
        if not self.trials or not (form.engine == TORCH or is_in_file):
            return {}
        if self._whole_scores is None:
            self._whole_scores = scored_table(
                "the whole detector", self.whole, self.trials, self.manner
            )
        if form.engine == TORCH:
            manner = replace(self.manner, precision=form.precision)  # type: ignore[arg-type]
            found = scored_table(str(form), detector, self.trials, manner)
        else:
            found = scored_table(str(form), load_detector(model), self.trials, self.manner)
        rise = eer_rise(found, self._whole_scores)
        names = ("eer_rise", "eer_rise_low", "eer_rise_high")
        return dict(zip(names, (rise.value, rise.low, rise.high), strict=True))
