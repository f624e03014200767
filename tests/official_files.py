"""Which official files there are, by the names of their oracles, and how the authors ran them."""

FIRST = ["fake-mamba", "xlsr-conformer", "xlsr-conformer-tcm", "xlsr-mamba", "xlsr-aasist"]
SECOND = {
    "nes2net-x": "nes2net-x",
    "xlsr-sls": "xlsr-sls",
    "antideepfake": "antideepfake",
    "antideepfake-w2v-small": "antideepfake",
    "antideepfake-hubert": "antideepfake",
    "xlsr-mambo": "xlsr-mambo",
    "df-arena": "df-arena",
    "wavlm-mhfa": "wavlm-mhfa",
}
DETECTOR_OF = dict(zip(FIRST, FIRST, strict=True)) | SECOND
# Where the authors' loader cuts or tiles, not the model.
PUBLISHED_SAMPLES = {"df-arena": 64_600, "xlsr-mambo": 66_800}
# Their evaluation ranks by logit 1; that of the others by bona fide's less spoof's.
RANKED_BY_LOGIT = {*FIRST, "nes2net-x", "xlsr-sls"}
BONA_FIDE_FIRST = {"wavlm-mhfa"}  # of the two logits
