"""Rollouts against products of whole matrices, and against what a network cannot have seen."""

import pytest
import torch

from fakemamba.data.synthetic import speech_like
from fakemamba.models.maps import rollout
from fakemamba.models.maps.attention import AttentionMixing, ProductMixing
from fakemamba.models.maps.mixing import ScanMixing
from fakemamba.models.maps.observation import observe


@pytest.fixture
def speech():
    return torch.from_numpy(speech_like(9_600, 5))


def seen_of(detector, waveform, *, in_frontend=False):
    return observe(detector, waveform, in_frontend=in_frontend)


def whole(layers):
    """Abnar and Zuidema's rollout, (time, time): the product of what layers do, last one first."""
    product = None
    for layer in layers:
        mixed = layer.matrices()[:, 0].sum(0)
        mixed = mixed / mixed.sum(-1, keepdim=True)
        step = (mixed + torch.eye(len(mixed))) / 2
        product = step if product is None else step @ product
    return product


@pytest.mark.parametrize("name", ["xlsr-conformer", "xlsr-conformer-tcm", "df-arena"])
def test_a_class_token_s_rollout_is_its_row_of_the_product(name, make_detector, speech):
    seen = seen_of(make_detector(name, depth=3), speech)
    assert len(seen.encoder) == 3 and {one.size for one in seen.encoder} == {seen.num_frames + 1}
    for layer in seen.encoder:
        torch.testing.assert_close(layer.matrices().sum(-1), torch.ones(1, 1, layer.size))
    expected = whole(seen.encoder)[0, 1:]
    torch.testing.assert_close(rollout.attention_rollout(seen), expected)
    assert rollout.hidden_attention(seen) is None and rollout.step_size(seen) is None
    torch.testing.assert_close(rollout.pooling(seen), seen.encoder[-1].matrices()[0, 0, 0, 1:])


@pytest.mark.parametrize("directions", ["shared", "separate"])
def test_pooling_weights_are_carried_through_hidden_attention(directions, make_detector, speech):
    detector = make_detector("fake-mamba", depth=3, directions=directions)
    seen = seen_of(detector, speech)
    assert [type(one) for one in seen.encoder] == [ScanMixing] * 3
    weights = rollout.pooling(seen)
    with torch.no_grad():
        encoded = detector.encoder(seen.features)
        torch.testing.assert_close(weights[None] @ encoded[0], detector.head.embed(encoded))
    torch.testing.assert_close(rollout.hidden_attention(seen), weights @ whole(seen.encoder))


def test_scans_and_attention_are_rolled_out_in_their_order(make_detector, speech):
    seen = seen_of(make_detector("xlsr-mambo", repeats=1, mixers=2), speech)
    assert [type(one) for one in seen.encoder] == [ScanMixing, ScanMixing, ProductMixing]
    weights = rollout.pooling(seen)
    torch.testing.assert_close(rollout.hidden_attention(seen), weights @ whole(seen.encoder))
    torch.testing.assert_close(rollout.attention_rollout(seen), weights @ whole(seen.encoder[2:]))


def test_what_a_forward_scan_has_not_seen_does_not_count(make_detector, speech):
    options = {"depth": 2, "directions": "forward", "summary": "first-frame"}
    seen = seen_of(make_detector("fake-mamba", **options), speech)
    influence = rollout.hidden_attention(seen)
    assert influence[0] > 0 and not influence[1:].any()
    assert rollout.pooling(seen) is None


def test_a_class_token_between_scans_is_no_frame(make_detector, speech):
    seen = seen_of(make_detector("con-bimamba", depth=2, summary="class-token"), speech)
    assert len(rollout.hidden_attention(seen)) == len(rollout.step_size(seen)) == seen.num_frames
    torch.testing.assert_close(rollout.hidden_attention(seen), whole(seen.encoder)[0, 1:])


