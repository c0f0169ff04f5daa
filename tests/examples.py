"""Properties of random examples: as many as are said in `make long`, a quarter of them in `make test`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy

Test = Callable[..., None]


def examples(most: int, *strategies: SearchStrategy[Any]) -> Callable[[Test], Test]:
    """`given`, the same examples each time."""

    def decorate(holds: Test) -> Test:
        @pytest.mark.parametrize("many", [most // 4, pytest.param(most, marks=pytest.mark.long)])
        def test(many: int) -> None:
            settings(derandomize=True, max_examples=many, deadline=None)(given(*strategies)(holds))()

        test.__name__, test.__doc__ = holds.__name__, holds.__doc__
        return test

    return decorate
