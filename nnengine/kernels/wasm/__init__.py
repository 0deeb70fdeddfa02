"""Wasm: the compiled kernels for browsers: what there is, how it is made and called."""