@pytest.mark.parametrize("textbook", [False, True])
def test_columns_take_of_the_projection_what_their_output_depends_on(textbook, make_detector):
    detector = make_detector("xlsr-mamba", depth=2, textbook=textbook)
    for name, parameter in detector.named_parameters():
        if name.endswith("mixer.out_proj.weight"):
            parameter.data.zero_()  # so that the streams are the projection
    features = torch.randn(1, 9, detector.config.frontend.hidden_size, requires_grad=True)
    back = detector.encoder(features)[0, 2, detector.config.width :]
    (gradient,) = torch.autograd.grad(back.sum(), features)
    weights = torch.zeros(2, 9)
    weights[1, 2] = 1
    direct, columns = detector.encoder.by_column(weights)
    sources = direct + columns.sum(0)
    assert sources.sum() == 0.5 and not columns[0].any()
    assert (sources > 0).tolist() == gradient[0].any(-1).tolist()


def test_a_column_is_rolled_out_by_itself(make_detector, speech):
    seen = seen_of(make_detector("xlsr-mamba", depth=1, textbook=True), speech)
    (layer,) = seen.encoder
    expected = 0
    for weights, matrix in zip(seen.pooling, layer.matrices()[:, 0], strict=True):
        mixed = matrix / matrix.sum(-1, keepdim=True)
        expected = expected + weights @ (mixed + torch.eye(len(mixed))) / 4
    torch.testing.assert_close(rollout.hidden_attention(seen), expected)


@pytest.mark.parametrize("name", ["antideepfake", "fake-mamba"])
def test_the_front_end_s_rollout_begins_where_the_encoder_s_ends(name, make_detector, speech):
    seen = seen_of(make_detector(name), speech, in_frontend=True)
    assert [type(one) for one in seen.frontend] == [ProductMixing] * 2
    start = rollout.hidden_attention(seen)
    if start is None:  # all frames alike, as they are averaged
        start = torch.full((seen.num_frames,), 1 / seen.num_frames)
    torch.testing.assert_close(rollout.frontend_rollout(seen), start @ whole(seen.frontend))


def test_eager_attention_has_the_weights_that_are_computed_again_of_fused(make_detector, speech):
    fused = make_detector("antideepfake")
    eager = make_detector("antideepfake", attention="eager")
    seen = [seen_of(one, speech, in_frontend=True) for one in (fused, eager)]
    assert all(isinstance(one, AttentionMixing) for one in seen[1].frontend)
    torch.testing.assert_close(*map(rollout.frontend_rollout, seen), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("is_added", [False, True])
def test_a_mask_of_fused_attention_is_minded(is_added):
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.randn(2, 1, 3, 5, 4, generator=generator)
    allowed = torch.tensor([True, True, False, True, False])[None, None, None]
    mask = torch.zeros(1, 1, 1, 5).masked_fill(~allowed, -torch.inf) if is_added else allowed
    values = torch.eye(5).expand(1, 3, 5, 5)
    expected = torch.nn.functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, scale=0.3
    )
    found = ProductMixing(queries, keys, mask, 0.3).matrices()[0]
    torch.testing.assert_close(found, expected.mean(1))


def test_step_sizes_are_those_of_the_scans(make_detector, speech):
    detector = make_detector("fake-mamba", depth=1)
    mamba = detector.encoder.blocks[0].mixer.mamba
    mamba.dt_proj.weight.data.zero_()
    mamba.dt_proj.bias.data.fill_(0.3)
    found = rollout.step_size(seen_of(detector, speech))
    expected = torch.nn.functional.softplus(torch.tensor(0.3))
    torch.testing.assert_close(found, expected.expand(len(found)))


def test_heads_of_a_pooling_count_alike(make_detector, speech):
    detector = make_detector("wavlm-mhfa")
    seen = seen_of(detector, speech)
    with torch.no_grad():
        expected = detector.encoder.weights(seen.features)[0].mean(-1)
    torch.testing.assert_close(rollout.pooling(seen), expected)
    assert expected.sum() == pytest.approx(1)
