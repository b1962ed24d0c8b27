"""TensorRT's Python bindings imported without TensorRT, and our calls held against them.

The bindings ask for three libraries by name; empty ones with the functions they ask for will do
to import them. Run as a program with one wheel unpacked on the path, it prints what is wrong with
each use of TensorRT in our source, one a line, and what was looked at:

    LD_LIBRARY_PATH=STUBS PYTHONPATH=WHEEL bindings_contract.py SOURCE
"""

from __future__ import annotations

import ast
from pathlib import Path
import re
import subprocess
import sys
from typing import Any
import zipfile

LIBRARIES = ('nvinfer', 'nvinfer_plugin', 'nvonnxparser')

FUNCTIONS = (
    'createInferBuilder_INTERNAL', 'createInferRefitter_INTERNAL', 'createInferRuntime_INTERNAL',
    'createNvOnnxParserRefitter_INTERNAL', 'createNvOnnxParser_INTERNAL',
    'getBuilderPluginRegistry', 'getNvOnnxParserVersion', 'getPluginRegistry',
    'initLibNvInferPlugins',
)  # fmt: skip

_SIGNATURE = re.compile(r'^(?:\d+\. )?\w+\((?P<arguments>.*)\) -> (?P<returns>.+)$', re.MULTILINE)

_PLAIN = {'None', 'bool', 'int', 'str'}


def make_stubs(folder: Path, major: int) -> None:
    """Compile the three libraries of one major version, all of whose functions return null."""
    source = folder / 'stubs.c'
    source.write_text(''.join(f'void *{name}(void) {{ return 0; }}\n' for name in FUNCTIONS))
    for library in LIBRARIES:
        name = f'lib{library}.so.{major}'
        command = ['gcc', '-shared', '-fPIC', f'-Wl,-soname,{name}', '-o', folder / name, source]
        subprocess.run(command, check=True)


