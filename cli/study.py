"""``fakemamba study``: grids of training runs, or of forms for a small computer, as a table."""

from __future__ import annotations

from collections.abc import Sequence

EDGE = "edge"


def study(arguments: Sequence[str]) -> int | None:
    """Run the study that is named first: `edge` has options of its own."""
    import tyro

    if arguments[:1] == [EDGE]:
        from fakemamba.cli.study_edge import study_edge

        return tyro.cli(study_edge, prog="fakemamba study edge", args=arguments[1:])
    from fakemamba.cli.study_training import study_training

    return tyro.cli(study_training, prog="fakemamba study", args=arguments)
