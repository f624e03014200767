"""The selective scan alone: every backend of this machine, forward and backward, with its error."""


def bench_scan(scan_cell, measure):
    """One cell: a backend at one length, batch, precision, in one or both directions."""
    measure(scan_cell)
