"""Attention of one new token whose heads share keys and values in groups."""

from torch import Tensor
from torch.nn import functional


def attend_once(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Let one token see all that is held.

    query: (B, H, 1, head_dim). key, value: (B, K, S, head_dim), each serving H/K heads in a row.
    scale: of the scores; None for the root of head_dim, inverted.
    mask:  (1, 1, 1, S) in the dtype of query, added to the scores of every head; None for none.

    The heads of a group are rows of one product: PyTorch's kernel for processors reads keys and
    values once for each of its products, and takes four to ten times as long head by head.

    Returns (B, H, 1, head_dim).
    """
    batch, shared, _, width = key.shape
    rows = query.reshape(batch, shared, -1, width)
    seen = functional.scaled_dot_product_attention(rows, key, value, attn_mask=mask, scale=scale)
    return seen.reshape(query.shape)
