"""The command line: what it finds, prints and returns."""

from __future__ import annotations

from importlib import import_module
import os
from pathlib import Path
import re
import subprocess
import sys
from typing import Any, TYPE_CHECKING

import pytest

from m3l_core import __version__, cli
from m3l_core.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], int]
    Behave = Callable[[Run], None]

ROOT = Path(__file__).parents[2]

COMMAND = '''"""Try it: 100 % a test."""

def add_arguments(parser):
    parser.add_argument('--number', type=int)

def run(arguments):
    return BEHAVE(arguments)
'''


@pytest.fixture
def behave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Behave:
    """Add the command `tryout` as another package would; the test says what it does."""
    (tmp_path / 'tryout_command.py').write_text(COMMAND)
    info = tmp_path / 'tryout-1.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: tryout\nVersion: 1\n')
    (info / 'entry_points.txt').write_text('[m3l.commands]\ntryout = tryout_command\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'tryout_command', raising=False)

    def set_behavior(run: Run) -> None:
        monkeypatch.setattr(import_module('tryout_command'), 'BEHAVE', run, raising=False)

    return set_behavior


def raiser(error: BaseException) -> Run:
    def run(_: Any) -> int:
        raise error

    return run


def test_command_of_another_package_is_found_and_gives_the_exit_code(behave: Behave) -> None:
    behave(lambda arguments: arguments.number)
    assert cli.main(['tryout', '--number', '7']) == 7


def test_help_names_every_command_with_its_first_line(
    behave: Behave, capsys: pytest.CaptureFixture[str]
) -> None:
    behave(lambda _: 0)
    with pytest.raises(SystemExit) as end:
        cli.main(['--help'])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert 'Try it: 100 % a test.' in said
    for path in (ROOT / 'm3l_core/commands').glob('[!_]*.py'):
        assert re.search(rf'\n    {path.stem}\s+\S', said), path.stem


def test_help_of_a_command_begins_with_what_its_module_says(
    behave: Behave, capsys: pytest.CaptureFixture[str]
) -> None:
    behave(lambda _: 0)
    with pytest.raises(SystemExit):
        cli.main(['tryout', '--help'])
    assert '\n\nTry it: 100 % a test.\n\n' in capsys.readouterr().out


def test_error_is_one_line_and_exit_code_2(
    behave: Behave, capsys: pytest.CaptureFixture[str]
) -> None:
    behave(raiser(ModelError('a.onnx: expected a file, got nothing. Check the path.')))
    assert cli.main(['tryout']) == 2
    assert capsys.readouterr() == (
        '',
        'm3l: a.onnx: expected a file, got nothing. Check the path.\n',
    )


def test_missing_extra_is_named_with_its_remedy(
    behave: Behave, capsys: pytest.CaptureFixture[str]
) -> None:
    behave(raiser(ModuleNotFoundError('no', name='rosbags.highlevel')))
    assert cli.main(['tryout']) == 2
    assert capsys.readouterr().err == (
        'm3l: m3l tryout needs rosbags, which is not installed. '
        'Run: pip install "m3l_perception[bags]"\n'
    )


def test_missing_module_of_our_own_is_no_users_mistake(behave: Behave) -> None:
    behave(raiser(ModuleNotFoundError('no', name='m3l_core.nothing')))
    with pytest.raises(ModuleNotFoundError):
        cli.main(['tryout'])


def test_interruption_is_quiet(behave: Behave, capsys: pytest.CaptureFixture[str]) -> None:
    behave(raiser(KeyboardInterrupt()))
    assert cli.main(['tryout']) == 130
    assert capsys.readouterr() == ('', '')


def test_an_interruption_while_commands_are_looked_up_exits_with_130(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted() -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, '_command_modules', interrupted)
    assert cli.main(['tryout']) == 130


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ([], 'm3l: the following arguments are required: COMMAND. Run: m3l --help\n'),
        (
            ['tryout', '--number', 'x'],
            "m3l tryout: argument --number: invalid int value: 'x'. Run: m3l tryout --help\n",
        ),
    ],
)
def test_wrong_argument_is_one_line_and_exit_code_2(
    behave: Behave, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    behave(lambda _: 0)
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err == said


def test_help_imports_nothing_optional() -> None:
    optional = {'torch', 'onnx', 'openvino', 'rosbags', 'rich', 'mujoco', 'rclpy', 'tensorrt'}
    code = (
        'import contextlib, sys\n'
        'from m3l_core.cli import main\n'
        'with contextlib.suppress(SystemExit): main(["--help"])\n'
        f'print(sorted({optional} & sys.modules.keys()))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == '[]', done.stderr


def test_entry_itself_imports_next_to_nothing() -> None:
    # Ctrl-C ends a command in a trace for as long as its entry is not there yet.
    slow = {'numpy', 'importlib.metadata', 'inspect'}
    before = 'import sys; before = set(sys.modules); '
    code = f'{before}import m3l_core.cli; print(sorted({slow} & (sys.modules.keys() - before)))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == '[]\n', done.stderr


def test_module_runs_as_the_command() -> None:
    words = [sys.executable, '-m', 'm3l_core', '--version']
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=os.environ)
    assert done.stdout == f'm3l {__version__}\n'


def test_versions_agree() -> None:
    assert f'<version>{__version__}</version>' in (ROOT / 'package.xml').read_text()
    assert f'## {__version__}' in (ROOT / 'CHANGELOG.md').read_text()
