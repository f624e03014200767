"""Which claims hold on the machine that results are from: those of the paper, and our own goals."""
