"""Rewrite decorated functions so that mutmut mutates them: it leaves out functions that have a decorator."""

import ast

# Applying one of these after the function's definition does the same as decorating it.
LIFTED = frozenset({"property", "callback"})
DROPPED = frozenset({"override"})  # only a type checker reads it


def lift_decorators(source: str) -> str:
    """Replace decorators by assignments: `@property` above `def name` becomes `name = property(name)` below it.

    Only functions of modules and classes are changed, and only those whose decorators are all of these kinds.
    """
    lines = source.splitlines(keepends=True)
    for function in reversed(_list_functions(ast.parse(source).body)):
        names = [node.id if isinstance(node, ast.Name) else "" for node in function.decorator_list]
        if names and all(name in LIFTED | DROPPED for name in names):
            indentation = " " * function.col_offset
            applied = [name for name in reversed(names) if name in LIFTED]
            assignments = [f"{indentation}{function.name} = {name}({function.name})\n" for name in applied]
            lines[function.end_lineno : function.end_lineno] = assignments
            del lines[function.decorator_list[0].lineno - 1 : function.lineno - 1]
    return "".join(lines)


def _list_functions(body: list[ast.stmt]) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append(node)
        elif isinstance(node, ast.ClassDef):
            functions += _list_functions(node.body)
    return functions
