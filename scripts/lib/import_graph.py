"""Which project files each Python file uses: what it imports, and what it starts as a program by name.

A test uses of a conftest.py only the fixtures that it names, therefore each of their definitions is a node
(`tests/conftest.py::pool`). Importing a conftest.py imports more, but what it doesn't use can only break it entirely,
which the tests that use it notice as well.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import PurePosixPath

type Graph = dict[str, frozenset[str]]
# For each conftest.py: its definitions, and whether they are automatic fixtures.
type Fixtures = dict[str, dict[str, bool]]
type Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
DOTTED_NAME = re.compile(r"\w+(\.\w+)+\.?")
# Some tests start programs whose code is in a string.
IMPORT_IN_STRING = re.compile(r"\b(?:from|import) ([\w.]+)")
# pyproject's entry point, and who starts it. Elsewhere, a role and Home Assistant's domain have the same name.
CONSOLE_SCRIPT, CONSOLE_SCRIPT_MODULE = "evconduit", "relay.cli"
CONSOLE_SCRIPT_USERS = ("demo/", "tests/bench/", "tests/demo/", "tests/e2e/", "tests/relay/")


def build_import_graph(sources: Mapping[str, str]) -> Graph:
    """Build the graph of these Python files (path to source)."""
    modules = {_get_module_name(path): path for path in sources}
    trees = {path: ast.parse(source) for path, source in sources.items()}
    fixtures: Fixtures = {}
    for path in filter(_is_conftest, trees):
        definitions = _list_definitions(trees[path])
        fixtures[path] = {name: _is_automatic(definition) for name, definition in definitions.items()}
        modules |= {f"{_get_module_name(path)}.{name}": f"{path}::{name}" for name in definitions}
    graph: Graph = {}
    for path, tree in trees.items():
        conftests = [file for file in _list_conftests(path) if file in trees]
        if path in conftests:
            graph |= _build_conftest_nodes(path, tree, conftests, fixtures, modules)
        else:
            used = _find_used_files(path, tree, modules) | _find_fixtures(tree, conftests, fixtures)
            graph[path] = frozenset({*used, *conftests} - {path})
    return graph


def find_users(graph: Graph, files: Iterable[str]) -> frozenset[str]:
    """Find the nodes that use one of `files` directly or indirectly, and `files` themselves."""
    users: dict[str, set[str]] = {}
    for path, used in graph.items():
        for file in used:
            users.setdefault(file, set()).add(path)
    found, waiting = set(files), list(files)
    while waiting:
        new = users.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return frozenset(found)


def _build_conftest_nodes(
    path: str, tree: ast.Module, conftests: list[str], fixtures: Fixtures, modules: Mapping[str, str]
) -> Graph:
    """Build a node for each function and class. The file's own node has the rest, without the imports."""
    definitions = _list_definitions(tree)
    imported = {
        alias.asname or alias.name.partition(".")[0]: _select_alias(statement, alias)
        for statement in tree.body
        if isinstance(statement, IMPORTS)
        for alias in statement.names
    }
    parts: dict[str, list[ast.stmt]] = {f"{path}::{name}": [node] for name, node in definitions.items()}
    parts[path] = [node for node in tree.body if not isinstance(node, DEFINITIONS + IMPORTS)]
    graph: Graph = {}
    for name, nodes in parts.items():
        part = ast.Module(body=nodes, type_ignores=[])
        words = {node.id for node in ast.walk(part) if isinstance(node, ast.Name)}
        statements = [imported[word] for word in sorted(words & set(imported))]
        used = _find_used_files(path, ast.Module(body=[*nodes, *statements], type_ignores=[]), modules)
        local = {f"{path}::{word}" for word in words & set(definitions)}
        graph[name] = frozenset((used | local | _find_fixtures(part, conftests, fixtures)) - {name, path})
    graph[path] |= frozenset(conftests) - {path}
    return graph


def _select_alias(statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.Import | ast.ImportFrom:
    """Return the statement without its other names."""
    if isinstance(statement, ast.Import):
        return ast.Import(names=[alias])
    return ast.ImportFrom(module=statement.module, names=[alias], level=statement.level)


def _list_definitions(tree: ast.Module) -> dict[str, Definition]:
    return {node.name: node for node in tree.body if isinstance(node, DEFINITIONS)}


def _is_automatic(definition: Definition) -> bool:
    return any("autouse=True" in ast.unparse(decorator) for decorator in definition.decorator_list)


def _find_fixtures(tree: ast.Module, conftests: Iterable[str], fixtures: Fixtures) -> set[str]:
    """Find the definitions of these conftest.py files that `tree` names, or that are automatic."""
    words = set()
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=word) | ast.Constant(value=str(word)):
                words.add(word)
    return {
        f"{conftest}::{name}"
        for conftest in conftests
        for name, is_automatic in fixtures[conftest].items()
        if is_automatic or name in words
    }


def _get_module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _is_conftest(path: str) -> bool:
    return path.endswith("/conftest.py")


def _list_conftests(path: str) -> list[str]:
    return [(folder / "conftest.py").as_posix() for folder in PurePosixPath(path).parents]


def _find_used_files(path: str, tree: ast.Module, modules: Mapping[str, str]) -> set[str]:
    used: set[str] = set()
    for name in _find_names(path, tree):
        used |= _resolve(name, modules)
        if path.startswith("tests/"):  # pytest puts the folders of tests without packages on sys.path
            used |= _resolve(f"{_get_package(path)}.{name}", modules)
    return used


def _resolve(name: str, modules: Mapping[str, str]) -> set[str]:
    """Find the files of a module, or of the module that defines `name`, and of its parent packages.

    A name that ends with a dot is the start of the names of several modules.
    """
    if name.endswith(".") or _is_conftest(modules.get(name, "")):
        return {file for module, file in modules.items() if module.startswith(name)}
    parts = name.split(".")
    prefixes = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return {modules[prefix] for prefix in prefixes if prefix in modules}


def _get_package(path: str) -> str:
    return PurePosixPath(path).parent.as_posix().replace("/", ".")


def _find_names(path: str, tree: ast.AST) -> Iterator[str]:
    """Find dotted names of modules, and of what is imported from them."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                package = _get_package(path).split(".")
                base = [*package[: len(package) - level + 1], *filter(None, [module])] if level else [module or ""]
                yield from (".".join([*base, alias.name]) for alias in names)
            case ast.Constant(value=str(text)):
                yield from _find_names_in_string(path, text)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                words = [str(element.value) if isinstance(element, ast.Constant) else "" for element in elements]
                yield from (f"{name}.__main__" for option, name in pairwise(words) if option == "-m")


def _find_names_in_string(path: str, text: str) -> Iterator[str]:
    if DOTTED_NAME.fullmatch(text):
        yield text
    if text.rpartition("/")[2] == CONSOLE_SCRIPT and path.startswith(CONSOLE_SCRIPT_USERS):
        yield CONSOLE_SCRIPT_MODULE
    if "import " in text:
        yield from IMPORT_IN_STRING.findall(text)
