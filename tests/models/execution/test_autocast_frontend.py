"""Front-ends without a fast form are optimized, too: as they are, in half precision where asked."""

import pytest
import torch

from fakemamba import create_detector
from fakemamba.data.synthetic import speech_like
from fakemamba.models.execution.autocast_frontend import AutocastFrontend
from fakemamba.models.execution.errors import UnsupportedSettingError

SOURCES = ("wavlm-tiny", "w2v-bert-tiny", "wav2vec2-tiny", "whisper-tiny")


@pytest.fixture(scope="module", params=SOURCES)
def plain(request):
    torch.manual_seed(0)
    return create_detector("xlsr-mamba", request.param, depth=1).eval()


@torch.inference_mode()
def test_scores_are_those_of_the_plain_detector(plain, every_precision):
    lengths = torch.tensor([9_000, 5_000])
    waveforms = torch.stack([torch.from_numpy(speech_like(9_000, k)) for k in range(2)])
    wanted = plain(waveforms, lengths)
    for precision, error in (("fp32", 1e-5), ("bf16", 0.1)):
        optimized = plain.optimize(precision)
        assert isinstance(optimized.detector.frontend, AutocastFrontend)
        found = optimized(waveforms, lengths)
        assert found.dtype == torch.float32
        assert float((found - wanted).abs().max()) < error
    assert not torch.equal(found, wanted)  # bf16 is not fp32 by another name
    assert torch.equal(plain(waveforms, lengths), wanted)


def test_another_attention_is_refused(plain):
    fast = AutocastFrontend(plain.frontend)
    with pytest.raises(UnsupportedSettingError, match="no eager attention"):
        fast.set_attention("eager")
    fast.set_attention("sdpa")


def test_nothing_waits_for_its_device_while_a_graph_is_captured(plain, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    fast = plain.optimize("fp32").detector.to("meta")
    waveforms = torch.zeros(2, 16_000, device="meta")
    assert fast(waveforms, torch.zeros(2, device="meta", dtype=torch.int64)).shape == (2, 2)
