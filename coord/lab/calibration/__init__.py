"""How far the simulator is from real processes: the same scenario in both, metric by metric.

Owns the comparing. Nothing here changes the simulator: a difference is published, never fitted.
"""
