"""The interfaces of others that are known, by small stand-ins of them."""

from pathlib import Path

import pytest
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
)

from fakemamba.models.external.names import ExternalDetectorError
from fakemamba.models.registry import create_detector


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def together_as_alone(detector, lengths=(9_000, 16_000, 12_345)):
    """A ragged batch's logits, which are those of its rows alone."""
    rows = [noise(length) for length in lengths]
    batch = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    with torch.inference_mode():
        together = detector(batch, torch.tensor(lengths))
        alone = torch.cat([detector(row[None]) for row in rows])
    torch.testing.assert_close(together, alone)
    return together


def test_the_arenas_load_model_is_a_factory(code):
    name = code(
        """
        class Net(nn.Module):
            def __init__(self, gain):
                super().__init__()
                self.gain = nn.Parameter(torch.tensor(gain))

            def forward(self, x):
                return torch.stack((x.mean(1), self.gain * x.square().mean(1)), dim=1)

        def load_model(model_path, out_score_file_name):
            assert isinstance(out_score_file_name, str)
            return Net(float(open(model_path).read()))
        """
    )
    Path("gain.txt").write_text("3.0")
    detector = create_detector(f"{name}:load_model?model_path=gain.txt").eval()
    assert detector(torch.ones(1, 800)).tolist() == [[1, 3]]
    assert together_as_alone(detector).shape == (3, 2)
    with pytest.raises(ExternalDetectorError, match="needs the option model_path"):
        create_detector(f"{name}:load_model")
    with pytest.raises(ExternalDetectorError, match="cannot be made: FileNotFoundError"):
        create_detector(f"{name}:load_model?model_path=none.txt")


SPOOF_BENCH = """
import numpy as np

class Base:
    def __init__(self):
        self.net = None

    def load(self):
        self.net = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.net.weight, 2.0)

    def _one(self, audio, rate_hz):
        assert isinstance(audio, np.ndarray) and audio.dtype == np.float32 and audio.ndim == 1
        assert rate_hz == getattr(self, "expected_sample_rate", 16_000)
        given = torch.from_numpy(audio).square().mean().reshape(1)
        return float(self.net(given).detach())

class One(Base):
    def score(self, audio, sr):
        return self._one(audio, sr)

class Many(Base):
    calls = []
    def score_batch(self, audios, srs):
        self.calls.append(len(audios))
        return np.array([self._one(*pair) for pair in zip(audios, srs)])

class Slow(One):
    expected_sample_rate = 8_000

class Broken(Many):
    def score_batch(self, audios, srs):
        return [None for _ in audios]
"""


@pytest.mark.parametrize("kind", ["One", "Many", "Slow"])
def test_spoof_benchs_classes_are_loaded_and_score_arrays(code, kind):
    detector = create_detector(f"{code(SPOOF_BENCH)}:{kind}").eval()
    rows = noise(2, 16_000)
    wanted = 2 * rows.square().mean(1)
    if kind != "Slow":
        assert detector(rows)[:, 1].tolist() == pytest.approx(wanted.tolist(), rel=1e-5)
    together_as_alone(detector)
    assert sum(one.numel() for one in detector.parameters()) == 1
    assert detector.contract.sample_rate_hz == (8_000 if kind == "Slow" else 16_000)


def test_spoof_benchs_batches_are_batches(code):
    name = code(SPOOF_BENCH)
    detector = create_detector(f"{name}:Many").eval()
    assert detector.inspected(detector.device).batches
    detector(noise(5, 800))
    assert create_detector(f"{name}:Many").network._product.calls[-1] == 5


def test_spoof_benchs_scores_that_are_none_are_named(code):
    detector = create_detector(f"{code(SPOOF_BENCH)}:Broken").eval()
    with pytest.raises(ExternalDetectorError, match=r"fails on waveforms \(1, 16000\): "):
        detector(noise(1, 800))


