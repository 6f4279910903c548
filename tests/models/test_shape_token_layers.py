import subprocess
import sys

from alpkd_pipeline.models.shape import TokenLayers


def test_nothing_is_wanted_unless_it_is_named() -> None:
    assert TokenLayers() == TokenLayers(states=(), scores=(), qkv=())


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from alpkd_pipeline.models import shape;"
        " assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
