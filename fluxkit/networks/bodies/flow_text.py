"""Blood flow as text: a share of the cardiac output, or a number with its unit."""

import math
import re

from fluxkit.errors import NetworkError

SHARE = "shares of the cardiac output"
_QUANTITY = re.compile(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(\S.*?)?\s*")


def read_flow(value: float | str, where: str) -> tuple[float, str]:
    """Read a blood flow: a number is a share of the cardiac output, a text has its unit, ``"1.2 mL/min"``.

    Parameters
    ----------
    value : float or str
        The flow.
    where : str
        Its place, for messages.

    Returns
    -------
    value : float
    unit : str

    Raises
    ------
    NetworkError
        It is neither, negative, or not finite.
    """
    match = _QUANTITY.fullmatch(str(value))
    number = float("nan")
    if match is not None:
        try:
            number = float(match[1])
        except ValueError:
            number = float("nan")
    if match is None or not 0 <= number < math.inf:
        raise NetworkError(
            f"{where}: cannot read the flow {value!r}; write a share of the cardiac output (0.25), or a number with "
            "its unit ('1.2 mL/min'), not negative."
        )
    return number, match[2] or SHARE
