"""Every detector: published sizes, independence of the batch, and what is peculiar to each."""

import pytest
import torch
from kinds import KINDS

from fakemamba import create_detector
from fakemamba.models.detector import UnsupportedInputError
from fakemamba.models.registry import UnknownDetectorError

PUBLISHED_PARAMETERS = {
    "fake-mamba-s": 316_836_229,
    "fake-mamba-l": 317_774_101,
    "fake-mamba-released": 319_337_221,
    "xlsr-conformer": 317_944_020,
    "xlsr-conformer-tcm": 319_260_324,
    "xlsr-mamba": 317_374_646,
    "xlsr-aasist": 315_884_938,
    # From here on with the unused pre-training tensors of the official front-end taken off.
    "xlsr-transformer": 323_876_165 - 1_952_896,
    "trans-bimamba": 321_038_405 - 1_952_896,
    "con-bimamba": 323_153_189 - 1_952_896,
    "nes2net-x": 317_902_631 - 1_952_896,
    "xlsr-sls": 340_790_021 - 1_952_896,
    "antideepfake": 317_392_642 - 1_952_896,
    "xlsr-mambo": 319_372_299,
    "xlsr-mambo?mixers=1": 317_996_179,
    "xlsr-mambo?mixers=2": 318_684_239,
    "xlsr-mambo?repeats=1": 316_399_995,
    "xlsr-mambo?repeats=4": 318_629_223,
    # As published behind other front-ends, whose unused tensors are others.
    "antideepfake?frontend=wav2vec2-base": 95_046_146 - 673_664,
    "antideepfake?frontend=mms-300m": 317_392_642 - 1_952_896,
    "antideepfake?frontend=mms-1b": 965_517_314 - 3_018_624,
    "antideepfake?frontend=xls-r-1b": 965_517_314 - 3_018_624,
    "antideepfake?frontend=xls-r-2b": 2_162_936_194 - 3_674_624,
    "antideepfake?frontend=hubert-large": 316_611_458 - 1_175_296,
    "antideepfake?frontend=hubert-xlarge": 964_324_226 - 1_829_120,
    # The authors count the front-end without them.
    "df-arena": 315_437_696 + 120_753_157,
    "df-arena?frontend=xls-r-1b": 962_496_128 + 185_347_845,
    "wavlm-mhfa": 95_632_812 - 768,
}
NAMES = KINDS


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED_PARAMETERS.items())
def test_full_size_has_the_published_number_of_parameters(name, parameters):
    detector = create_detector(name, device="meta")
    assert {parameter.device.type for parameter in detector.parameters()} == {"meta"}
    assert sum(parameter.numel() for parameter in detector.parameters()) == parameters


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_a_score_does_not_depend_on_the_batch(name, make_detector, waveforms):
    detector = make_detector(name)
    lengths = torch.tensor([16_000, 9_001, 1_040])
    together = detector(waveforms, lengths)
    waveforms = waveforms.clone()
    for row, length in enumerate(lengths):
        waveforms[row, length:] = 100.0  # padding is not looked at
        alone = detector(waveforms[row : row + 1, :length])
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(detector(waveforms, lengths), together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_the_parts_add_up_to_the_whole(name, make_detector, waveforms):
    detector = make_detector(name)
    features, lengths = detector.parts["front-end"](*detector.prepared(waveforms))
    encoded = detector.parts["encoder"](features, lengths)
    logits = detector.parts["head"](encoded, lengths)
    torch.testing.assert_close(logits, detector(waveforms), rtol=0, atol=0)
    assert detector.embed(waveforms).shape[0] == 3
    whole = sum(parameter.numel() for parameter in detector.parameters())
    assert whole == sum(
        parameter.numel() for part in detector.parts.values() for parameter in part.parameters()
    )


@pytest.mark.parametrize("name", NAMES)
def test_frame_evidence_has_a_value_a_frame_and_none_in_padding(name, make_detector, waveforms):
    detector = make_detector(name)
    evidence = detector.frames(waveforms, torch.tensor([16_000, 8_000, 2_000]))
    whole, half = map(detector.framing.frame_count, (16_000, 8_000))
    assert evidence.shape == (3, whole)
    assert evidence[0].abs().min() >= 0 and evidence[0].any()
    assert not evidence[1, half:].any() and evidence[1, :half].any()
    assert all(parameter.grad is None for parameter in detector.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns_but_those_that_are_published_dead(name, make_detector, waveforms):
    detector = make_detector(name).train()
    detector(waveforms, torch.tensor([16_000, 9_001, 4_000]))[:, 1].sum().backward()
    dead = {
        parameter_name
        for parameter_name, parameter in detector.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }
    expected = {
        "xlsr-mamba": ("encoder.forward_layers.5.", "encoder.backward_layers.5."),
        "xlsr-aasist": tuple(f"encoder.residual_blocks.{i}.bn1." for i in range(1, 6)),
        "xlsr-conformer-tcm": ("encoder.positions.table",),
        "df-arena": ("encoder.positions.table",),
        "xlsr-sls": ("frontend.model.encoder.layer_norm.",),  # behind all that it takes
    }.get(name, ())
    for parameter_name in sorted(dead):
        # A bias in front of a batch norm or a softmax cannot matter.
        if parameter_name.endswith("bias" if name == "xlsr-aasist" else ".score.bias"):
            continue
        assert parameter_name.startswith(expected) if expected else False, parameter_name
    assert all(any(d.startswith(prefix) for d in dead) for prefix in expected)


@pytest.mark.parametrize("name", NAMES)
def test_too_short_an_utterance_is_refused(name, make_detector):
    detector = make_detector(name)
    fits, short = detector.min_samples, detector.min_samples - 1
    assert detector(torch.randn(1, fits)).isfinite().all()
    with pytest.raises(UnsupportedInputError, match=f"{short} samples is too short"):
        detector(torch.randn(1, short))
    with pytest.raises(UnsupportedInputError, match=f"{short} samples is too short"):
        detector(torch.randn(2, 16_000), torch.tensor([16_000, short]))


def test_wrong_shapes_are_refused(make_detector):
    detector = make_detector("fake-mamba-s")
    with pytest.raises(ValueError, match=r"\(batch, samples\), got shape \(16000,\)"):
        detector(torch.randn(16_000))
    with pytest.raises(ValueError, match=r"lengths must be \(2,\), got \(1,\)"):
        detector(torch.randn(2, 16_000), torch.tensor([16_000]))
    with pytest.raises(ValueError, match="a length of 20000 samples"):
        detector(torch.randn(1, 16_000), torch.tensor([20_000]))


def test_an_unknown_detector_names_the_nearest():
    with pytest.raises(UnknownDetectorError, match="did you mean xlsr-conformer"):
        create_detector("xlsr_conformr", "xls-r-tiny")


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(ValueError, match="no option 'dept'; did you mean depth"):
        create_detector("fake-mamba", "xls-r-tiny", dept=3)


def test_an_option_may_not_contradict_the_name():
    with pytest.raises(ValueError, match=r"fake-mamba-s means depth=4.*use the name fake-mamba"):
        create_detector("fake-mamba-s", "xls-r-tiny", depth=5)


@torch.inference_mode()
def test_pn_bimamba_is_equivariant_to_time_reversal(make_detector):
    detector = make_detector("fake-mamba-l")
    features = torch.randn(2, 50, 64)
    ahead, back = detector.encoder(features), detector.encoder(features.flip(1))
    torch.testing.assert_close(back.flip(1), ahead, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(detector.head(back), detector.head(ahead), rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_one_direction_breaks_that_symmetry(make_detector):
    detector = make_detector("fake-mamba-l", directions="forward")
    features = torch.randn(1, 50, 64)
    difference = detector.encoder(features) - detector.encoder(features.flip(1)).flip(1)
    assert difference.abs().max() > 1e-3


@pytest.mark.parametrize(
    ("option", "removed_a_block"),
    [
        ({"directions": "forward"}, 0),  # one Mamba serves both directions
        ({"norms": False}, 576),
        ({"feed_forward": False}, 166_608),
        ({"directions": "separate"}, 145_440 - 332_496),
    ],
    ids=str,
)
def test_ablations_change_what_they_say(option, removed_a_block, make_detector, waveforms):
    published, ablated = make_detector("fake-mamba-s"), make_detector("fake-mamba-s", **option)
    counts = [sum(p.numel() for p in model.parameters()) for model in (published, ablated)]
    assert counts[0] - counts[1] == 4 * removed_a_block
    assert not torch.allclose(published(waveforms), ablated(waveforms))


def test_first_frame_summary_reads_one_frame(make_detector):
    head = make_detector("fake-mamba-s", summary="first-frame").head
    encoded = torch.randn(2, 9, 144)
    changed = encoded.clone()
    changed[:, 1:] += 1
    torch.testing.assert_close(head(changed), head(encoded), rtol=0, atol=0)


@torch.inference_mode()
def test_xlsr_mamba_textbook_uses_the_last_layers_and_faithful_does_not(make_detector, waveforms):
    for textbook in (False, True):
        detector = make_detector("xlsr-mamba", textbook=textbook)
        before = detector(waveforms)
        detector.encoder.forward_layers[-1].mixer.out_proj.weight.zero_()
        assert torch.equal(detector(waveforms), before) is not textbook


def test_conformer_blocks_start_identical_as_published_unless_told_otherwise(make_detector):
    for identical in (True, False):
        blocks = make_detector("xlsr-conformer", identical_blocks=identical).encoder.blocks
        assert torch.equal(blocks[0].ff1[1].weight, blocks[3].ff1[1].weight) is identical
        assert blocks[0].ff1[1].weight is not blocks[3].ff1[1].weight


@pytest.mark.parametrize("name", ["xlsr-conformer", "xlsr-transformer"])
@torch.inference_mode()
def test_gathered_positions_give_the_published_logits(name, make_detector):
    # 600 frames: beyond the 512 that the position table tells apart.
    features = torch.randn(1, 600, 64)
    published = make_detector(name).encoder(features)
    gathered = make_detector(name, relative_positions="gathered").encoder(features)
    torch.testing.assert_close(gathered, published, rtol=1e-4, atol=1e-5)


def test_an_even_kernel_is_padded_as_published(make_detector, waveforms):
    detector = make_detector("xlsr-conformer", kernel=16, depth=12, summary="attention")
    assert detector.encoder.blocks[0].convolution.padding == (8, 7)
    assert detector(waveforms).shape == (3, 2)


def test_without_a_front_end_named_it_is_behind_the_one_that_it_was_published_with():
    sizes = {name: create_detector(name, device="meta").config.frontend.name for name in NAMES}
    assert sizes.pop("wavlm-mhfa") == "wavlm-base-plus"
    assert set(sizes.values()) == {"xls-r-300m"}


@torch.inference_mode()
def test_mhfa_scores_by_its_first_logit(make_detector, waveforms):
    detector = make_detector("wavlm-mhfa")
    logits = detector(waveforms)
    assert torch.equal(detector.scores(logits), logits[:, 0] - logits[:, 1])


def test_mhfa_is_not_trained_on_one_utterance_alone(make_detector, waveforms):
    detector = make_detector("wavlm-mhfa").train()
    assert detector(waveforms[:2]).requires_grad
    with pytest.raises(UnsupportedInputError, match="batches, and micro-batches, of two or more"):
        detector(waveforms[:1])


def test_tcm_says_where_its_positions_end(make_detector):
    detector = make_detector("xlsr-conformer-tcm")
    with pytest.raises(UnsupportedInputError, match="10001 frames"):
        detector.encoder.positions(torch.zeros(1, 10_001, 144))
