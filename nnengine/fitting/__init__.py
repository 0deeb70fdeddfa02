"""Fitting: a network learns from tables, floats and weights too; what `nnengine.estimator` does.

`examples` has what is learnt from, `passes` how. Neither needs scikit-learn.
"""