def unpack(wheel: Path, folder: Path) -> None:
    """Unpack a wheel of the bindings so that it is imported as `tensorrt`."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    (folder / 'tensorrt.py').write_text(
        'import sys, tensorrt_bindings\nsys.modules[__name__] = tensorrt_bindings\n'
    )


class Uses(ast.NodeVisitor):
    """Follows what our source gets from TensorRT, and checks each use against the bindings.

    A name is followed from `trt.X`, from an annotation that says `trt.X`, and from what a call is
    documented to return. What cannot be followed is a problem too, so nothing goes unchecked.

    Attributes:
        problems: What the bindings would refuse, or what could not be followed.
        checked: Each name of TensorRT that was looked up.
    """

    def __init__(self, trt: Any) -> None:
        self._trt = trt
        self._types: dict[str, Any] = {}
        self.problems: list[str] = []
        self.checked: set[str] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            owner = self._resolve(base)
            if owner is not None:
                self._check_overrides(node, owner)
        self._visit_scope(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for argument in node.args.args:
            if argument.annotation is not None:
                self._learn(argument.arg, self._resolve(argument.annotation))
        self._visit_scope(node)

    def _visit_scope(self, node: ast.ClassDef | ast.FunctionDef) -> None:
        """Visit what is in a class or function; names of its own end with it."""
        outer = dict(self._types)
        attributes = {}
        for statement in node.body:
            self.visit(statement)
            attributes |= {k: v for k, v in self._types.items() if k.startswith('self.')}
        self._types = outer
        if isinstance(node, ast.FunctionDef):  # what one method sets, the next may use
            self._types |= attributes

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, ast.Attribute):
                self._check_setting(target)
            if not (isinstance(node.value, ast.Constant) and node.value.value is None):
                self._learn(ast.unparse(target), self._resolve(node.value))

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        function = node.func
        if isinstance(function, ast.Name):
            return
        called = self._resolve(function)
        if called is None:
            return
        where = f'line {node.lineno}: {ast.unparse(function)}'
        if isinstance(called, type):
            called = called.__init__
        documentation = called.__doc__ or ''
        signatures = [match['arguments'] for match in _SIGNATURE.finditer(documentation)]
        is_ours = hasattr(called, '__code__')  # plain Python, as nptype is
        unbound = ast.unparse(function).endswith('.__init__')
        if is_ours:
            fits = len(node.args) == called.__code__.co_argcount
        else:
            fits = any(_fits(node, text, self_given=unbound) for text in signatures)
        if not fits:
            self.problems.append(f'{where} does not take what it is given: {signatures}')
        if not is_ours and not isinstance(self._resolve(function), type):
            self._expect_followed(where, called)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        owner = self._resolve(node.value)
        if owner is None or owner is str or owner is int or owner is bool:
            return
        name = f'{getattr(owner, "__name__", owner)}.{node.attr}'
        self.checked.add(name)
        if not hasattr(owner, node.attr):
            self.problems.append(f'line {node.lineno}: there is no {name}')

    def _expect_followed(self, where: str, called: Any) -> None:
        """Check that what a call returns is plain, or of a class that is known here."""
        match = _SIGNATURE.search(called.__doc__ or '')
        returned = '' if match is None else match['returns']
        if returned not in _PLAIN and self._returned(called) is None:
            self.problems.append(f'{where} returns {returned!r}, which cannot be followed')

    def _check_setting(self, target: ast.Attribute) -> None:
        owner = self._resolve(target.value)
        if owner is not None:
            member = getattr(owner, target.attr, None)
            if not isinstance(member, property) or member.fset is None:
                self.problems.append(f'line {target.lineno}: cannot set {ast.unparse(target)}')

    def _check_overrides(self, node: ast.ClassDef, owner: Any) -> None:
        """Check that methods which TensorRT calls take what it passes."""
        for method in node.body:
            if not isinstance(method, ast.FunctionDef) or method.name.startswith('_'):
                continue
            original = getattr(owner, method.name, None)
            if original is None:
                continue
            match = _SIGNATURE.search(original.__doc__ or '')
            expected = [] if match is None else _names(match['arguments'])
            given = [argument.arg for argument in method.args.args]
            if given != expected:
                self.problems.append(f'{node.name}.{method.name}: takes {given}, not {expected}')

    def _learn(self, name: str, kind: Any) -> None:
        if kind is not None:
            self._types[name] = kind

    def _resolve(self, node: ast.expr) -> Any:
        """Return what an expression is: a class, for an instance too; None if not TensorRT's."""
        if isinstance(node, ast.Name):
            return self._trt if node.id == 'trt' else self._types.get(node.id)
        if isinstance(node, ast.Call):
            called = self._resolve(node.func)
            return called if isinstance(called, type) else self._returned(called)
        if isinstance(node, ast.Attribute):
            if ast.unparse(node) in self._types:
                return self._types[ast.unparse(node)]
            owner = self._resolve(node.value)
            return None if owner is None else getattr(owner, node.attr, None)
        return None

    def _returned(self, called: Any) -> Any:
        match = None if called is None else _SIGNATURE.search(called.__doc__ or '')
        if match is None:
            return None
        # 'tensorrt_bindings.tensorrt.IBuilderConfig', or in C++ 'nvonnxparser::IParserError'
        name = re.split(r'\.|::', match['returns'])[-1]
        return getattr(self._trt, {'IParserError': 'ParserError'}.get(name, name), None)


def _fits(call: ast.Call, arguments: str, *, self_given: bool) -> bool:
    """Return whether a call fits one documented signature, self not counted."""
    names = _names(arguments)
    required = [name for name in names if f'{name}=' not in _squeezed(arguments)]
    if not self_given:
        names, required = names[1:], required[1:]
    given = names[: len(call.args)] + [keyword.arg or '' for keyword in call.keywords]
    return (
        len(call.args) <= len(names) and set(given) <= set(names) and set(required) <= set(given)
    )


def _names(arguments: str) -> list[str]:
    return re.findall(r'(?:^|, )(\w+): ', arguments)


def _squeezed(arguments: str) -> str:
    """Return 'flags=0' of 'flags: typing.SupportsInt = 0'."""
    return re.sub(r'(\w+): [^,=]+ = ', r'\1=', arguments)


def main(source: Path) -> int:
    """Print what is wrong, and what was looked at."""
    import tensorrt

    uses = Uses(tensorrt)
    uses.visit(ast.parse(source.read_text(encoding='utf-8')))
    for problem in uses.problems:
        print(f'problem: {problem}')
    for name in sorted(uses.checked):
        print(f'checked: {name}')
    return 1 if uses.problems else 0


if __name__ == '__main__':
    sys.exit(main(Path(sys.argv[1])))
