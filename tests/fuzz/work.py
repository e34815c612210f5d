"""Where a run is simulated, what it keeps and of how many customers: clusters that are none, addresses in studies,
folders of others, limits that are none."""

from collections.abc import Iterator

from tests.fuzz.cases import CANARY, Case, Files
from tests.fuzz.surroundings import FILES, RUN

NO_CLUSTERS = (
    *("local", "local:", "local:0", "local:-1", "local:257", "local:99999999999999999999", "local:1e1", "local:\uff11"),
    *("tcp://", "tcp://:1", "tcp://h", "tcp://h:0", "tcp://h:65536", "tcp://h:1/..", "tcp://u:p@h:1", "tcp://h h:1"),
    *("http://h:1", "inproc://1", "ucx://h:1", "unix:///tmp/s", "file:///etc/passwd", "tls:/h:1", "TCP://h:1"),
    *("null", "''", "[local:1]", "{kind: local}", "${oc.env:SECRET}", "tcp://${oc.env:SECRET}:1", "true", "2", "[]"),
    "local:1\u202e",
)
AT_ADDRESSES = (
    'simulation: {cluster: "tcp://192.0.2.1:8786"}',
    'simulation: {cluster: "tls://192.0.2.1:8786"}',
    'question: "tcp://192.0.2.1:8786"\nsimulation: {cluster: "${question}"}',
    'hydra: {mode: MULTIRUN, sweeper: {params: {simulation.cluster: "tcp://192.0.2.1:8786,none"}}}',
    'hydra: {mode: MULTIRUN, sweeper: {params: {simulation/cluster: "tcp://192.0.2.1:8786"}}}',
)
PICKLED = f"cos\nsystem\n(S'touch {CANARY}'\ntR.".encode()
HEADS = (
    *(b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"key": "0", "block": 1, "tasks": 1}', PICKLED),
    *(b'{"key": 1e999}', b" " * (1 << 20), b'{"key": "' + b"0" * 64 + b'", "block": 99999999999999999999, "tasks": 1}'),
)
MARKER, HEAD = "kept/.clvsim-checkpoint", "kept/checkpoint.json"
KEPT: tuple[Files, ...] = (
    *({MARKER: b"", HEAD: content} for content in HEADS),
    {HEAD: b"{}"},
    {"kept/own.txt": b"mine"},
    {"kept": b"a file"},
    {MARKER: None, "kept/x": b""},
    {MARKER: b"", HEAD: None},
)
NO_LIMITS = (
    *("0", "-1", "1.5", "1e3", "none", "null", "ALL", "everybody", "''", "true", "[1]", "{most: 1}", "10000001"),
    *("99999999999999999999", "\uff11\uff10", "50\u202e", "all,none", "${oc.env:SECRET}", "0x10", "nan", "inf"),
)
PLACES = ("o.csv", "o.csv/kept", "/proc/x", "/dev/null", "/", ".", "", "x" * 300, "${oc.env:SECRET}")


def cases() -> list[Case]:
    """Each must be refused."""
    return list(_cases())


def _cases() -> Iterator[Case]:
    for where in NO_CLUSTERS:
        yield Case((*RUN, f"simulation.cluster={where}"), FILES, may_pass=False)
    for most in (*NO_LIMITS, "1"):  # one customer of some cannot stand for all
        yield Case((*RUN, f"simulation.max_customers={most}"), FILES, may_pass=False)
    for text in AT_ADDRESSES:
        yield Case((*RUN, "experiment=own"), {**FILES, "experiments/own.yaml": text.encode()}, may_pass=False)
    for files in KEPT:
        yield Case((*RUN, "simulation.checkpoint=kept"), {**FILES, **files}, may_pass=False)
    for place in PLACES:
        yield Case((*RUN, f"simulation.checkpoint={place}"), FILES, may_pass=False)
