"""The plan of a training: which share of it is over after how many steps, and how a time limit shortens it."""

from dataclasses import dataclass

_MARGIN = 0.03  # share of the time limit kept free: pace varies, and the last check takes its time


@dataclass(frozen=True)
class Plan:
    """The share of a training that is over, as a broken line over its steps.

    It depends on steps alone. A plan is shortened where the time or the patience runs out and never lengthened, so a
    training that goes on from a checkpoint with its plan goes on as if it had never stopped.

    Parameters
    ----------
    end : int
        The step at which everything is over.
    since : int
        The step at which the plan was last shortened.
    share : float
        The share that was over then, 0 to 1.
    """

    end: int
    since: int = 0
    share: float = 0.0

    def over(self, step: int) -> float:
        """Return the share that is over after a step, 0 to 1."""
        if step >= self.end:
            return 1.0
        return self.share + (1 - self.share) * (step - self.since) / (self.end - self.since)

    def ending(self, step: int, end: int) -> "Plan":
        """Return the plan whose rest is over sooner.

        Parameters
        ----------
        step : int
            Steps taken.
        end : int
            The wanted last step; a later one than the plan's changes nothing.
        """
        end = max(end, step + 1)
        return Plan(end, step, self.over(step)) if end < self.end else self

    def within(self, step: int, pace: float, elapsed: float, limit: float) -> "Plan":
        """Return the plan that ends within a time limit.

        Parameters
        ----------
        step : int
            Steps taken.
        pace : float
            Seconds per step.
        elapsed, limit : float
            Seconds since the start, and allowed since then.
        """
        left = (1 - _MARGIN) * limit - elapsed
        return self.ending(step, step + int(left / pace))
