"""What a run teaches: to judge recordings, to judge their frames, or to name the source of spoofs.

All share the one loop; each is an `objective.Objective`.
"""
