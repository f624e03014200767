"""Where in a content of JSON something can be changed."""


def places(content, place=()):
    """Every place in a content."""
    yield place
    if isinstance(content, dict | list):
        pairs = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in pairs:
            yield from places(value, (*place, key))
