"""C code: a network as one C99 file that sets no memory aside, for a microcontroller too."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..core.activations import LEAK
from ..core.network import Network
from .code import Line, lines_of, titled


def write(network: Network) -> bytes:
    """Return the source: `nn_probabilities(pixels, out)` and `nn_answer(pixels)`.

    Two buffers, as long as the widest layer, lie in static memory; weights are constants.
    """
    lines = lines_of(network)
    widest = max(math.prod(shape) for line in lines for shape in (line.before, line.after))
    kinds = {line.kind for line in lines}
    parts = [
        _HEAD.format(
            title=_comment(titled(network)), inputs=network.inputs, classes=network.classes,
            widest=widest, real="double" if network.dtype == np.float64 else "float",
            image="x".join(map(str, network.shape)), scale=_number(network, network.input_scale),
            names=", ".join(map(_string, network.class_names)),
        ),
        *(_constant(name, array) for line in lines for name, array in line.arrays.items()),
        *(text for kind, text in _FUNCTIONS.items() if kind in kinds),
        _ANSWER.format(lines="\n".join(_calls(lines))),
    ]  # fmt: skip
    return "\n".join(part.strip("\n") + "\n" for part in parts).encode()


def _calls(lines: list[Line]) -> Iterator[str]:
    """Yield the calls, from one buffer into the other; what works in place stays in its own."""
    x, z = "nn_a", "nn_b"
    for line in lines:
        names = "".join(f", {name}" for name in line.arrays)
        before, after = math.prod(line.before), math.prod(line.after)
        sides = ", ".join(map(str, (*line.before, *line.after, *line.window, line.stride)))
        if line.kind == "dense":
            yield f"    dense({x}, {before}{names}, {after}, {z});"
        elif line.kind == "conv":
            yield f"    conv({x}{names}, {sides}, {line.pad}, {z});"
        elif line.kind in ("pool", "average"):
            yield f"    {line.kind}({x}, {sides}, {z});"
        elif line.kind == "norm":
            yield f"    norm({x}, {after}{names}, {line.after[2]});"
        else:
            name = {"tanh": "hyperbolic"}.get(line.kind, line.kind)  # C has one of its own
            yield f"    {name}({x}, {after});"
        if line.kind in ("dense", "conv", "pool", "average"):
            x, z = z, x
    yield f"    softmax({x}, out);"


def _constant(name: str, array: np.ndarray) -> str:
    suffix = "f" if array.dtype == np.float32 else ""
    rows, flat = [], array.ravel()
    for start in range(0, flat.size, 8000):  # as text a number takes 128 bytes for a while
        texts = [f"{number}{suffix}" for number in flat[start : start + 8000].astype(str)]
        rows += [", ".join(texts[at : at + 8]) for at in range(0, len(texts), 8)]
    shape = " x ".join(map(str, array.shape))
    body = ",\n    ".join(rows)
    return f"static const real {name}[{array.size}] = {{  /* {shape} */\n    {body}}};"


def _number(network: Network, value: float) -> str:
    return f"{network.dtype.type(value)}" + "f" * (network.dtype == np.float32)


def _string(text: str) -> str:
    """Return a C string: bytes beyond plain letters as three octal digits."""
    plain = (chr(b) if chr(b).isalnum() and b < 128 or chr(b) in " -_./+" else f"\\{b:03o}"
             for b in text.encode())  # fmt: skip
    return f'"{"".join(plain)}"'


def _comment(text: str) -> str:
    return text.replace("*/", "* /")


_HEAD = """
/* {title}.

   cc -O2 -DNN_MAIN FILE -lm makes a program: bytes of images ({image}) in, answers out.
   Without NN_MAIN it is what a microcontroller needs: no memory is set aside, no file touched. */

#include <math.h>

#define NN_INPUTS {inputs}
#define NN_CLASSES {classes}

typedef {real} real;

static const char *const nn_names[NN_CLASSES] = {{{names}}};
static const real nn_scale = {scale};
static real nn_a[{widest}], nn_b[{widest}];
"""

_FUNCTIONS = {
    "dense": """
static void dense(const real *x, int inputs, const real *w, const real *b, int units, real *z) {
    for (int k = 0; k < units; k++) z[k] = b[k];
    for (int i = 0; i < inputs; i++)
        if (x[i] != 0)
            for (int k = 0; k < units; k++) z[k] += x[i] * w[i * units + k];
}
""",
    "conv": """
