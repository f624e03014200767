"""What a factory returns, as a module that maps waveforms to scores.

Besides modules and functions these interfaces are known, by their methods:
speech_spoof_bench's class (``load``, ``score_batch(audios, srs)``), Hugging Face pipelines for
audio classification, and speechbrain's (``classify_batch`` or ``encode_batch`` of ``wavs`` and
``wav_lens``).
Speech DF Arena's ``load_model`` returns a module.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from fakemamba.models.external.detector import OUR_RATE_HZ, FunctionModule, rows_of
from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.names import one_line
from fakemamba.records import shown

if TYPE_CHECKING:
    from transformers import Pipeline

log = logging.getLogger(__name__)

BONA_FIDE_LABELS = ("bonafide", "bona-fide", "bona fide", "real", "genuine", "human", "authentic")
SPOOF_LABELS = ("spoof", "fake", "deepfake", "synthetic", "ai")


def as_module(product: Any, name: str) -> tuple[nn.Module, dict[str, Any]]:
    """The module behind what a factory made, and what is known of it by its interface.

    Raises:
        ExternalDetectorError: it is nothing that can be called with waveforms.
    """
    if _is_pipeline(product):
        return classifier(product.model, product.feature_extractor, name)
    if _has(product, "classify_batch") or _has(product, "encode_batch"):
        return _SpeechBrain(product), {}
    if isinstance(product, nn.Module) and type(product).forward is not nn.Module.forward:
        return product, {}
    if _has(product, "score_batch") or _has(product, "score"):
        return _SpoofBench(product), _rate_of(product)
    if callable(product) and not isinstance(product, type):
        return FunctionModule(product), {}
    raise ExternalDetectorError(
        f"{name} gives {shown(type(product).__name__)}, which is no module, cannot be called, and "
        "has neither score, score_batch, classify_batch nor encode_batch"
    )


def _is_pipeline(product: Any) -> bool:
    """Without the seconds that it takes to import pipelines: of one they are imported already."""
    pipelines = sys.modules.get("transformers.pipelines")
    return pipelines is not None and isinstance(product, pipelines.Pipeline)


def _has(product: Any, method: str) -> bool:
    return callable(getattr(product, method, None))


def classifier(model: nn.Module, extractor: Any, name: str) -> tuple[nn.Module, dict[str, Any]]:
    """A Hugging Face model for audio classification, with its feature extractor.

    Which class is bona fide is told by the names of classes, if these say so.

    Raises:
        ExternalDetectorError: it has another number of classes than one or two.
    """
    config: Any = model.config
    labels: Mapping[int, str] = config.id2label
    if len(labels) > 2:
        raise ExternalDetectorError(
            f"{name} has {len(labels)} classes, {', '.join(labels.values())}, but a detector has "
            "two"
        )
    known = {"sample_rate_hz": int(extractor.sampling_rate)}
    words = {index: label.lower().replace("_", "-") for index, label in labels.items()}
    for index, word in words.items():
        if word in BONA_FIDE_LABELS:
            known["bona_fide"] = index
        elif word in SPOOF_LABELS and len(words) == 2:
            known.setdefault("bona_fide", 1 - index)
    if "bona_fide" not in known and len(labels) == 2:
        log.warning(
            "%s: its classes are called %s, of which none is known to be bona fide; unless the "
            "option bona_fide says otherwise, the last is taken",
            *(one_line(name), one_line(" and ".join(labels.values()))),
        )
    return _Classifier(model, extractor), known


class _Classifier(nn.Module):
    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__()
        self.model = model
        self._extractor = extractor

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, L) to (B, classes); the extractor normalises, pads and masks as its card says."""
        rows = [row.cpu().numpy() for row in rows_of(waveforms, lengths)]
        given = self._extractor(
            rows,
            sampling_rate=self._extractor.sampling_rate,
            return_tensors="pt",
            padding=True,
        )
        logits: Tensor = self.model(**given.to(waveforms.device)).logits
        return logits


class _SpeechBrain(nn.Module):
    def __init__(self, product: Any) -> None:
        super().__init__()
        self.product = product  # if it is a module, its parameters are this one's

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, L) to (B, 2) or (B, 1); lengths are relative to the longest row there."""
        shares = torch.ones(len(waveforms), device=waveforms.device)
        if lengths is not None:
            shares = lengths.to(waveforms.device) / waveforms.shape[1]
        if _has(self.product, "classify_batch"):
            found = self.product.classify_batch(waveforms, shares)
            found = found[0] if isinstance(found, tuple) else found
        else:
            found = self.product.encode_batch(waveforms, shares)
        output: Tensor = found.squeeze(1) if found.ndim == 3 else found
        return output


class _SpoofBench(nn.Module):
    """Its scores are of NumPy arrays; higher is more bona fide."""

    def __init__(self, product: Any) -> None:
        super().__init__()
        if _has(product, "load"):
            product.load()
        self._product = product
        for name, value in vars(product).items():
            if isinstance(value, nn.Module):  # so that parameters are counted and moved
                self.add_module(name, value)

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, L) to (B,)."""
        rows = [row.cpu().numpy().astype(np.float32) for row in rows_of(waveforms, lengths)]
        rate_hz = _rate_of(self._product).get("sample_rate_hz", OUR_RATE_HZ)
        if _has(self._product, "score_batch"):
            scores = self._product.score_batch(rows, [rate_hz] * len(rows))
        else:
            scores = [self._product.score(row, rate_hz) for row in rows]
        return torch.as_tensor(scores, dtype=torch.float32, device=waveforms.device)


def _rate_of(product: Any) -> dict[str, Any]:
    rate_hz = getattr(product, "expected_sample_rate", None)
    return {} if rate_hz is None else {"sample_rate_hz": int(rate_hz)}


def audio_classifier(source: str) -> Pipeline:
    """A factory: a Hugging Face folder or id of ``AutoModelForAudioClassification``.

    Named ``fakemamba.models.external.adapters:audio_classifier?source=FOLDER``.
    """
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, pipeline

    model = AutoModelForAudioClassification.from_pretrained(source, trust_remote_code=False)
    extractor = AutoFeatureExtractor.from_pretrained(source, trust_remote_code=False)
    return pipeline("audio-classification", model=model, feature_extractor=extractor, device="cpu")
