"""The ``fakemamba`` command: one thin file a sub-command."""
