r"""Periodic flows of the KPP problem, as expressions.

A flow is one expression per component. The same text is parsed by the simulator, printed to users
and read by whoever needs the formula; there is no second definition. Names in it:

- ``x``, ``y``, ``z`` (or ``x1``, ``x2``, ``x3``): coordinates, of period :math:`2\pi`;
- ``t``: time, of period 1;
- ``theta``, ``kappa``, ``lam``, ``r``: parameters of the system; ``pi``;
- ``sin cos tan sinh cosh tanh exp log sqrt abs pow min max``, with ``+ - * / ^``.
"""

from __future__ import annotations

FLOWS: dict[str, tuple[str, ...]] = {
    "cell2d": (
        "-cos(y) - theta*cos(2*pi*t)*sin(x)",
        "cos(x) + theta*cos(2*pi*t)*sin(y)",
    ),
    "cell2d-divfree": (
        "-cos(y) - theta*cos(2*pi*t)*sin(y)",
        "cos(x) + theta*cos(2*pi*t)*sin(x)",
    ),
    "kolmogorov3d": (
        "sin(z + sin(2*pi*t))",
        "sin(x + sin(2*pi*t))",
        "sin(y + sin(2*pi*t))",
    ),
}
r"""The named flows.

``cell2d``, the time-periodic cellular flow as it is printed; its divergence is
:math:`\theta \cos(2\pi t) (\cos y - \cos x)`, not zero:

.. math::
    v = (-\cos y - \theta \cos(2 \pi t) \sin x,\; \cos x + \theta \cos(2 \pi t) \sin y)

``cell2d-divfree``, the same without divergence:

.. math::
    v = (-\cos y - \theta \cos(2 \pi t) \sin y,\; \cos x + \theta \cos(2 \pi t) \sin x)

``kolmogorov3d``, the time-dependent Kolmogorov flow, without divergence:

.. math::
    v = (\sin(z + \sin 2 \pi t),\; \sin(x + \sin 2 \pi t),\; \sin(y + \sin 2 \pi t))
"""
