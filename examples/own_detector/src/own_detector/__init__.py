"""A speech-deepfake detector; `fakemamba detectors` lists it."""
