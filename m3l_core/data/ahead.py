"""Results made by threads a few ahead of whoever takes them, in their order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

Item = TypeVar('Item')
Made = TypeVar('Made')


def made_ahead(
    make: Callable[[Item], Made], items: Iterable[Item], *, threads: int, name: str
) -> Iterator[Made]:
    """Yield `make(item)` of each item; whoever stops taking them leaves the rest unmade.

    Args:
        make: Called by several threads at a time.
        items: What to make something of.
        threads: How many make; twice as many results wait at most.
        name: With which the names of the threads begin.
    """
    pending: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        try:
            for item in items:
                pending.append(pool.submit(make, item))
                if len(pending) > 2 * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
