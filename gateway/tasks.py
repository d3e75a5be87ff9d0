"""Tasks that have an owner: side by side, or ended and waited for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first failure cancels the rest and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def all_of(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order. The first failure cancels the rest and is raised as itself."""
    async with together() as group:
        tasks = [group.create_task(one) for one in work]
    return [task.result() for task in tasks]


async def each_of(items: Sequence[S], work: Callable[[S], Awaitable[T]], at_once: int) -> list[T]:
    """What `work` makes of every item, in order, so many under way at once. Fails as all_of() does."""
    todo = iter(enumerate(items))
    done: dict[int, T] = {}

    async def lane() -> None:
        for number, item in todo:
            done[number] = await work(item)

    await all_of([lane() for _ in range(min(at_once, len(items)))])
    return [done[number] for number in range(len(items))]


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancels a task and waits for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
