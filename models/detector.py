"""A detector: waveforms to two logits, in three parts that can each be called and measured alone.

front-end: waveforms (B, L) -> features (B, T, F), or of all layers (B, layers, T, F); encoder:
features -> encoded frames, or graph nodes, or one vector; head: encoded -> logits (B, 2). End to
end is exactly their sum, of waveforms as the detector prepares them. Unless a detector says
otherwise, index 1 of the logits is bona fide, and its raw logit is the score.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fakemamba.models.frontend import Frontend, FrontendConfig
from fakemamba.models.frontends.framing import Frames, Framing
from fakemamba.models.frontends.framing import UnsupportedInputError as UnsupportedInputError
from fakemamba.models.frontends.normalising import Waveform
from fakemamba.models.frontends.outputs import Output
from fakemamba.models.frontends.tensor_names import OfficialFrontend
from fakemamba.models.masking import cut_or_repeat, zero_padding
from fakemamba.records import check_fields

if TYPE_CHECKING:
    from fakemamba.models.execution.optimized import OptimizedDetector

# Metadata of a configuration's field that older checkpoints lack: it has its default there.
LATER = {"later": True}


@dataclass(frozen=True)
class DetectorConfig:
    """What every detector's configuration holds; the rest is each detector's own.

    A field's annotation is its type and range, of what is given in Python as of a file.
    """

    frontend: FrontendConfig

    def __post_init__(self) -> None:
        check_fields(self)


class Head(Protocol):
    """The end of a detector."""

    def __call__(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Encoded frames to logits (B, 2)."""
        ...

    def embed(self, encoded: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Encoded frames to one vector an utterance (B, width)."""
        ...


Taught = Literal["recording", "frames", "source"]


class Detector(nn.Module):
    """Base of all detectors. A subclass sets ``encoder`` and ``head`` and the class variables."""

    config_class: ClassVar[type[DetectorConfig]]
    # Regular expressions from the official checkpoint's keys (front-end apart) to ours.
    official_keys: ClassVar[tuple[tuple[str, str], ...]] = ()
    official_frontend: ClassVar[OfficialFrontend] = OfficialFrontend()
    # What the encoder takes where the front-end's source chooses nothing else.
    frontend_output: ClassVar[Output] = "last"
    frontend_waveform: ClassVar[Waveform] = "none"
    frontend_frames: ClassVar[Frames] = "network"
    min_frames: ClassVar[int] = 1  # of the front-end
    fixed_samples: int | None = None  # that every utterance is cut or repeated to
    bona_fide: ClassVar[Literal[0, 1]] = 1  # its place among the logits
    ranks_by: ClassVar[Literal["logit", "difference"]] = "logit"  # see `scores`
    name: str | None = None  # of code of others; this package's are told by their class
    # What it was trained to tell last. If not whole recordings, its own scores say nothing.
    taught: Taught = "recording"

    encoder: nn.Module
    head: nn.Module

    def __init__(self, config: DetectorConfig, frontend: Frontend | None = None) -> None:
        super().__init__()
        output, takes_layers = config.frontend.output, self.frontend_output.startswith("all")
        if output.startswith("all") != takes_layers:
            taken = "all or all-normed" if takes_layers else "one that is not of all layers"
            raise ValueError(
                f"front-end output {output!r} is not for {type(self).__name__}: choose {taken}"
            )
        self.config: Any = config
        if frontend is None:
            frontend = Frontend(config.frontend)
        elif frontend.config != config.frontend:
            frontend = Frontend(config.frontend, frontend.model)
        self.frontend = frontend

    @classmethod
    def frontend_taken(cls, frontend: FrontendConfig, options: Mapping[str, Any]) -> FrontendConfig:
        """A front-end as this detector takes it, where nothing else was chosen of it.

        ``options`` are those that the detector is made with.
        """
        output, waveform = cls.frontend_output, cls.frontend_waveform
        return replace(
            frontend,
            output=output if frontend.output == "last" else frontend.output,
            waveform=waveform if frontend.waveform == "none" else frontend.waveform,
            frames=cls.frontend_frames if frontend.frames == "network" else frontend.frames,
        )

    @classmethod
    def sizes_from_state(cls, state: dict[str, Tensor]) -> dict[str, Any]:
        """The configuration fields that a state dict in our names shows (depth, width, ...)."""
        raise ValueError(f"{cls.__name__} has no published checkpoint to take sizes from")

    @property
    def framing(self) -> Framing:
        """How samples become the frames that the encoder gets."""
        framing: Framing = self.config.frontend.framing
        return framing

    @property
    def min_samples(self) -> int:
        """The shortest utterance that it takes, at 16 kHz."""
        return self.framing.samples_for(self.min_frames)

    @property
    def _no_split_modules(self) -> list[str]:
        """What accelerate's FSDP keeps together, as transformers calls it: a front-end's layer."""
        return [type(self.frontend.layers[0]).__name__]

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The parts by name, in the order in which they are called."""
        return {"front-end": self.frontend, "encoder": self.encoder, "head": self.head}

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next(self.parameters()).device

    def check_input(self, waveforms: Tensor, lengths: Tensor | None) -> Tensor | None:
        """Refuse inputs that no score can be given for; return the lengths on the right device.

        Raises:
            ValueError: waveforms or lengths of a wrong shape.
            UnsupportedInputError: fewer samples than ``min_samples``, or more than the front-end
                takes.
        """
        if waveforms.ndim != 2:
            raise ValueError(
                f"waveforms must be (batch, samples), got shape {tuple(waveforms.shape)}"
            )
        shortest = waveforms.shape[1]
        if lengths is not None:
            if lengths.shape != waveforms.shape[:1]:
                raise ValueError(
                    f"lengths must be ({waveforms.shape[0]},), got {tuple(lengths.shape)}"
                )
            if lengths.device.type == "cpu":  # on a GPU, looking would wait for it
                shortest = min(shortest, int(lengths.min()))
                if int(lengths.max()) > waveforms.shape[1]:
                    raise ValueError(
                        f"a length of {int(lengths.max())} samples, but the waveforms have "
                        f"{waveforms.shape[1]}"
                    )
            lengths = lengths.to(waveforms.device)
        self._check_span(shortest, waveforms.shape[1])
        return lengths

    def prepared(
        self, waveforms: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """What the front-end is given of waveforms (B, L) of ``lengths`` (B,) samples.

        With ``fixed_samples`` it is the first ones of each utterance, repeated where it is shorter.
        """
        if self.fixed_samples is None or (
            lengths is None and waveforms.shape[1] == self.fixed_samples
        ):
            return waveforms, lengths
        return cut_or_repeat(waveforms, lengths, self.fixed_samples), None

    def by_class(self, logits: Tensor) -> Tensor:
        """Logits (B, 2) with spoof in front and bona fide behind it."""
        return logits if self.bona_fide == 1 else logits.flip(1)

    def scores(self, logits: Tensor) -> Tensor:
        """What logits (B, 2) are ranked by, (B,): higher is more bona fide.

        It is what the authors' evaluation takes: the raw logit of bona fide, or how much higher it
        is than that of spoof.
        """
        spoof, bona_fide = self.by_class(logits).unbind(1)
        return bona_fide if self.ranks_by == "logit" else bona_fide - spoof

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Waveforms (B, L) float32 at 16 kHz, and valid samples (B,), to logits (B, 2).

        ``lengths`` None says that every row is full. A row's logits do not depend on the others.

        Raises:
            ValueError: see `check_input`.
        """
        encoded, frame_lengths = self.encode(waveforms, lengths)
        return self.head(encoded, frame_lengths)

    def embed(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The vector before the classifier, (B, embedding width)."""
        encoded, frame_lengths = self.encode(waveforms, lengths)
        head: Any = self.head
        return head.embed(encoded, frame_lengths)

    def encode(
        self, waveforms: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """What the head is given of waveforms (B, L): what the encoder made, and its frames (B,).

        The frames are None where every row is full.
        """
        lengths = self.check_input(waveforms, lengths)
        features, frame_lengths = self.frontend(*self.prepared(waveforms, lengths))
        return self.encoder(features, frame_lengths), frame_lengths

    @torch.enable_grad()
    def frames(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """How much each frame adds to the score, (B, T): gradient times input at the front-end.

        The method of Shrikumar et al. (2016): Σ_d ∂score/∂f_td · f_td over the features f that
        enter the encoder, of all layers where it takes them. Frames beyond an utterance's end, or
        beyond what it is cut to, get zero, and of repeated ones the first are told. Parameters keep
        no gradient.
        """
        lengths = self.check_input(waveforms, lengths)
        with torch.no_grad():
            features, frame_lengths = self.frontend(*self.prepared(waveforms, lengths))
        features = features.detach().requires_grad_()
        logits = self.head(self.encoder(features, frame_lengths), frame_lengths)
        (gradient,) = torch.autograd.grad(self.scores(logits).sum(), features)
        evidence = (gradient * features).detach().sum(-1)  # (B, T) or (B, layers, T)
        if evidence.ndim == 3:
            evidence = evidence.sum(1)
        if self.fixed_samples is None:
            return evidence
        count = self.framing.frame_count(waveforms.shape[1])
        evidence = F.pad(evidence, (0, max(count - evidence.shape[1], 0)))[:, :count]
        own = None if lengths is None else self.framing.frame_counts(lengths)
        return zero_padding(evidence[..., None], own)[..., 0]

    def set_attention(self, kind: str) -> None:
        """Use another implementation of attention in the front-end, ``sdpa`` or ``eager``."""
        self.frontend.set_attention(kind)

    def logits_in(
        self,
        autocast: AbstractContextManager[None],
        waveforms: Tensor,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, 2) of front-end and encoder run in another precision, and the head in fp32.

        A logit that was rounded to bf16 has two or three digits.
        """
        with autocast:
            encoded, frame_lengths = self.encode(waveforms, lengths)
        return self.head(encoded.float(), frame_lengths)

    def optimize(
        self,
        precision: str | None = None,
        execution: str | None = None,
        *,
        exact_samples: Collection[int] = (),
        examples: Tensor | None = None,
    ) -> OptimizedDetector:
        """This detector for inference, faster, with the weights that it has now.

        Encoder and head are the same modules, and are put into evaluation mode.

        Args:
            precision: of the front-end's products, bf16, fp16, tf32 or fp32, and int8 of engines.
                Everything else is in fp32 (with bf16 and fp16 on a GPU, in TF32). By default fp32
                of an engine, and elsewhere bf16 where it is faster than fp32.
            execution: ``graph`` plays back CUDA graphs, one for each bucket of shapes; ``compile``
                is torch.compile's; ``eager``; ``onnxruntime`` and ``openvino`` are engines that run
                the front-end on a CPU. By default a graph on a GPU, and eager on a CPU.
            exact_samples: lengths with graphs of their own, such as the one that clips are cut to.
            examples: speech (n, samples), as int8 of OpenVINO takes ranges of activations from it.

        Raises:
            UnsupportedSettingError: this device cannot do it, or only more slowly than in fp32.
        """
        from fakemamba.models.execution import optimized

        if execution is None:
            execution = "graph" if self.device.type == "cuda" else "eager"
        if precision is None:
            precision = optimized.usual_precision(self.device, execution)
        return optimized.OptimizedDetector(self, precision, execution, exact_samples, examples)

    def _check_span(self, shortest: int, longest: int) -> None:
        """Refuse what the front-end makes no frames of; lengths are in samples."""
        self.framing.check(shortest, longest, self.min_frames, type(self).__name__)
