"""What the programs of `ros2 run` say where a library is missing."""

from __future__ import annotations

import subprocess
import sys

from node_harness import PATIENCE_S
import pytest


@pytest.mark.parametrize('program', ['segment', 'doctor'])
def test_missing_library_of_the_package_itself_is_not_blamed_on_ros(program: str) -> None:
    code = (
        "import sys; sys.modules['cv2'] = None; sys.argv[1:] = []; "
        f'from m3l_perception.{program} import main; sys.exit(main())'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.splitlines()[-1] == (
        f'm3l: {program} needs cv2, which is not installed. Run rosdep install in the workspace, '
        'or install m3l_perception with pip.'
    )
    assert 'Traceback' not in done.stderr
