"""What `clvsim sweep` is asked: the points of its grid, each with the whole configuration."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from clvsim.config import RunConfig


class Point(NamedTuple):
    """What each swept key is, and the checked configuration with it."""

    values: tuple[Any, ...]
    config: "RunConfig"

    @property
    def label(self) -> str:
        return " and ".join(map(str, self.values))


class Sweep(NamedTuple):
    """Swept keys, one or two, and their points: each value of the first with every one of the second.

    Values rise where all of a key's are numbers; others are as typed.
    """

    keys: tuple[str, ...]
    points: tuple[Point, ...]

    @property
    def of_levers(self) -> bool:
        """Whether the keys are those of levers, so that all points have one baseline."""
        return all(is_lever(key) for key in self.keys)

    @property
    def axes(self) -> tuple[tuple[Any, ...], ...]:
        """The values of each key."""
        columns = zip(*(point.values for point in self.points), strict=True)
        return tuple(_each_once(column) for column in columns)

    @property
    def is_ordered(self) -> bool:
        """Whether all values are numbers, so that there is something between two of them."""
        return all(is_number(value) for axis in self.axes for value in axis)


def is_lever(key: str) -> bool:
    """Whether a key is one of a lever, and not of the baseline or of the whole run."""
    return key.startswith("scenario.") and not key.startswith("scenario.baseline.")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    out: list[Any] = []
    for value in values:
        if not any(value is other or (value == other and type(value) is type(other)) for other in out):
            out.append(value)
    return tuple(out)
