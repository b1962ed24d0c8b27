"""Many bags into one data set that goes on where it was stopped.

OUT/rgb/NAME.jpg  OUT/depth/NAME.png     NAME = bag and stamp; millimeters, 0 = no reading
OUT/card.yaml     OUT/stamps.csv         what it is, and when every pair was taken
OUT/camera-intrinsics.txt                the camera matrix, if all bags have the same
OUT/bags/BAG.name                        whose files begin with BAG: the path of a bag
OUT/bags/BAG.json  OUT/bags/BAG.csv      what became of it; with these it is done
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
import json
from pathlib import Path
import re
from typing import TYPE_CHECKING

from m3l_core.bags.many import work_on_all
from m3l_core.errors import DataError
from m3l_core.extract.bag import BagJob, BagReport, extract_bag, key_of
from m3l_core.extract.folder import expect_own
from m3l_core.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from m3l_core.bags.many import Outcome
    from m3l_core.extract.config import ExtractConfig


@dataclass(frozen=True)
class Extraction:
    """What became of all bags.

    Attributes:
        reports: Of each bag that is done, now or before.
        failed: Why a bag is not, by its path.
        done_before: Names of the bags that were done already.
    """

    reports: list[BagReport]
    failed: dict[Path, str]
    done_before: frozenset[str]


def extract(
    bags: Sequence[Path],
    out: Path,
    config: ExtractConfig,
    *,
    workers: int = 1,
    ray: str | None = None,
    on_progress: Callable[[str, float], None] | None = None,
) -> Extraction:
    """Write the pairs of all bags that are worth keeping into the data set `out`.

    Args:
        bags: Bags to read; those that `out` has already, and that are what they were, are left
            out. Of one that changed, the new pairs take the place of the old ones.
        out: Folder to make, or to go on with.
        config: What to keep.
        workers: Processes at a time.
        ray: See `work_on_all`.
        on_progress: Told the name of a bag and the share of it that is done.

    Raises:
        DataError: If `out` is something else, or was made with another configuration.
        BagError: If `workers` is less than 1.
        M3lError: If a file cannot be written, or there is no Ray.
    """
    expect_own(out, config)
    done = {Path(report.bag): report for report in _done(out)}
    names = _names(bags, out, done)
    for bag, name in names.items():
        if bag in done and bag.exists() and done[bag].key != key_of(bag, config):
            _record(out, name).unlink()  # it was recorded again, or other topics are asked for
            del done[bag]
    before = frozenset(name for bag, name in names.items() if bag in done)
    jobs = [
        BagJob(bag, name, out.resolve(), config) for bag, name in names.items() if bag not in done
    ]
    tell = on_progress or (lambda _name, _share: None)
    outcomes = work_on_all(
        extract_bag, jobs, workers=workers, ray=ray,
        on_progress=lambda index, share: tell(jobs[index].name, share),
    )  # fmt: skip
    failed = _recorded(outcomes, jobs)
    reports = _done(out)
    _write_stamps(out, reports)
    _write_intrinsics(out, reports)
    return Extraction(reports, failed, before)


def _recorded(outcomes: Iterable[Outcome[BagReport]], jobs: Sequence[BagJob]) -> dict[Path, str]:
    """Write the record of each bag that is done; return why the others are not, by their path."""
    failed = {}
    for outcome in outcomes:
        job = jobs[outcome.index]
        if outcome.result is None:
            failed[job.bag] = outcome.problem
            continue
        text = json.dumps(asdict(outcome.result), indent=2) + '\n'
        write_atomically(_record(job.out, job.name), text.encode())
    return failed


def _record(out: Path, name: str) -> Path:
    return out / 'bags' / f'{name}.json'


def _done(out: Path) -> list[BagReport]:
    """Return what became of the bags that are done, in the order of their names."""
    reports = []
    for path in sorted((out / 'bags').glob('*.json')):
        try:
            reports.append(BagReport(**json.loads(path.read_text(encoding='utf-8'))))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f'{path}: expected the record of an extracted bag, got something else. '
                'Remove it: the bag will be extracted again.'
            ) from error
    return reports


def _names(bags: Sequence[Path], out: Path, done: dict[Path, BagReport]) -> dict[Path, str]:
    """Return the name of each bag by its whole path: its own, with a number if it is taken.

    What was noted when a bag was begun stays, so that a stopped run goes on with the same names.
    """
    names = {bag: report.name for bag, report in done.items()}
    for path in sorted((out / 'bags').glob('*.name')):
        names[Path(path.read_text(encoding='utf-8'))] = path.stem
    chosen = {}
    for bag in (bag.resolve() for bag in bags):
        if bag not in names:
            own = re.sub(r'[^\w.-]', '_', bag.name if bag.is_dir() else bag.stem)
            taken = set(names.values())
            tries = (own if n == 1 else f'{own}-{n}' for n in range(1, len(taken) + 2))
            names[bag] = next(name for name in tries if name not in taken)
        chosen[bag] = names[bag]
    return chosen


def _write_stamps(out: Path, reports: Sequence[BagReport]) -> None:
    """Write one table of the stamps of all bags."""
    lines: list[str] = []
    for report in reports:
        text = (out / 'bags' / f'{report.name}.csv').read_text(encoding='utf-8')
        lines += text.splitlines()[1 if lines else 0 :]
    if lines:
        write_atomically(out / 'stamps.csv', ('\n'.join(lines) + '\n').encode())


def _write_intrinsics(out: Path, reports: Sequence[BagReport]) -> None:
    """Write the camera matrix where `m3l bag make` looks for it, if there is one for all."""
    path = out / 'camera-intrinsics.txt'
    matrices = {
        tuple(report.camera['camera_matrix']) if report.camera else () for report in reports
    }
    if len(matrices) == 1 and (matrix := matrices.pop()):
        rows = [' '.join(f'{x:.9g}' for x in matrix[i : i + 3]) for i in (0, 3, 6)]
        write_atomically(path, ('\n'.join(rows) + '\n').encode())
    else:
        path.unlink(missing_ok=True)
