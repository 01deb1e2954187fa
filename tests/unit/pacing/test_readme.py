"""The examples of the package's README run as printed: in a script, and inside a running event loop."""

import ast
import asyncio
import re
from datetime import UTC, datetime
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType, FunctionType

import pytest

import budget_pacer
import budget_pacer.pacer
from budget_pacer import BudgetPacer
from budget_pacer.clock import Clock
from tests.unit.pacing.clocks import Clock as StandingClock

README = Path(budget_pacer.__file__).with_name("README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python( async)?\n(.*?)```", README, re.DOTALL)


def code_of(blocks: list[tuple[str, str]]) -> CodeType:
    text = "\n".join(block for _, block in blocks)
    code = compile(text, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(code, CodeType)
    return code


def run(code: CodeType, names: dict[str, object]) -> object:
    """As `exec`, but hands back the coroutine where the code awaits."""
    return FunctionType(code, names)()


@pytest.mark.parametrize("hour", [1, 12, 23])
def test_examples_run_as_a_script(hour: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_still(monkeypatch, hour)
    sync = [block for block in BLOCKS if not block[0]]
    code = code_of(sync)

    assert not code.co_flags & CO_COROUTINE
    run(code, {"__name__": "__main__"})


@pytest.mark.parametrize("hour", [1, 12, 23])
def test_examples_run_inside_asyncio(hour: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_still(monkeypatch, hour)
    code = code_of(BLOCKS)

    async def main() -> None:
        running = run(code, {"__name__": "__main__"})
        assert asyncio.iscoroutine(running)
        await running

    asyncio.run(main())


def stand_still(monkeypatch: pytest.MonkeyPatch, hour: int) -> None:
    """The examples give no clock; what they print must not depend on when the tests run."""
    clock: Clock = StandingClock(datetime(2026, 5, 4, hour, tzinfo=UTC))
    defaults = {**(BudgetPacer.__init__.__kwdefaults__ or {}), "clock": clock}
    monkeypatch.setattr(BudgetPacer.__init__, "__kwdefaults__", defaults)


def test_the_names_that_are_promised_can_be_imported() -> None:
    for name in ("BudgetPacer", "ChannelType", "PacingStrategy", "SpendTransaction", "PacingAlert", "HourlyAllocation"):
        assert name in budget_pacer.__all__
    assert len(budget_pacer.ChannelType) == 8
