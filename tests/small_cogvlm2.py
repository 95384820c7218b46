"""The smallest CogVLM2 that has all parts of a large one."""

from models.cogvlm2.config import CogVLM2Config, VisionConfig


def small_config(*, words: int = 99, tower_wide: int = 24) -> CogVLM2Config:
    """Two layers at a width of 32; a picture of 56 pixels takes 6 places in the prompt.

    words:      the size of its vocabulary.
    tower_wide: the width inside the MLPs of its tower.
    """
    return CogVLM2Config(
        vocab_size=words,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_multi_query_heads=2,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_ids=(2,),
        pad_token_id=0,
        vision=VisionConfig(
            image_size=56,
            patch_size=14,
            hidden_size=16,
            num_heads=2,
            num_hidden_layers=2,
            intermediate_size=tower_wide,
        ),
    )
