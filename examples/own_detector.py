"""A detector of one's own: created, run on a ragged batch, its parts timed.

Commands and sweeps take detectors of the registry: docs/architecture.md, "To add something".
"""

from statistics import median

import torch

from fakemamba.bench.instruments.clock import make_clock
from fakemamba.bench.instruments.rounds import Effort, time_rounds
from fakemamba.data.recordings import real_speech
from fakemamba.models.block_detector import SummaryHead
from fakemamba.models.detector import Detector, DetectorConfig
from fakemamba.models.frontend import FRONTEND_SIZES, Frontend
from fakemamba.models.layers import Projection


class OwnDetector(Detector):
    """XLS-R, a projection, attention pooling, two logits; all parts take lengths."""

    config_class = DetectorConfig

    def __init__(self, config: DetectorConfig, frontend: Frontend | None = None) -> None:
        super().__init__(config, frontend)
        self.encoder = Projection(config.frontend.hidden_size, 32)  # (B, T, hidden) -> (B, T, 32)
        self.head = SummaryHead(32, "attention")  # (B, T, 32) -> (B, 2)


detector = OwnDetector(DetectorConfig(FRONTEND_SIZES["xls-r-tiny"])).eval()
waveforms = torch.stack([torch.from_numpy(real_speech(32_000, row)) for row in range(2)])
lengths, clock = torch.tensor([32_000, 20_000]), make_clock(waveforms.device)
with torch.inference_mode():
    alone = [detector(waveforms[row : row + 1, : lengths[row]]) for row in range(2)]
    torch.testing.assert_close(detector(waveforms, lengths), torch.cat(alone))  # whatever the batch
    features = detector.frontend(waveforms, lengths)  # (B, T, hidden), and each row's frames
    for part, given in ((detector.frontend, (waveforms, lengths)), (detector.encoder, features)):
        rounds = time_rounds(lambda p=part, g=given: clock.time(lambda: p(*g)), Effort())
        print(f"{type(part).__name__}: {1e3 * median(one.device_s for one in rounds):.2f} ms")
