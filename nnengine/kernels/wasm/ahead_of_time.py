"""Ahead of time: the numba kernels as one WebAssembly module, which runs on NumPy's memory.

`python -m nnengine.kernels.ahead_of_time` writes it, in a process of its own: numba must not
have been imported with other settings. It takes numba, and LLVM's linker for WebAssembly: of
the package ziglang (pip), or `wasm-ld` (Debian's lld).

Every entry of `entries.py` becomes a function of one argument, the address of a block of words.
It takes the arrays out of NumPy's own objects there, checks that they are what was compiled for,
and calls the kernel: whatever Python would do for each array costs more than a small kernel.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .. import numpy_, sources
from . import entries
from .entries import ARGUMENTS, FITS, FOUND, KIND, MISFIT

TRIPLE = "wasm32-unknown-emscripten"
LAYOUT = "e-m:e-p:32:32-p10:8:8-p20:8:8-i64:64-i128:128-f128:64-n32:64-S128-ni:1:10:20"
PART = 4  # lanes of a vector there
FEATURES = "+simd128,+bulk-memory,+nontrapping-fptoint,+sign-ext,+mutable-globals"

# Of NumPy's arrays, where pointers have 32 bits: what stands at which byte.
TYPE, DATA, NDIM, SHAPE, DESCRIPTION, FLAGS, NUMBER = 4, 8, 12, 16, 28, 32, 16
CONTIGUOUS = 1
# The numbers of NumPy's types: int and long are both of 32 bits there.
NUMBERS = {
    "i1": [1], "u1": [2], "i2": [3], "u2": [4], "i4": [5, 7], "u4": [6, 8], "i8": [9],
    "u8": [10], "f4": [11], "f8": [12],
}  # fmt: skip


# What numba asks its library in C when an array takes another shape: here none has gaps.
RESHAPE = f"""
target triple = "{TRIPLE}"
target datalayout = "{LAYOUT}"
define i32 @numba_attempt_nocopy_reshape(
    i64 %n, ptr %sides, ptr %steps, i64 %count, ptr %shape, ptr %strides, i64 %size, i32 %f) {{
entry:
  br label %next
next:
  %left = phi i64 [ %count, %entry ], [ %at, %side ]
  %step = phi i64 [ %size, %entry ], [ %longer, %side ]
  %more = icmp sgt i64 %left, 0
  br i1 %more, label %side, label %done
side:
  %at = sub i64 %left, 1
  %stride = getelementptr i64, ptr %strides, i64 %at
  store i64 %step, ptr %stride
  %length = getelementptr i64, ptr %shape, i64 %at
  %many = load i64, ptr %length
  %longer = mul i64 %step, %many
  br label %next
done:
  ret i32 1
}}
"""


class CompileError(Exception):
    """The module could not be made; the message says what is missing, and the way out."""


def linker() -> list[str] | None:
    """Return the command of a linker for WebAssembly, or None where there is none."""
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "wasm-ld"]
    names = ("wasm-ld", *(f"wasm-ld-{n}" for n in range(30, 13, -1)))
    return next(([path] for path in map(shutil.which, names) if path), None)


def current(file: Path = entries.FILE) -> bool:
    """Tell whether a module is there and made from the sources as they are."""
    return file.is_file() and entries.made_from(file.read_bytes()) == sources.digest()


def make(file: Path = entries.FILE, only: Iterable[str] = ()) -> Path:
    """Compile the module unless it is up to date; return its path. Raises CompileError.

    It takes 16 s. only: the kernels to compile; all of them if it is empty.
    """
    if not only and current(file):
        return file
    if importlib.util.find_spec("numba") is None:
        raise CompileError("numba is not installed, which compiles them: pip install numba")
    if linker() is None:
        raise CompileError(
            "there is no linker for WebAssembly: pip install ziglang, or on Debian apt install lld"
        )
    with tempfile.TemporaryDirectory() as cache:
        # Kernels kept from other runs are compiled for this machine: none of them is to be found.
        # Nothing is optimised before LLVM knows which machine it is for.
        settings = {"NUMBA_OPT": "0", "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
        settings |= {"NUMBA_CACHE_DIR": cache, "NNENGINE_KERNELS": "numpy"}
        settings |= {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", f"{__package__}.ahead_of_time", "--here", str(file), *only]
        done = subprocess.run(
            command, env={**os.environ, **settings}, capture_output=True, text=True
        )
    if done.returncode:
        raise CompileError(f"compiling failed: {done.stderr.strip()[-2000:]}")
    return file


# In the process with its own settings ----------------------------------------------------


def _compile(file: Path, names: Iterable[str]) -> None:
    """Write the module. numba has not been imported before."""
    import llvmlite.binding as llvm

    numpy_.PART, numpy_.PAIR = PART, 1
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    whole, symbols = llvm.parse_assembly(RESHAPE), []
    for name in names:
        for variant, types in enumerate(entries.ENTRIES[name]):
            text = _entry(name, types, entries.symbol(name, variant))
            part = llvm.parse_assembly(_for_wasm(text))
            symbols.append(entries.symbol(name, variant))
            whole.link_in(part)
    with tempfile.TemporaryDirectory() as place:
        made = Path(place)
        (made / "kernels.o").write_bytes(_object(whole, set(symbols)))
        _link(made / "kernels.o", made / "kernels.wasm", symbols)
        raw = (made / "kernels.wasm").read_bytes()
    partly = file.with_name(f".{file.name}-{os.getpid()}")  # two may be at it
    partly.write_bytes(raw + _section(sources.digest().encode()))
    partly.replace(file)


def _entry(name: str, types: tuple, exported: str) -> str:
    """Return the LLVM IR of one entry: what `source` says, its name given to it."""
    import numba

    from .. import compiled  # noqa: F401 - brings all kernels in
    from ..compiled.compiling import KERNELS

    kernel = KERNELS[name]
    names = {"kernel": kernel, "keep": _keep()}
    for n, kind in enumerate(entries.flat(types), ARGUMENTS):
        names |= {f"fits_{n}": _fits(kind, n), f"read_{n}": _read(kind, n)}
    exec(source(types), names)
    options = {
        k: v for k, v in kernel.targetoptions.items() if k in ("error_model", "fastmath", "_nrt")
    }
    plain = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "nogil": True}
    entry = numba.njit("int64(voidptr)", **plain, **options)(names["entry"])
    (kind,) = entry.overloads
    text = entry.inspect_llvm(kind)
    return text + _exported(entry.overloads[kind].fndesc.mangled_name, exported)


def _exported(inner: str, name: str) -> str:
    """Return LLVM IR of what is called from outside: `inner`, as numba calls functions.

    They take where to put what they return, where to put an error, and then their arguments.
    """
    return f"""
