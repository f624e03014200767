"""Front-ends: networks of several families that make frames of waveforms, and what they share."""
