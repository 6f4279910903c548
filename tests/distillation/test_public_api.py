import subprocess
import sys

import pytest
import torch

import alpkd_pipeline.distillation as distillation


def test_names_are_loaded_on_first_use():
    code = (
        "import sys, alpkd_pipeline.distillation as d; assert 'torch' not in sys.modules;"
        " assert {'Signal', 'LossTerms', 'build_method'} <= set(dir(d));"
        " d.Signal; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Sginal'"):
        distillation.Sginal  # noqa: B018


def test_the_snippet_of_the_readme():
    from alpkd_pipeline.distillation import LossTerms, Signal, build_method

    torch.manual_seed(0)
    z_s, z_t, y = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3), torch.tensor([0, 2])
    s, t = torch.randn(2, 4, 768, requires_grad=True), torch.randn(2, 12, 768)
    method = build_method(
        "alp_kd",
        teacher_layers=12,
        student_layers=4,
        teacher_width=768,
        student_width=768,
        beta=0.1,
        eta=0.7,
        lambda_=0.2,
        temperature=10.0,
    )
    terms = method(
        student=Signal(logits=z_s, layers=s), teacher=Signal(logits=z_t, layers=t), labels=y
    )
    assert isinstance(terms, LossTerms)
    expected = 0.1 * terms.hard + 0.7 * terms.soft + 0.2 * terms.intermediate
    torch.testing.assert_close(terms.total, expected)
    assert terms.weights.shape == (2, 4, 12)
    terms.total.backward()
    assert z_s.grad is not None
    assert s.grad is not None