static void conv(const real *x, const real *w, const real *b, int h, int wd, int c, int oh, int ow,
                 int maps, int kh, int kw, int stride, int pad, real *z) {
    for (int i = 0; i < oh; i++)
        for (int j = 0; j < ow; j++, z += maps) {
            for (int m = 0; m < maps; m++) z[m] = b[m];
            for (int p = 0; p < kh; p++)
                for (int q = 0; q < kw; q++) {
                    int r = i * stride + p - pad, s = j * stride + q - pad;
                    if (r < 0 || r >= h || s < 0 || s >= wd) continue;
                    for (int n = 0; n < c; n++)
                        for (int m = 0; m < maps; m++)
                            z[m] += x[(r * wd + s) * c + n] * w[((p * kw + q) * c + n) * maps + m];
                }
        }
}
""",
    "pool": """
static void pool(const real *x, int h, int wd, int c, int oh, int ow, int maps, int kh, int kw,
                 int stride, real *z) {
    for (int i = 0; i < oh; i++)
        for (int j = 0; j < ow; j++)
            for (int n = 0; n < maps; n++) {
                real most = x[(i * stride * wd + j * stride) * c + n];
                for (int p = 0; p < kh; p++)
                    for (int q = 0; q < kw; q++) {
                        real v = x[((i * stride + p) * wd + j * stride + q) * c + n];
                        if (v > most) most = v;
                    }
                *z++ = most;
            }
    (void)h;
}
""",
    "average": """
static void average(const real *x, int h, int wd, int c, int oh, int ow, int maps, int kh, int kw,
                    int stride, real *z) {
    for (int i = 0; i < oh; i++)
        for (int j = 0; j < ow; j++)
            for (int n = 0; n < maps; n++) {
                real sum = 0;
                for (int p = 0; p < kh; p++)
                    for (int q = 0; q < kw; q++)
                        sum += x[((i * stride + p) * wd + j * stride + q) * c + n];
                *z++ = sum / (real)(kh * kw);
            }
    (void)h;
}
""",
    "norm": """
static void norm(real *x, int count, const real *factor, const real *added, int channels) {
    for (int i = 0; i < count; i++) x[i] = x[i] * factor[i % channels] + added[i % channels];
}
""",
    "relu": """
static void relu(real *x, int count) {
    for (int i = 0; i < count; i++) if (x[i] < 0) x[i] = 0;
}
""",
    "leaky_relu": f"""
static void leaky_relu(real *x, int count) {{
    for (int i = 0; i < count; i++) if (x[i] < 0) x[i] *= (real){LEAK};
}}
""",
    "tanh": """
static void hyperbolic(real *x, int count) {
    for (int i = 0; i < count; i++) x[i] = (real)tanh(x[i]);
}
""",
    "sigmoid": """
static void sigmoid(real *x, int count) {
    for (int i = 0; i < count; i++) x[i] = (real)((tanh(x[i] / 2) + 1) / 2);
}
""",
}

_ANSWER = """
static void softmax(const real *z, real *out) {{
    real most = z[0], sum = 0;
    for (int k = 1; k < NN_CLASSES; k++) if (z[k] > most) most = z[k];
    for (int k = 0; k < NN_CLASSES; k++) sum += out[k] = (real)exp(z[k] - most);
    for (int k = 0; k < NN_CLASSES; k++) out[k] /= sum;
}}

/* pixels: NN_INPUTS bytes, row by row; out: NN_CLASSES probabilities, which sum to 1. */
void nn_probabilities(const unsigned char *pixels, real *out) {{
    for (int i = 0; i < NN_INPUTS; i++) nn_a[i] = (real)pixels[i] * nn_scale;
{lines}
}}

/* The number of the likeliest class. */
int nn_answer(const unsigned char *pixels) {{
    real out[NN_CLASSES];
    int best = 0;
    nn_probabilities(pixels, out);
    for (int k = 1; k < NN_CLASSES; k++) if (out[k] > out[best]) best = k;
    return best;
}}

const char *nn_name(int number) {{ return nn_names[number]; }}

#ifdef NN_MAIN
#include <stdio.h>

int main(void) {{
    static unsigned char pixels[NN_INPUTS];
    real out[NN_CLASSES];
    while (fread(pixels, 1, NN_INPUTS, stdin) == NN_INPUTS) {{
        nn_probabilities(pixels, out);
        printf("%s", nn_name(nn_answer(pixels)));
        for (int k = 0; k < NN_CLASSES; k++) printf("\\t%.9g", (double)out[k]);
        printf("\\n");
    }}
    return 0;
}}
#endif
"""