define i32 @{name}(ptr %block) {{
  %misfit = getelementptr i64, ptr %block, i32 {MISFIT}
  %error = getelementptr i64, ptr %block, i32 {FOUND}
  %status = call i32 @"{inner}"(ptr %misfit, ptr %error, ptr %block)
  ret i32 %status
}}
"""


def source(types: tuple) -> str:
    """Return the Python source of an entry: it checks, reads and hands over its arguments."""
    numbers = iter(range(ARGUMENTS, entries.WORDS))
    checks: list[str] = []

    def expression(item: tuple | str) -> str:
        if not isinstance(item, str):
            return "(" + "".join(f"{expression(inner)}, " for inner in item) + ")"
        n = next(numbers)
        if ":" in item:
            checks.append(f"    if not fits_{n}(block):\n        return {n}")
        return f"read_{n}(block)"

    given = ", ".join(expression(item) for item in types)
    body = [*checks, f"    keep(block, kernel({given}))", f"    return {FITS}"]
    return "\n".join(["def entry(block):", *body])


def _place(builder, block, offset: int, kind):
    """Return the address so many bytes behind another, to find a `kind` there."""
    from llvmlite import ir

    byte = builder.bitcast(block, ir.IntType(8).as_pointer())
    return builder.bitcast(builder.gep(byte, [ir.IntType(32)(offset)]), kind.as_pointer())


def _load(builder, block, offset: int, kind, align: int = 4):
    """Return the `kind` that stands so many bytes behind an address."""
    value = builder.load(_place(builder, block, offset, kind))
    value.align = align
    return value


def _object_at(builder, block, n: int):
    """Return the address of the Python object that word n of a block stands for."""
    from llvmlite import ir

    number = _load(builder, block, n * 8, ir.IntType(32))  # the lower half is all there is
    return builder.inttoptr(number, ir.IntType(8).as_pointer())


def _item(kind: str):
    """Return NumPy's type of a number, or of an array's items, and the array's dimensions."""
    import numpy as np

    dtype, _, ndim = kind.replace("int", "i8").partition(":")
    return np.dtype(dtype), int(ndim or 0)


