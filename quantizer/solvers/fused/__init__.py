"""Steps that go column by column, each as one kernel a block of columns; for CUDA with Triton.

In PyTorch every column of such a step costs a dozen launches, and a large model has millions of
columns. Here the rows of a layer, which do not depend on each other, are shared among programs,
and each program takes all columns of the block in turn.

What lives here: one file a step, with its kernel and what launches it, and `choice`, which says
whether they are used. The reference, and the way of every other device, stands in the solvers.
Sums are taken in another order here, so that a code on the edge between two may differ.
"""
