"""Events of single paths: for tests, and for a reader who wants to see inside."""

from clvsim.kernels.variates import inline


@inline
def record(rare, path, kind, day, amount, offer):
    if rare is None:
        return
    trace = rare.trace
    n = trace.used[0]
    if n < trace.rows.shape[0]:
        trace.rows[n, 0] = path.w
        trace.rows[n, 1] = path.c
        trace.rows[n, 2] = kind
        trace.rows[n, 3] = day
        trace.rows[n, 4] = amount
        trace.rows[n, 5] = offer
        trace.used[0] = n + 1