def _read(kind: str, n: int):
    """Return an intrinsic that gives what word n of a block stands for."""
    from llvmlite import ir
    from numba import from_dtype, types
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array, populate_array

    dtype, ndim = _item(kind)
    item = from_dtype(dtype)
    integer, byte, word = ir.IntType(32), ir.IntType(8).as_pointer(), ir.IntType(64)
    given = types.Array(item, ndim, "C") if ndim else item

    def number(context, builder, signature, arguments):
        wide = types.float64 if isinstance(item, types.Float) else types.int64
        value = _load(builder, arguments[0], n * 8, context.get_value_type(wide), 8)
        return context.cast(builder, value, wide, item)

    def array(context, builder, signature, arguments):
        there = _object_at(builder, arguments[0], n)
        sides = _load(builder, there, SHAPE, byte)
        shape = [builder.sext(_load(builder, sides, 4 * k, integer), word) for k in range(ndim)]
        strides = [word(dtype.itemsize)]
        for side in shape[:0:-1]:
            strides.insert(0, builder.mul(strides[0], side))
        data = _load(builder, there, DATA, byte)
        found = make_array(given)(context, builder)
        populate_array(
            found,
            data=builder.bitcast(data, context.get_data_type(item).as_pointer()),
            shape=shape,
            strides=strides,
            itemsize=word(dtype.itemsize),
            meminfo=None,
        )
        return found._getvalue()

    return intrinsic(lambda typing, block: (given(block), array if ndim else number))


def _fits(kind: str, n: int):
    """Return an intrinsic that tells whether word n of a block is an array as compiled for."""
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    dtype, ndim = _item(kind)
    byte, truth = ir.IntType(8).as_pointer(), ir.IntType(1)

    def generate(context, builder, signature, arguments):
        there = _object_at(builder, arguments[0], n)
        array = _object_at(builder, arguments[0], KIND)
        same = builder.icmp_unsigned("==", _load(builder, there, TYPE, byte), array)
        before = builder.block
        with builder.if_then(same):  # nothing else has what an array has where it is looked for
            like = _is_like(builder, there, NUMBERS[dtype.str[1:]], ndim)
            within = builder.block
        answer = builder.phi(truth)
        answer.add_incoming(truth(0), before)
        answer.add_incoming(like, within)
        return answer

    return intrinsic(lambda typing, block: (types.boolean(block), generate))


def _is_like(builder, there, numbers: list[int], ndim: int):
    """Return whether the array at `there` has one of these types, ndim sides, and no gaps."""
    from llvmlite import ir

    integer = ir.IntType(32)
    description = _load(builder, there, DESCRIPTION, ir.IntType(8).as_pointer())
    number = _load(builder, description, NUMBER, integer)
    known = [builder.icmp_signed("==", number, integer(n)) for n in numbers]
    right = known[0] if len(known) == 1 else builder.or_(*known)
    sides = _load(builder, there, NDIM, integer)
    right = builder.and_(right, builder.icmp_signed("==", sides, integer(ndim)))
    flags = builder.and_(_load(builder, there, FLAGS, integer), integer(CONTIGUOUS))
    return builder.and_(right, builder.icmp_signed("!=", flags, integer(0)))


