"""Applications of other queue runners, as their own documentation has them set up.

They run under an interpreter of their own, in which their packages are installed and ours is not:
nothing here may import coord, but for `elections`, which is told so in its own words.
"""
