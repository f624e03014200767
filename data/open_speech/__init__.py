"""A corpus of human and synthetic speech that anybody may have, made from free packages."""
