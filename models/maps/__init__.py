"""Where in a recording a detector hears a spoof: a score a frame of 20 ms, by several methods.

`methods.frame_maps` is the one way in, and `methods.methods_of` says which of them a detector has.
"""
