"""How cost grows with duration: curves, fits, verdicts, and where two detectors cross."""
