"""The `m3l` command line: finds the commands, runs one, and turns errors into one line."""

from __future__ import annotations

import argparse
from importlib import import_module
import os
import sys
from typing import cast, NoReturn, Protocol, TYPE_CHECKING

from m3l_core import __version__, commands
from m3l_core.errors import M3lError, missing_module

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENTRY_POINTS = 'm3l.commands'
"""Entry-point group through which other packages add commands, such as those that need ROS."""

WRONG_INPUT = 2
INTERRUPTED = 130


class Command(Protocol):
    """What a command's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit code."""


class _Parser(argparse.ArgumentParser):
    """Refuses wrong arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f'{self.prog}: {message}. Run: {self.prog} --help\n')


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named in `argv` and return the exit code.

    0 is success, 2 wrong input and 130 an interruption with Ctrl-C; a command may have others.
    """
    try:
        return _run(_parser(_command_modules()).parse_args(argv))
    except M3lError as error:
        print(f'm3l: {error}', file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # Whoever reads, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: argparse.Namespace) -> int:
    command: Command = arguments.command
    try:
        return command.run(arguments)
    except ModuleNotFoundError as error:
        if (error.name or '').startswith('m3l_'):  # ours: a defect, not a missing extra
            raise
        raise missing_module(error, f'm3l {arguments.command_name}') from error


def _command_modules() -> dict[str, str]:
    """Return the module of every command by the command's name."""
    from importlib import metadata  # here and below: Ctrl-C while they load ends `main` quietly
    import pkgutil

    found = {
        entry.name: entry.value for entry in metadata.entry_points().select(group=ENTRY_POINTS)
    }
    for module in pkgutil.iter_modules(commands.__path__):
        found[module.name] = f'{commands.__name__}.{module.name}'
    return dict(sorted(found.items()))


def _parser(modules: Mapping[str, str]) -> argparse.ArgumentParser:
    import inspect

    parser = _Parser(
        prog='m3l',
        description='RGB-D semantic segmentation that keeps working when a camera stream dies.',
    )
    parser.add_argument('--version', action='version', version=f'm3l {__version__}')
    subparsers = parser.add_subparsers(
        title='commands', dest='command_name', metavar='COMMAND', required=True
    )
    for name, path in modules.items():
        module = import_module(path)
        description = inspect.getdoc(module) or ''
        subparser = subparsers.add_parser(
            name,
            help=description.partition('\n')[0].replace('%', '%%'),  # argparse fills these in
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command = cast('Command', module)
        command.add_arguments(subparser)
        subparser.set_defaults(command=command)
    return parser
