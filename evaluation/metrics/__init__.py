"""Metrics of detection, of the tandem with speaker verification, and of localization.

Higher scores are more bona fide everywhere, and a trial is accepted if score ≥ threshold. None of
these modules needs torch.
"""
