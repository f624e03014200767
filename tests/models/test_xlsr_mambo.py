"""XLSR-MamBo: Hydra by its definition, the layouts, and the joint normalisation of a batch."""

import pytest
import torch
import torch.nn.functional as F

from fakemamba import create_detector
from fakemamba.baselines.xlsr_mambo import XLSRMamBo, elements
from fakemamba.data.audio import cut_or_tile, read_audio
from fakemamba.models.execution.modes import UnsupportedSettingError
from fakemamba.models.frontends.normalising import normalised
from fakemamba.models.hydra import Hydra
from fakemamba.models.official import convert_official
from fakemamba.models.scan.mixer import set_scan_backend

LAYOUTS = (1, 2, 3, 4)


def plain_hydra(hydra, frames):
    """The definition for one utterance (T, width), frame by frame, in float64."""
    channels, _, heads = *hydra.sizes[:2], hydra.sizes[2] // 2
    states, per_head, length = hydra.num_states, hydra.head_channels, len(frames)
    z, mixed, step = hydra.in_proj(frames).split(hydra.sizes, dim=-1)
    taps = hydra.conv1d.weight[:, 0]
    around = F.pad(mixed, (0, 0, 3, 3))
    mixed = F.silu(sum(taps[:, k] * around[k : k + length] for k in range(7)) + hydra.conv1d.bias)
    x, *directions = mixed.split([channels] + 4 * [states], dim=-1)
    by_head = x.unflatten(-1, (heads, per_head))
    total = by_head * (x @ hydra.fc_D.weight.T + hydra.D)[..., None]
    for backward in (False, True):
        B, C = directions[2 * backward : 2 * backward + 2]
        delta = F.softplus(step[:, backward * heads :][:, :heads] + hydra.dt_bias)
        state, seen = torch.zeros(heads, per_head, states, dtype=frames.dtype), None
        for t in reversed(range(length)) if backward else range(length):
            if seen is not None:  # what the frame before it would get
                total[t] = total[t] + seen
            decay = (-delta[t] * hydra.A_log.exp()).exp()[:, None, None]
            state = decay * state + (delta[t, :, None] * by_head[t])[..., None] * B[t]
            seen = state @ C[t]
    y = total.flatten(1)
    y = y / (y.square().mean(-1, keepdim=True) + 1e-5).sqrt() * hydra.norm.weight
    return hydra.out_proj(y * F.silu(z))


@pytest.mark.parametrize("backend", ["auto", "torch", "reference"])
@torch.no_grad()
def test_hydra_is_its_definition_of_each_utterance(backend):
    torch.manual_seed(0)
    hydra = Hydra(8, num_states=3, head_channels=4)
    set_scan_backend(hydra, backend)
    for parameter in hydra.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    frames, lengths = torch.randn(3, 12, 8), torch.tensor([12, 1, 7])
    found = hydra(frames, lengths)
    exact = Hydra(8, num_states=3, head_channels=4).double()
    exact.load_state_dict(hydra.state_dict())
    for row, length in enumerate(lengths):
        wanted = plain_hydra(exact, frames[row, :length].double())
        torch.testing.assert_close(found[row, :length].double(), wanted, rtol=1e-4, atol=1e-5)


def test_a_hydra_begins_as_published():
    torch.manual_seed(0)
    hydra = Hydra(128)
    assert not hydra.A_log.any() and (hydra.D == 1).all()
    steps = F.softplus(hydra.dt_bias)
    assert ((steps > 0.9e-3) & (steps < 0.11)).all()
    with pytest.raises(ValueError, match="16 channels cannot be split into heads of 64"):
        Hydra(8)


@pytest.mark.at_length
def test_hydra_trains_compiled():
    torch.manual_seed(0)
    hydra, frames = Hydra(32), torch.randn(1, 20, 32)
    set_scan_backend(hydra, "torch")
    gradients = []
    for call in (hydra, torch.compile(hydra, fullgraph=True, backend="aot_eager")):
        hydra.zero_grad()
        call(frames).square().sum().backward()
        gradients.append([parameter.grad for parameter in hydra.parameters()])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("error")
