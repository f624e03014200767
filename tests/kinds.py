"""One detector of each class: what differs in depth alone is not tested again."""

from fakemamba.models.registry import family_name, list_detectors

KINDS = list(dict.fromkeys(map(family_name, list_detectors())))
