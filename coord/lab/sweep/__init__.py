"""Many settings, simulated beside each other: a grid, a point for each, `coord.sweep/1`.

Owns grids, points, their file and the processes. What one setting comes to is `coord.lab.sim`'s.
"""