@torch.inference_mode()
def test_autocast_keeps_norms_in_fp32(make_detector, waveforms):
    detector = make_detector("xlsr-mambo", repeats=1, mixers=1)
    wanted = detector(waveforms)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoded = detector.encoder(detector.frontend(waveforms)[0])
    assert encoded.dtype == torch.float32
    torch.testing.assert_close(detector.head(encoded), wanted, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("layout", LAYOUTS)
@torch.inference_mode()
def test_no_layout_looks_at_padding_or_neighbours(layout, make_detector, waveforms):
    detector = make_detector("xlsr-mambo", layout=layout, repeats=1, mixers=1)
    lengths = torch.tensor([16_000, 9_001, 1_040])
    together = detector(waveforms, lengths)
    for row, length in enumerate(lengths):
        alone = detector(waveforms[row : row + 1, :length])
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("repeats", "mixers"), [(1, 2), (3, 1)])
def test_sizes_are_read_off_the_tensors(layout, repeats, mixers, make_detector):
    sizes = {"layout": layout, "repeats": repeats, "mixers": mixers}
    sizes |= {"width": 16, "num_states": 5, "head_channels": 8}
    detector = make_detector("xlsr-mambo", **sizes)
    assert len(detector.encoder.blocks) == repeats * len(elements(layout, mixers))
    assert XLSRMamBo.sizes_from_state(detector.state_dict()) == sizes


def test_elements_in_no_order_of_a_layout_have_no_sizes(make_detector):
    state = make_detector("xlsr-mambo", repeats=1, mixers=1, width=32).state_dict()
    state = {key: value for key, value in state.items() if "blocks.3." not in key}
    with pytest.raises(ValueError, match="no layout has the elements hydra, feed-forward, att"):
        XLSRMamBo.sizes_from_state(state)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"heads": 3}, "width 128 cannot be split over 3 heads"),
        ({"head_channels": 48}, "twice the width 128 cannot be split into heads of 48"),
        ({"repeats": 500}, "3000 elements are more than 1000"),
        ({"layout": 5}, "layout"),
    ],
)
def test_sizes_that_cannot_be_are_refused(options, told, make_detector):
    with pytest.raises(ValueError, match=told):
        make_detector("xlsr-mambo", **options)


@pytest.mark.parametrize("lengths", [None, [4_000, 1_000]])
def test_joint_normalisation_is_of_all_samples_of_a_batch(lengths):
    waveforms = torch.randn(2, 4_000) * torch.tensor([[3.0], [0.1]]) + 1
    lengths = None if lengths is None else torch.tensor(lengths)
    found = normalised(waveforms, lengths, "joint")
    own = torch.arange(4_000) < (4_000 if lengths is None else lengths[:, None])
    own = own.expand(2, -1)
    values = waveforms[own]
    wanted = (waveforms - values.mean()) / (values.var(correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(found[own], wanted[own], rtol=1e-4, atol=1e-5)
    assert not found[~own].any()


@torch.inference_mode()
def test_a_batch_that_is_normalised_jointly_gives_the_official_logits(oracles, second_oracles):
    (recordings, _), (folder, expected) = oracles, second_oracles
    said = expected["arch"]["xlsr-mambo"]["batch_of_two"]
    rows = [
        torch.from_numpy(cut_or_tile(read_audio(recordings / name), 66_800))
        for name in said["files"]
    ]
    batch = torch.stack([rows[0], 0.05 * rows[1]])
    wanted = torch.tensor(said["logits"])
    differences = []
    for name in ("xlsr-mambo?waveform=joint", "xlsr-mambo"):
        model = convert_official([folder / "xlsr-mambo.pth"], name, frontend_heads=16)
        differences.append((model(batch) - wanted).abs().max())
    assert differences[0] < 1e-4 and differences[1] > 1e-2


def test_a_detector_that_adds_rows_takes_no_joint_normalisation():
    small = {"repeats": 1, "mixers": 1}
    create_detector("xlsr-mambo", "xls-r-tiny", **small).eval().optimize("fp32")
    detector = create_detector("xlsr-mambo", "xls-r-tiny", waveform="joint", **small)
    assert detector.config.frontend.waveform == "joint"
    with pytest.raises(UnsupportedSettingError, match="waveform=joint"):
        detector.eval().optimize("fp32")