def test_a_layer_that_is_called_score_is_no_interface(code):
    name = code(
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.score = nn.Linear(1, 2)

            def forward(self, waveforms):
                return self.score(waveforms.mean(1, keepdim=True))
        """
    )
    assert create_detector(f"{name}:Net").eval()(noise(2, 800)).shape == (2, 2)


SPEECHBRAIN = """
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))

    def means(self, wavs, wav_lens):
        counts = (wav_lens * wavs.shape[1]).round()
        there = torch.arange(wavs.shape[1])[None] < counts[:, None]
        return self.gain * (wavs.square() * there).sum(1) / counts

class Classifier(Base):
    def classify_batch(self, wavs, wav_lens=None):
        scores = torch.stack((self.means(wavs, wav_lens), wavs[:, 0]), dim=1)
        return scores, scores.amax(1), scores.argmax(1), ["spoof"] * len(wavs)

    def forward(self, wavs, wav_lens=None):
        return self.classify_batch(wavs, wav_lens)

class Encoder(Base):
    def encode_batch(self, wavs, wav_lens=None):
        return self.means(wavs, wav_lens)[:, None, None]
"""


@pytest.mark.parametrize("kind", ["Classifier", "Encoder"])
def test_speechbrains_classes_get_relative_lengths(code, kind):
    detector = create_detector(f"{code(SPEECHBRAIN)}:{kind}").eval()
    assert detector.inspected(detector.device).batches_by_lengths
    logits = together_as_alone(detector)
    assert float(logits[0, 0 if kind == "Classifier" else 1]) == pytest.approx(2, rel=0.1)
    assert detector.network.product.gain.requires_grad


LABELS = {
    "bonafide first": ({0: "bonafide", 1: "spoof"}, 0),
    "bonafide last": ({0: "spoof", 1: "bona_fide"}, 1),
    "real and fake": ({0: "Real", 1: "Fake"}, 0),
    "only one is known": ({0: "LABEL_0", 1: "deepfake"}, 0),
    "none is known": ({0: "LABEL_0", 1: "LABEL_1"}, 1),
}


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory):
    """Saves a tiny random classifier with its feature extractor; gives the folder and itself."""

    def save(labels):
        folder = tmp_path_factory.mktemp("classifier")
        torch.manual_seed(0)
        config = Wav2Vec2Config(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            conv_dim=(8, 8),
            conv_stride=(10, 8),
            conv_kernel=(10, 8),
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
            classifier_proj_size=8,
            feat_extract_norm="layer",
            id2label=labels,
            label2id={label: index for index, label in labels.items()},
        )
        model = Wav2Vec2ForSequenceClassification(config).eval()
        model.save_pretrained(folder)
        Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
        return folder, model

    return save


def classifier(folder):
    name = f"fakemamba.models.external.adapters:audio_classifier?source={folder}"
    return create_detector(name).eval()


@pytest.mark.parametrize("case", LABELS)
def test_a_hugging_face_classifier_says_by_its_labels_which_is_bona_fide(
    hugging_face, case, caplog
):
    labels, bona_fide = LABELS[case]
    folder, model = hugging_face(labels)
    detector = classifier(folder)
    assert detector.contract.bona_fide == bona_fide
    told = "its classes are called LABEL_0 and LABEL_1, of which none is known to be bona fide"
    assert (told in caplog.text) == (case == "none is known")
    row = noise(1, 4_000)
    normal = (row - row.mean()) / (row.var(correction=0) + 1e-7).sqrt()
    with torch.inference_mode():
        wanted = model(normal).logits[0]
        found = detector(row)[0]
    torch.testing.assert_close(found[1], wanted[bona_fide], atol=1e-4, rtol=1e-3)
    together_as_alone(detector)


def test_a_hugging_face_classifier_of_many_classes_is_refused(hugging_face):
    folder, _ = hugging_face({0: "happy", 1: "sad", 2: "angry"})
    with pytest.raises(ExternalDetectorError, match="has 3 classes, happy, sad, angry, but a det"):
        classifier(folder)


def test_a_folder_without_a_classifier_is_told_in_a_line(tmp_path):
    with pytest.raises(ExternalDetectorError) as caught:
        classifier(tmp_path / "none")
    first, _, told = str(caught.value).partition("\n")
    assert "audio_classifier cannot be made: OSError: " in first and told.startswith("Traceback")
