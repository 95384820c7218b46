"""How the tests of a server of one's own ask a server that misbehaves."""

import numpy as np
import pytest

from assistant.errors import VisionError
from assistant.inference.server_address import parse_address
from assistant.inference.server_link import ServerThreads
from assistant.inference.server_model import Server, ServerTextModel
from assistant.inference.server_wire import Limits
from tests.assistant.inference.fake_model_server import Manner, ModelServer, serving

QUICK = Limits(connect_s=2.0, first_s=0.3, next_s=0.3, whole_s=20.0)
QUICK_NEXT = Limits(connect_s=2.0, first_s=20.0, next_s=0.3, whole_s=20.0)
PATIENT = Limits(connect_s=5.0, first_s=30.0, next_s=30.0, whole_s=60.0)
RGB = np.random.default_rng(3).integers(0, 255, (12, 20, 3)).astype(np.uint8)


def threads(server: ModelServer, limits: Limits = PATIENT, model: str = "tiny") -> Server:
    """A way to the server without another process; what answers is the same."""
    return Server(ServerThreads(parse_address(server.address)), model, limits)


def text(server: Server) -> str:
    return "".join(ServerTextModel(server).answer("The cup is red.", "What is red?"))


def failure(manner: Manner, limits: Limits = PATIENT) -> str:
    """What is said about a server that answers a question about a text like this."""
    with serving(manner=manner) as fake:
        with pytest.raises(VisionError) as raised:
            text(threads(fake, limits))
        return str(raised.value).replace(f"127.0.0.1:{fake.port}", "HERE")
