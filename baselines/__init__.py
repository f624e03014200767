"""The detectors that Fake-Mamba is compared with, each one file, built of the same parts."""
