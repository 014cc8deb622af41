"""Fleets in virtual time: the production core on stores with manners, struck, recorded and judged.

Owns what is simulated beside the core, which is production's own (`coord.testing.world`), and the
records of it. Measures and judges nothing itself: `coord.lab.measure` and the verdict of
`coord.lab.chaos` do, exactly as for real processes.
"""
