#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that each check of tidy.py can fail: a small good house passes, and each small sin is found."""
import json
import os
import pathlib
import sys
import tempfile

import tidy

SPDX = '// SPDX-License-Identifier: Apache-2.0\n'
GOOD = {
    'dataplane/base/bytes.h': SPDX + '#pragma once\n#include <cstdint>\n',
    'dataplane/decode/decode.h': SPDX + '#pragma once\n#include "dataplane/base/bytes.h"\nint decode(int n);\n',
    'dataplane/decode/link.h': SPDX + '#pragma once\n',
    'dataplane/decode/decode.cc': SPDX + '#include "dataplane/decode/decode.h"\n#include "dataplane/decode/link.h"\n'
                                         'namespace weir {\nint decode(int n) {\n  return n;  // a new word\n}\n}\n',
    'dataplane/io/io.h': SPDX + '#pragma once\n#include <rte_mbuf.h>\n',
    'control/detect/detect.h': SPDX + '#pragma once\n#include "dataplane/base/bytes.h"\n',
    'tests/unit/x_test.cc': SPDX + '#include "dataplane/decode/link.h"\n',
    'appliance/run': '#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n',
    'README.md': 'See /usr/share/doc and ~/src/x.\n',
}
LONG = 'int f() {\n' + '  g();\n' * 80 + '}\n'
# check -> (file, content, what the finding must say)
SINS = {
    'layers': [
        ('dataplane/decode/a.cc', '#include "dataplane/flow/flow.h"\n', 'may not include dataplane/flow'),
        ('dataplane/io/a.cc', '#include "dataplane/decode/decode.h"\n', 'may not include dataplane/decode'),
        ('dataplane/flow/a.cc', '#include "dataplane/decode/link.h"\n', 'private to dataplane/decode'),
        ('dataplane/flow/b.cc', '#include <rte_hash.h>\n', 'may not open <rte_hash.h>'),
        ('dataplane/match/a.cc', '#include <hs/hs.h>\n', 'may not open <hs/hs.h>'),
        ('dataplane/match/b.cc', '#include <ndpi/ndpi_api.h>\n', 'may not open <ndpi/'),
        ('control/intake/a.cc', '#include "dataplane/decode/decode.h"\n', 'may not include dataplane/decode'),
        ('control/learn/a.cc', '#include "control/detect/detect.h"\n', 'may not include control/detect'),
        ('rules/language/a.cc', '#include "dataplane/decode/decode.h"\n', 'may not include dataplane/decode'),
        ('control/detect/a.cc', '#include "tests/support/x.h"\n', 'may not include tests'),
        ('dataplane/decode/b.cc', '#include "link.h"\n', 'not a path from the root'),
        ('dataplane/newcomer/a.cc', '#include "dataplane/base/bytes.h"\n', 'not in the house'),
        ('src/a.cc', '', 'sources live in'),
    ],
    'tokens': [
        ('dataplane/decode/a.cc', 'void f() { printf("x"); }\n', 'does not log'),
        ('dataplane/flow/a.cc', 'auto* p = new int;\n', 'unique_ptr'),
        ('dataplane/flow/b.cc', 'void* p = malloc(3);\n', 'allocated at start'),
        ('dataplane/match/a.cc', 'std::string s;\n', 'allocates per packet'),
        ('dataplane/io/a.cc', 'void f() { throw 1; }\n', 'errors are values'),
        ('control/learn/a.cc', 'volatile int x;\n', 'orders nothing'),
        ('control/learn/b.cc', '// TO' 'DO later\n', 'unfinished'),
        ('control/learn/string_util.cc', '', 'says nothing'),
    ],
    'sizes': [
        ('control/learn/a.cc', 'int x;\n' * 601, '(at most 600)'),
        ('control/learn/learn.h', '//\n' * 201, 'in a public header'),
        ('control/learn/b.cc', 'namespace a {\n' + LONG + '}\n', '82 lines in f'),
        ('control/learn/c.cc', '// ' + 'x' * 100 + '\n', 'columns'),
        ('tests/a.py', '# SPDX\ndef f():\n' + '    g()\n' * 71, '72 lines in f'),
    ],
    'spdx': [('control/learn/z.cc', None, 'SPDX'), ('appliance/bare', None, 'SPDX')],
    'paths': [('docs/a.md', 'cd /wo' 'rk/main\n', "somebody's machine"), ('x.sh', 'ls /ho' 'me/me\n', 'machine')],
    'cycles': [('dataplane/base/bytes.h', '#include "dataplane/decode/decode.h"\n', 'in a circle')],
    'headers': [('dataplane/decode/lame.h', 'inline uint32_t f() { return 0; }\n', 'does not compile alone')],
}


def build_tree(root, tree):
    for path, content in tree.items():
        target = pathlib.Path(root) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        if path.startswith('appliance/'):
            target.chmod(0o755)


def with_build(root):
    build = os.path.join(root, 'build')
    os.makedirs(build, exist_ok=True)
    commands = [{'directory': build, 'file': f'../{source}',
                 'command': f'c++ -std=c++20 -I{root} -o x.o -MD -MF x.d -c ../{source}'}
                for source in ('dataplane/decode/decode.cc', 'control/detect/detect.cc')]
    pathlib.Path(build, 'compile_commands.json').write_text(json.dumps(commands))
    return build


def main():
    failures = 0
    for name, check in tidy.CHECKS.items():
        with tempfile.TemporaryDirectory() as root:
            good = {k: v for k, v in GOOD.items() if name != 'headers' or not k.startswith('dataplane/io')}
            build_tree(root, good)
            found = list(check(root, with_build(root)))
            if found:
                print(f'{name}: a good house is blamed: {found}')
                failures += 1
        for path, content, expected in SINS[name]:
            with tempfile.TemporaryDirectory() as root:
                text = 'no licence\n' if content is None else (SPDX if not path.endswith('.py') else '') + content
                build_tree(root, {**good, path: text})
                found = list(check(root, with_build(root)))
                if not any(expected in line for line in found):
                    print(f'{name}: {path} should be blamed for "{expected}", got {found}')
                    failures += 1
    print(f'{sum(len(s) for s in SINS.values())} sins, {failures} not found or wrongly blamed')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
