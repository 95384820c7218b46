"""CogVLM2 as one module; parameter names are those of the published checkpoint."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.cogvlm2.config import CogVLM2Config
from models.cogvlm2.decoder import VISION, DecoderLayer, KVCache, RMSNorm, Routing, position_ids
from models.cogvlm2.vision import VisionModel
from models.errors import PictureError


class CogVLM2Model(nn.Module):
    """Embeddings, picture encoder, decoder layers and the final norm."""

    def __init__(self, config: CogVLM2Config) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.vision = VisionModel(config)

    def embed(self, input_ids: Tensor, token_type_ids: Tensor, features: Tensor | None) -> Tensor:
        """Look words up and put the picture features into the picture's places.

        Args:
            input_ids: (B, T). token_type_ids: (B, T).
            features: (pictures, N, D), one row per sequence that has a picture, in order.
        Returns:
            (B, T, D)
        Raises:
            PictureError: a sequence has two pictures, or features and places do not match.
        """
        words: Tensor = self.embed_tokens(input_ids)
        if features is None:
            return words
        is_vision = token_type_ids == VISION
        with_picture = is_vision.any(1)
        full = is_vision.sum(1) == features.shape[1]
        if int(with_picture.sum()) != len(features) or bool((with_picture & ~full).any()):
            raise PictureError(
                f"{len(features)} pictures of {features.shape[1]} tokens do not fit the prompts' "
                f"picture places, {is_vision.sum(1).tolist()}: give a prompt at most one picture"
            )
        places = is_vision.flatten().nonzero().squeeze(1)
        flat = words.flatten(0, 1)
        return flat.index_copy(0, places, features.flatten(0, 1).to(words.dtype)).view_as(words)


class CogVLM2ForCausalLM(nn.Module):
    """CogVLM2 with its language head; 19 billion parameters or a few million, one class."""

    def __init__(self, config: CogVLM2Config) -> None:
        super().__init__()
        self.config = config
        self.model = CogVLM2Model(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def forward(
        self,
        input_ids: Tensor,
        token_type_ids: Tensor | None = None,
        *,
        pixels: Tensor | None = None,
        features: Tensor | None = None,
        attention_mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Compute next-token logits (B, T, vocabulary); see `hidden_states` for the arguments."""
        return self.lm_head(  # type: ignore[no-any-return]
            self.hidden_states(
                input_ids,
                token_type_ids,
                pixels=pixels,
                features=features,
                attention_mask=attention_mask,
                positions=positions,
                cache=cache,
            )
        )

    def hidden_states(
        self,
        input_ids: Tensor,
        token_type_ids: Tensor | None = None,
        *,
        pixels: Tensor | None = None,
        features: Tensor | None = None,
        attention_mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Compute what the language head reads, without the logits of thousands of patches.

        Args:
            input_ids: (B, T) token ids; picture places hold any id.
            token_type_ids: (B, T), 1 at picture places; all words if left out.
            pixels: (pictures, 3, S, S), or ``features`` computed from them earlier.
            attention_mask: (B, S) over cached and new tokens, 0 at padding on the left.
            positions: (B, T); computed from the token types if left out, which is right
                only where nothing is cached yet.
            cache: extended in place by the new tokens. A picture must not be split over calls.
        Returns:
            (B, T, D), normalized.
        """
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        if positions is None:
            positions = position_ids(types, attention_mask)
        if pixels is not None:
            features = self.model.vision(pixels)
        x = self.model.embed(input_ids, types, features)
        x = self.decode(x, token_type_ids, positions, attention_mask, cache)
        return self.model.norm(x)  # type: ignore[no-any-return]

    def text_logits(self, ids: Tensor) -> Tensor:
        """Compute logits (B, T, vocabulary) of ids (B, T) of words alone."""
        logits: Tensor = self(ids)
        return logits

    def text_steps(self) -> Callable[[Tensor], Tensor]:
        """Begin texts without a picture: each call takes ids (B, T) and returns the logits
        (B, vocabulary) after them."""
        cache = KVCache(self.config.num_hidden_layers)

        def step(ids: Tensor) -> Tensor:
            start = cache.length
            positions = torch.arange(start, start + ids.shape[1], device=ids.device).expand_as(ids)
            hidden = self.hidden_states(ids, positions=positions, cache=cache)
            logits: Tensor = self.lm_head(hidden[:, -1])
            return logits

        return step

    def text_ends(self) -> frozenset[int]:
        """The ids that end an answer."""
        return frozenset(self.config.eos_token_ids)

    def decode(
        self,
        x: Tensor,
        token_type_ids: Tensor | None,
        positions: Tensor,
        attention_mask: Tensor | None,
        cache: KVCache | None,
    ) -> Tensor:
        """Run all decoder layers on embeddings (B, T, D); token_type_ids None: all are words."""
        # Whether any type is a picture's is known only once a card has finished its work.
        routing = None if token_type_ids is None else Routing.from_token_types(token_type_ids)
        past = 0 if cache is None else cache.length
        mask = causal_mask(x, past, attention_mask)
        for index, layer in enumerate(self.model.layers):
            x = layer(x, routing, positions, mask, cache, index)
        return x


def causal_mask(x: Tensor, past: int, attention_mask: Tensor | None) -> Tensor | None:
    """Say which of the past + T tokens each of the T new ones may see: (B, 1, T, past + T).

    None stands for what PyTorch's kernels know without a tensor: the plain causal mask where
    nothing is cached, and one new token, which sees everything.
    A row that could see nothing (padding) sees itself, so that its values stay finite.
    """
    new = x.shape[1]
    if attention_mask is None and (past == 0 or new == 1):
        return None
    rows = torch.arange(past, past + new, device=x.device)[:, None]
    columns = torch.arange(past + new, device=x.device)[None, :]
    allowed = (columns <= rows)[None, None]  # (1, 1, T, S)
    if attention_mask is not None:
        allowed = allowed & (attention_mask != 0)[:, None, None, :]
        allowed = allowed | (columns == rows)
    return allowed
