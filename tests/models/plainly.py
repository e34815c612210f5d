"""Graphs evaluated node by node: compiling one takes longer than a test's few evaluations."""

from pytensor.compile.mode import Mode

PLAIN = Mode(linker="py", optimizer=None)  # ty: ignore[invalid-argument-type]
