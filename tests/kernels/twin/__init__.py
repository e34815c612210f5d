"""Plain-Python twin of the event loop: one life at a time, walking through the weeks instead of searching prefix sums.

It has the rooms of `clvsim.kernels`, and shares the kernel's uniforms (tested on their own) and nothing else.
"""
