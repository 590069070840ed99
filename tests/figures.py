"""Print the figures that the house keeps to: sizes of functions, classes, constructors and files.

    python3 tests/figures.py

test_layers.py fails where one of LIMITS is passed.
"""

import ast
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMITS = {"median function": 6, "p90 function": 16, "longest function": 40, "most methods": 25,
          "most parameters": 6}


def sources():
    """Yield (path below the top level, text) of each Python file of the program."""
    for folder, _, names in os.walk(os.path.join(ROOT, "dlserv")):
        for name in sorted(names):
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    yield os.path.relpath(path, ROOT), file.read()


def measure():
    """Return {figure: (value, where)}; `where` names the largest, or is ""."""
    functions, classes, constructors, lines, annotated = [], [], [], 0, 0
    for path, text in sources():
        lines += text.count("\n")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                functions.append((_length(node), "%s %s" % (path, node.name)))
                annotated += node.returns is not None
            if isinstance(node, ast.ClassDef):
                methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
                classes.append((len(methods), "%s %s" % (path, node.name)))
                constructors += [(_parameters(each), "%s %s" % (path, node.name))
                                 for each in methods if each.name == "__init__"]
    functions.sort()
    return {"lines": (lines, ""), "functions": (len(functions), ""), "with a return annotation": (annotated, ""),
            "median function": (functions[len(functions) // 2][0], ""),
            "p90 function": (functions[len(functions) * 9 // 10][0], ""),
            "longest function": functions[-1], "most methods": max(classes),
            "most parameters": max(constructors)}


def _length(node):
    """Lines from the definition to the end, the docstring left out."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return node.body[-1].end_lineno - body[0].lineno + 2 if body else 2


def _parameters(node):
    """The parameters of a constructor, `self` left out."""
    return len(node.args.args) + len(node.args.kwonlyargs) - 1


def long_files(most=300):
    """Return [(lines, path)] of the files that ask for a name for their second half."""
    return sorted(((text.count("\n"), path) for path, text in sources() if text.count("\n") > most), reverse=True)


def main():
    for name, (value, where) in measure().items():
        print("%-26s %6d%s  %s" % (name, value, "  (at most %d)" % LIMITS[name] if name in LIMITS else "", where))
    for count, path in long_files():
        print("over 300 lines             %6d  %s" % (count, path))


if __name__ == "__main__":
    sys.exit(main())
