from dataclasses import replace

import pytest

from alpkd_pipeline.distillation.method_spec import KnownSizes, check_batches, check_sizes
from alpkd_pipeline.distillation.method_table import METHODS, get_spec, resolve_method
from alpkd_pipeline.errors import UserError

SIZES = KnownSizes(
    teacher_layers=12,
    student_layers=4,
    teacher_width=48,
    student_width=48,
    teacher_heads=4,
    student_heads=4,
)
UNKNOWN = KnownSizes(None, 4, None, None, None, None)


def checked(name, sizes, **options):
    check_sizes(get_spec(name), resolve_method(name, {}, None, options), sizes)


def refused(name, sizes, **options):
    with pytest.raises(UserError) as caught:
        checked(name, sizes, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("sizes", [SIZES, UNKNOWN])
def test_sizes_that_fit_or_are_not_known_yet(name, sizes):
    checked(name, sizes)


def test_rail_kd_needs_a_layer_to_spare():
    checked("rail_kd", replace(SIZES, student_layers=11))
    checked("alp_kd", replace(SIZES, student_layers=12))
    assert refused("rail_kd", replace(SIZES, student_layers=12)) == (
        "method 'rail_kd' needs a student with at least 1 layer less than its teacher's 12, not 12:"
        " set student.layers to at most 11"
    )


def test_groups_of_the_teachers_layers_fit_in_the_place_of_the_students():
    for layers in (1, 3, 12):
        checked("theseus", replace(SIZES, student_layers=layers))
    said = "method 'theseus' puts groups of the teacher's layers in the place of student layers"
    assert refused("theseus", replace(SIZES, student_layers=5)) == (
        f"{said}, and 12 layers are no 5 equal groups: set student.layers to a divisor of 12"
    )
    leave = "leave out student.hidden_size and student.heads"
    assert refused("theseus", replace(SIZES, student_width=24)) == (
        f"{said}: the student's width must be the teacher's 48, not 24; {leave}"
    )
    assert refused("theseus", replace(SIZES, student_heads=2)) == (
        f"{said}: the student's attention heads must be the teacher's 4, not 2; {leave}"
    )


def test_the_followed_layer_is_one_of_the_teachers():
    checked("minilmv2", SIZES, teacher_layer=12)
    assert "teacher_layer=13 of method 'minilmv2' is refused: the teacher has 12 layers" in refused(
        "minilmv2", SIZES, teacher_layer=13
    )


def test_the_last_student_layer_may_be_left_out_where_there_is_another():
    checked("rail_kd", replace(SIZES, student_layers=12), with_last=False)
    one = replace(SIZES, student_layers=1)
    assert refused("rail_kd", one, with_last=False) == (
        "method 'rail_kd' leaves out the student's last layer with with_last=false, and this"
        " student has no other: set method.with_last=true"
    )
    checked("pkd", one, with_last=False)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("batch", "accumulation", "words"),
    [(7, 1, "set training.batch_size to at least 8, not 7"), (8, 2, "training.accumulation to 1")],
)
def test_batches_whose_rows_are_compared_are_whole_and_large_enough(
    name, batch, accumulation, words
):
    check_batches(METHODS[name], 8, 1)
    if name == "cka":
        with pytest.raises(UserError, match=words) as caught:
            check_batches(METHODS[name], batch, accumulation)
        assert "\n" not in str(caught.value)
    else:
        check_batches(METHODS[name], batch, accumulation)


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"teacher_heads": 5}, {}, "5 relation heads, and the teacher's width 48"),
        ({"student_width": 30}, {}, "4 relation heads, and the student's width 30"),
        ({}, {"relation_heads": 7}, "7 relation heads, and the teacher's width 48"),
    ],
)
def test_relation_heads_divide_both_widths(changes, options, words):
    assert words in refused("minilmv2", replace(SIZES, **changes), **options)


def test_relation_heads_need_not_be_those_of_either_model():
    sizes = replace(SIZES, student_width=36, student_heads=3, teacher_heads=4)
    checked("minilmv2", sizes, relation_heads=12)


def test_attention_is_compared_between_equal_heads():
    assert "the student has 3 heads and the teacher 4" in refused(
        "tinybert", replace(SIZES, student_heads=3)
    )
    checked("tinybert", replace(SIZES, student_heads=None))
