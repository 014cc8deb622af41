"""The lab: faults on real processes, and what they cost, measured from the event log.

Owns no election rule. It watches and strikes from outside, and never tells the code under test that
a fault is coming.
"""
