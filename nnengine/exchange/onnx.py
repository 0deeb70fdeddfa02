"""ONNX: a network as the graph that most runtimes take, and from it."""

from .onnx_graph import matches
from .onnx_in import read
from .onnx_out import write

__all__ = ["matches", "read", "write"]
