#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The house rules, checked. tidy.py CHECK ROOT [BUILD_DIR]; prints one line per finding, exits 1 if there is one.

Checks: layers tokens sizes spdx paths cycles headers. The tables are in house.py; self_test.py shows that each
check can fail. Standard library only."""
import ast
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import house

CPP = ('.cc', '.h')
SCRIPTS = ('.py', '.sh')
TOPS = ('dataplane', 'rules', 'control', 'appliance', 'bench', 'tests')
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def within(path, folders):
    return any(path == f or path.startswith(f + '/') for f in folders)


def files(root, suffixes=None):
    """Every file of the project, as paths relative to root; build folders and what git keeps aside are not ours."""
    for folder, dirs, names in os.walk(root):
        dirs[:] = sorted(d for d in dirs if not (d.startswith('build') and folder == str(root))
                         and d not in ('.git', '.cache', '__pycache__', 'subprojects'))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), root)
            if suffixes is None or path.endswith(suffixes):
                yield path


def read(root, path):
    return (pathlib.Path(root) / path).read_text(encoding='utf-8', errors='replace')


def is_text(root, path):
    if path.endswith(('.pcap', '.pcapng', '.png', '.gz', '.bin', '.img')) or '/corpus/' in path:
        return False
    with open(os.path.join(root, path), 'rb') as f:
        return b'\0' not in f.read(4096)


def folder_of(path):
    """dataplane/decode/link.h -> dataplane/decode; tests/unit/x/y.cc -> tests."""
    parts = path.split('/')
    if parts[0] in ('dataplane', 'rules', 'control'):
        return '/'.join(parts[:2]) if len(parts) > 2 else parts[0]
    return parts[0]


def includes(text):
    for number, line in enumerate(text.split('\n'), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(1), found.group(2)


def without_comments(text):
    """Comments and the insides of strings become spaces; line numbers stay."""
    blank = lambda m: re.sub(r'[^\n]', ' ', m.group(0))
    pattern = (r'R"(\w*)\([\s\S]*?\)\1"|//[^\n]*|/\*[\s\S]*?\*/|"(?:\\.|[^"\\\n])*"'
               r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'")
    return re.sub(pattern, blank, text)


# ---- layers ----------------------------------------------------------------------------------------------------

def library_finding(folder, target):
    if within(folder, house.SEES_PRIVATE):
        return None
    for prefix in sorted(house.LIBRARIES, key=len, reverse=True):
        if target.startswith(prefix):
            return None if within(folder, house.LIBRARIES[prefix]) else f'may not open <{target}>'
    return None


def project_finding(root, path, folder, target):
    other = folder_of(target)
    allowed = house.MAY_INCLUDE.get(folder)
    if allowed is None:
        return f'folder {folder} is not in the house (tests/tidy/house.py)'
    own = other == folder
    if '/' in target and not own and not within(other, allowed) and not within(target, allowed):
        return f'may not include {other} ("{target}")'
    if not (pathlib.Path(root) / target).exists():
        return f'"{target}" is not a path from the root of the project'
    public = other in house.OPEN_FOLDERS or target in house.MORE_PUBLIC
    public = public or os.path.basename(target) == os.path.basename(other) + '.h'
    if not own and not public and not within(folder, house.SEES_PRIVATE):
        return f'"{target}" is private to {other}: include "{other}/{os.path.basename(other)}.h"'
    return None


def check_layers(root, _build):
    for path in files(root, CPP):
        folder = folder_of(path)
        if path.split('/')[0] not in TOPS:
            yield f'{path}: sources live in {" ".join(TOPS)}'
            continue
        for number, kind, target in includes(read(root, path)):
            local = kind == '"'
            finding = project_finding(root, path, folder, target) if local else library_finding(folder, target)
            if finding:
                yield f'{path}:{number}: {folder} {finding}'


# ---- words, first lines, paths ---------------------------------------------------------------------------------

def check_tokens(root, _build):
    for path in files(root):
        if not is_text(root, path):
            continue
        text = read(root, path)
        if path != 'tests/tidy/house.py':
            for number, line in enumerate(text.split('\n'), 1):
                if re.search(house.UNFINISHED, line):
                    yield f'{path}:{number}: unfinished work belongs into an issue, not into the source'
        name = os.path.basename(path).split('.')[0]
        if path.endswith(CPP + SCRIPTS) and re.search(house.VAGUE_NAMES, name):
            yield f'{path}: the name says nothing; say what it does'
        if not path.endswith(CPP):
            continue
        code = without_comments(text)
        for folders, pattern, why in house.FORBIDDEN:
            if within(path, folders):
                for found in re.finditer(pattern, code):
                    number = code.count('\n', 0, found.start()) + 1
                    yield f'{path}:{number}: {found.group(0).strip()}: {why}'


def needs_spdx(root, path):
    if path.endswith(CPP + SCRIPTS + ('meson.build',)):
        return True
    return os.access(os.path.join(root, path), os.X_OK) and is_text(root, path)


def check_spdx(root, _build):
    for path in files(root):
        if needs_spdx(root, path):
            lines = read(root, path).split('\n', 2)[:2]
            line = lines[1] if lines[0].startswith('#!') and len(lines) > 1 else lines[0]
            if 'SPDX-License-Identifier: Apache-2.0' not in line:
                yield f'{path}:1: the first line (after #!) is not the SPDX line'


def check_paths(root, _build):
    for path in files(root):
        if path == 'tests/tidy/house.py' or not is_text(root, path):
            continue
        for number, line in enumerate(read(root, path).split('\n'), 1):
            if re.search(house.WORKPLACE, line):
                yield f'{path}:{number}: a path of somebody\'s machine: {line.strip()[:60]}'


# ---- sizes -----------------------------------------------------------------------------------------------------

def cpp_functions(text):
    """(name, first line, lines) of each function body that is not inside another one."""
    code = without_comments(text)
    code = re.sub(r'^[ \t]*#(?:.*\\\n)*.*$', lambda m: re.sub(r'[^\n]', ' ', m.group(0)), code, flags=re.M)
    stack, start = [], 0
    for i, c in enumerate(code):
        if c == '{':
            head = code[start:i]
            if stack and 'function' in [kind for kind, _, _ in stack]:
                kind = 'inside'
            elif re.search(r'\b(namespace|class|struct|union|enum)\b[^()=]*$', head) or re.search(r'extern\s+$', head):
                kind = 'container'
            else:
                kind = 'function' if ')' in head else 'value'
            name = re.findall(r'([~\w:]+)\s*\(', head)
            stack.append((kind, name[0] if name else '?', i))
            start = i + 1
        elif c == '}' and stack:
            kind, name, begin = stack.pop()
            if kind == 'function':
                first = code.count('\n', 0, begin) + 1
                yield name, first, code.count('\n', 0, i) + 1 - first + 1
            start = i + 1
        elif c == ';':
            start = i + 1


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def size_findings(path, text):
    """(ratchet key, where, size, limit, what)"""
    lines = text.splitlines()
    header = path.endswith('.h') and (folder_of(path) in house.OPEN_FOLDERS or
                                      os.path.basename(path)[:-2] == os.path.basename(os.path.dirname(path)))
    limit = house.PUBLIC_HEADER_LINES_MAX if header else house.FILE_LINES_MAX
    yield path, path, len(lines), limit, 'lines' + (' in a public header' if header else '')
    functions = cpp_functions(text) if path.endswith(CPP) else python_functions(text) if path.endswith('.py') else ()
    for name, first, length in functions:
        yield f'{path}:{name}', f'{path}:{first}', length, house.FUNCTION_LINES_MAX, f'lines in {name}'
    columns = house.LINE_COLUMNS_MAX if path.endswith(CPP) else house.SCRIPT_COLUMNS_MAX
    for number, line in enumerate(lines, 1):
        yield None, f'{path}:{number}', len(line), columns, 'columns'


def check_sizes(root, _build):
    for path in files(root, CPP + SCRIPTS + ('meson.build',)):
        for key, where, size, limit, what in size_findings(path, read(root, path)):
            if size > max(limit, house.GROWN.get(key, 0)):
                yield f'{where}: {size} {what} (at most {limit}): look for the seam'


# ---- includes ----------------------------------------------------------------------------------------------------

def check_cycles(root, _build):
    graph = {path: [t for _, kind, t in includes(read(root, path)) if kind == '"'] for path in files(root, CPP)}
    done, trail = set(), []

    def visit(path):
        if path in trail:
            return trail[trail.index(path):] + [path]
        if path in done or path not in graph:
            return None
        trail.append(path)
        for target in graph[path]:
            cycle = visit(target)
            if cycle:
                return cycle
        trail.pop()
        done.add(path)
        return None

    for path in sorted(graph):
        cycle = visit(path)
        if cycle:
            yield 'includes in a circle: ' + ' -> '.join(cycle)
            return


def flags_by_folder(root, build):
    """folder -> build folder, compiler and flags of one of the sources in or below it."""
    flags = {}
    for entry in json.loads((pathlib.Path(build) / 'compile_commands.json').read_text()):
        source = os.path.relpath(os.path.join(entry['directory'], entry['file']), root)
        if not source.endswith('.cc'):
            continue
        kept, skip = [], False
        for word in shlex.split(entry['command']):
            if skip or word in ('-o', '-MF', '-MQ'):
                skip = not skip
            elif word not in ('-c', '-MD', entry['file']):
                kept.append(word)
        for folder in (os.path.dirname(source), folder_of(source), source.split('/')[0]):
            flags.setdefault(folder, (entry['directory'], kept))
    return flags


def check_headers(root, build):
    flags = flags_by_folder(root, build)

    def compile_alone(path):
        folder = os.path.dirname(path)
        while folder and folder not in flags:
            folder = os.path.dirname(folder)
        if folder not in flags:
            return path, 'no compile command in this build'
        directory, command = flags[folder]
        check_only = ['-fdiagnostics-color=never', '-fsyntax-only', '-x', 'c++', '-']
        done = subprocess.run(command + check_only, input=f'#include "{path}"\n', text=True, cwd=directory,
                              capture_output=True, timeout=120)
        return path, done.stderr if done.returncode else None

    headers = list(files(root, '.h'))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for path, error in pool.map(compile_alone, headers):
            if error:
                first = [line for line in error.split('\n') if 'error' in line] or [error]
                yield f'{path}: does not compile alone: {first[0].strip()}'


CHECKS = {'layers': check_layers, 'tokens': check_tokens, 'sizes': check_sizes, 'spdx': check_spdx,
          'paths': check_paths, 'cycles': check_cycles, 'headers': check_headers}


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in CHECKS:
        sys.exit(__doc__)
    root = os.path.abspath(sys.argv[2])
    findings = list(CHECKS[sys.argv[1]](root, sys.argv[3] if len(sys.argv) == 4 else None))
    print('\n'.join(findings) or f'{sys.argv[1]}: nothing found in {sum(1 for _ in files(root, CPP))} sources')
    sys.exit(1 if findings else 0)


if __name__ == '__main__':
    main()
