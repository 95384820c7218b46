"""Image-text models of transformers as they are used: picture, prompt, tower, answer.

The families beside LLaMA's say how such a model is built and quantized; what lies here asks it
about pictures. Nothing here needs torchvision, and nothing knows the assistant.
"""