def _keep():
    """Return an intrinsic that writes what a kernel returned into the block, number by number."""
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def keep(typing, block, found):
        def generate(context, builder, signature, arguments):
            for t, kind in enumerate(getattr(found, "types", ())):
                wide = types.float64 if isinstance(kind, types.Float) else types.int64
                value = builder.extract_value(arguments[1], t)
                value = context.cast(builder, value, kind, wide)
                place = _place(builder, arguments[0], 8 * (FOUND + t), value.type)
                builder.store(value, place, align=8)
            return context.get_dummy_value()

        return types.void(block, found), generate

    return keep


def _for_wasm(text: str) -> str:
    """Return LLVM IR of this machine as IR for a browser's."""
    text = re.sub(r'^target triple = ".*"$', f'target triple = "{TRIPLE}"', text, flags=re.M)
    text = re.sub(
        r'^target datalayout = ".*"$', f'target datalayout = "{LAYOUT}"', text, flags=re.M
    )
    text = re.sub(r'"target-(cpu|features)"="[^"]*"', "", text)
    # Kernels allocate nothing, so their arrays belong to nobody, and are counted by nobody.
    text = re.sub(
        r"^(define[^\n]*@NRT_(?:incref|decref)\([^)]*\)).*?^}",
        r"\1 { ret void }",
        text,
        flags=re.M | re.S,
    )
    return text


def _object(whole, exported: set[str]) -> bytes:
    """Return the object file of a module, after all that LLVM knows to make it fast."""
    import llvmlite.binding as llvm

    for function in whole.functions:
        if not function.is_declaration and function.name not in exported:
            function.linkage = "internal"
        if function.name in exported:
            function.linkage = "external"
            function.visibility = "default"
    for variable in whole.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    machine = llvm.Target.from_triple(TRIPLE).create_target_machine(
        cpu="generic", features=FEATURES, opt=3, reloc="pic", codemodel="default"
    )
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(whole, builder)
    if os.environ.get("NNENGINE_SHOW_IR"):
        Path(os.environ["NNENGINE_SHOW_IR"]).write_text(str(whole))
    return machine.emit_object(whole)


def _link(source: Path, target: Path, symbols: list[str]) -> None:
    command = [*(linker() or ()), "-shared", "--experimental-pic", "--no-entry", "--gc-sections"]
    command += ["--strip-all", "--allow-undefined", *(f"--export={name}" for name in symbols)]
    done = subprocess.run(
        [*command, "-o", str(target), str(source)], capture_output=True, text=True
    )
    if done.returncode:
        raise CompileError(f"linking failed: {done.stderr.strip()[-2000:]}")


def _section(content: bytes) -> bytes:
    """Return a section of a WebAssembly module that browsers pass over."""
    named = _size(len(entries.SECTION)) + entries.SECTION.encode() + content
    return b"\0" + _size(len(named)) + named


def _size(n: int) -> bytes:
    """Return a number as WebAssembly writes it: seven bits a byte, the lowest first."""
    rest = b"" if n < 128 else _size(n >> 7)
    return bytes([n & 127 | (128 if rest else 0)]) + rest


def main(arguments: list[str]) -> int:
    """Write the module; return the exit status."""
    if arguments[:1] == ["--here"]:
        _compile(Path(arguments[1]), arguments[2:] or entries.ENTRIES)
        return 0
    try:
        file = make(Path(arguments[0]) if arguments else entries.FILE)
    except CompileError as fault:
        print(fault, file=sys.stderr)
        return 2
    print(f"{file}: {file.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
