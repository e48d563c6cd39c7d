# SPDX-License-Identifier: Apache-2.0
"""The house rules as data: who may include whom, which words stay out of which folder, how long things may get.

Change a line here only when the house itself changes, in the commit that changes it."""

# Data moves to the right; an #include may only point to the left. Each folder: what it may include beside itself.
_STAGES = ['base', 'contract', 'decode', 'flow', 'parse', 'classify', 'match', 'verdict', 'features']
_CONTROL = ['intake', 'learn', 'detect', 'respond', 'publish', 'operate']


def _left_of(top, order):
    return {f'{top}/{name}': [f'{top}/{left}' for left in order[:i]] for i, name in enumerate(order)}


BOTH_PLANES = ['dataplane/base', 'dataplane/contract']
MAY_INCLUDE = {
    **_left_of('dataplane', _STAGES),
    'dataplane/io': BOTH_PLANES,
    'dataplane/pipeline': [f'dataplane/{name}' for name in _STAGES + ['io']],
    'rules/language': BOTH_PLANES,  # contract: the table of facts that keywords bind to
    'rules/compile': ['rules/language'] + BOTH_PLANES,
    **{folder: left + BOTH_PLANES + ['rules/compile'] for folder, left in _left_of('control', _CONTROL).items()},
    # These stand at the right end: they may include everything in dataplane/, rules/ and control/.
    'appliance': ['dataplane', 'rules', 'control'],
    'bench': ['dataplane', 'rules', 'control', 'appliance', 'tests/support'],
    'tests': ['dataplane', 'rules', 'control', 'appliance'],
}

# From outside, only the header named after the folder: decode/decode.h. These folders are open all over.
OPEN_FOLDERS = BOTH_PLANES
# Public beside the header that has its folder's name (ARCHITECTURE.md says why).
MORE_PUBLIC = [
    'dataplane/flow/defragment.h', 'dataplane/flow/reassemble.h', 'dataplane/flow/stream_bytes.h',
    'dataplane/verdict/meter.h',
    'dataplane/io/capture.h', 'dataplane/io/dpdk.h', 'dataplane/io/interface.h',
    'control/operate/config.h', 'control/operate/control_plane.h',
]
# Who may look at private headers: what measures and tests them.
SEES_PRIVATE = ['bench', 'tests']

# Libraries, by the beginning of the include, and the folders that may open them. tests/ and bench/ may open any.
LIBRARIES = {
    'rte_': ['dataplane/io', 'dataplane/pipeline'],
    'pcap': ['dataplane/io'],
    'xdp/': ['dataplane/io'],
    'bpf/': ['dataplane/io'],
    'hs/hs_runtime.h': ['dataplane/match', 'rules/compile'],
    'hs/hs_common.h': ['dataplane/match', 'rules/compile'],
    'hs': ['rules/compile'],
    'ndpi': ['dataplane/classify'],
    'openssl/': ['dataplane/parse', 'control', 'appliance'],
    'pcre2.h': ['dataplane/match', 'rules/compile'],
    'yaml-cpp/': ['control/operate', 'appliance'],
    'sqlite3.h': ['control/operate', 'appliance'],
    'httplib.h': ['control/operate', 'appliance'],
    'nlohmann/': ['control', 'appliance'],
    'spdlog/': ['control', 'appliance'],
    'CLI/': ['appliance'],
    'cap-ng.h': ['appliance'],
    'gtest/': [],
    'benchmark/': [],
}

PACKET_PATH = ['dataplane/decode', 'dataplane/flow', 'dataplane/parse', 'dataplane/match', 'dataplane/verdict',
               'dataplane/features']
PRODUCT = ['dataplane', 'rules', 'control', 'appliance']
NO_EXCEPTIONS = ['dataplane', 'rules']

# (folders, pattern over code without comments and strings, why)
FORBIDDEN = [
    (PRODUCT + ['bench', 'tests'], r'\bvolatile\b(?!\s+(std::)?sig_atomic_t)',
     'volatile orders nothing between threads: use an atomic'),
    (PRODUCT + ['bench', 'tests'], r'\busing\s+namespace\s+std\b', 'name what you use'),
    (PRODUCT, r'\bstd::(rand|srand)\b|\b(strcpy|strcat|sprintf|gets|atoi|strtok)\s*\(', 'unbounded or unchecked'),
    (NO_EXCEPTIONS, r'\bthrow\b', 'errors are values here (Result)'),
    (PACKET_PATH, r'\b(f|s|sn|vf|vsn|d)?printf\s*\(|\bstd::(cout|cerr|clog)\b|\bfmt::', 'the packet path does not log'),
    (PACKET_PATH, r'\b(malloc|calloc|realloc|free|strdup)\s*\(', 'allocated at start, from sizes, by an owner'),
    (PACKET_PATH, r'(?<![\w#:])new\b(?!\s*\()|\bdelete\b(?!\s*[;,)])', 'owners hold unique_ptr or vector'),
    (PACKET_PATH, r'\bstd::(w?string|stringstream|ostringstream|map|unordered_map|list|function)\b',
     'allocates per packet'),
    (PACKET_PATH, r'\bstd::(mutex|lock_guard|unique_lock|condition_variable)\b', 'the packet path never waits'),
    (PACKET_PATH, r'\b(clock_gettime|time|gettimeofday|usleep|nanosleep)\s*\(', 'time comes in as an argument'),
]
# In comments too, in every text file we write.
UNFINISHED = r'\b(TODO|FIXME|XXX|HACK)\b'
# Where this checkout happens to lie is nobody's business; neither are machines of ours.
WORKPLACE = r'(?:^|[^.~\w/])/(?:work|farm|home|root)/'
VAGUE_NAMES = r'(^|_)(util|utils|helper|helpers|common|manager|misc)(_|$)'

FILE_LINES_MAX = 600
PUBLIC_HEADER_LINES_MAX = 200
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 100
SCRIPT_COLUMNS_MAX = 120   # python, shell, meson, markdown is free

# The ratchet: what was over a limit when the limit came, with its size then. Entries may only shrink or go.
#   'path': lines of the file        'path:function': lines of the function
GROWN = {
    'dataplane/contract/event_record.h': 238,  # every record kind, one after the other
    'dataplane/flow/flow.h': 236,
}
