from __future__ import annotations

from alpkd_pipeline.errors import UserError, user_error


def raised(wrap: bool, hide: bool = False) -> RuntimeError:
    try:
        try:
            raise UserError("the line")
        except UserError as cause:
            raise RuntimeError("outer") from (cause if wrap else None if hide else ValueError("x"))
    except RuntimeError as error:
        return error


def test_a_user_error_is_its_own() -> None:
    error = UserError("the line")
    assert user_error(error) is error


def test_it_is_found_behind_the_exception_that_wraps_it() -> None:
    assert str(user_error(raised(wrap=True))) == "the line"


def test_it_is_found_where_the_wrapper_hides_its_cause() -> None:
    assert str(user_error(raised(wrap=False, hide=True))) == "the line"


def test_it_is_found_two_wrappers_deep() -> None:
    outermost = KeyError("outermost")
    outermost.__cause__ = raised(wrap=True)
    assert str(user_error(outermost)) == "the line"


def test_other_exceptions_are_nobody_s_mistake() -> None:
    assert user_error(ValueError("a bug")) is None
    assert user_error(None) is None
