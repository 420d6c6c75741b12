"""Numbers that were pressed can be kept out of a recorded test."""

from __future__ import annotations

from ivrbench.observe.case import Case, Step
from ivrbench.observe.case_dial import Dial
from ivrbench.observe.case_secrets import asked_for_secret, without_numbers
from ivrbench.observe.case_source import Checks, case_name, case_source


def plays(name: str) -> Step:
    return Step(0.0, "call", "plays", [f'"{name}"'], "prompts")


def press(keys: str, who: str = "call", at_s: float = 0.0) -> Step:
    return Step(at_s, who, "press", [f'"{keys}"'])


def case(*steps: Step) -> Case:
    keys = "".join(s.arguments[0][1:-1] for s in steps if (s.who, s.verb) == ("call", "press"))
    return Case("bank", 3, 0.0, 1.0, Dial(), list(steps), keys, [])


def pressed(case: Case) -> list[str]:
    return [step.arguments[0][1:-1] for step in case.steps if step.verb == "press"]


def test_numbers_become_others() -> None:
    """The same one everywhere for the same number, as long as it was; choices stay."""
    before = case(
        press("2"), plays("a"), press("4711#", at_s=20), plays("b"), press("99#4711*815#", at_s=50)
    )
    after = without_numbers(before)
    assert pressed(after) == ["2", "1111#", "99#1111*222#"]
    assert after.keys == "21111#99#1111*222#"
    assert pressed(before) == ["2", "4711#", "99#4711*815#"], "the case itself is as it was"
    assert len(after.notes) == 1


def test_a_number_pressed_slowly() -> None:
    """Presses with nothing between them are one number, of each party."""
    slow = case(press("4"), press("7"), press("1#"), press("815", "callee"), press("20", at_s=9))
    assert pressed(without_numbers(slow)) == ["1", "1", "1#", "222", "20"]


def test_a_script_that_does_something_at_each_key() -> None:
    """Keys pressed quickly are one number all the same; slow ones are choices."""
    beeps = [press("4", at_s=1), plays("beep"), press("7", at_s=2.5), plays("beep")]
    assert pressed(without_numbers(case(*beeps, press("1#", at_s=5)))) == ["1", "1", "1#"]
    slow = [press("4", at_s=1), plays("a"), press("7", at_s=4), plays("b"), press("1", at_s=7)]
    assert pressed(without_numbers(case(*slow))) == ["4", "7", "1"]


def test_what_stands_for_a_number_is_another() -> None:
    """Also for a number that looks like one of ours, and where there are many."""
    alike = case(press("1111"), plays("a"), press("2222", at_s=30))
    assert pressed(without_numbers(alike)) == ["3333", "4444"]
    many = case(
        *(each for n in range(100, 130) for each in (press(str(n), at_s=n * 20), plays("next")))
    )
    shown = pressed(without_numbers(many))
    assert len(set(shown)) == 30
    assert all(len(each) == 3 for each in shown)


def test_a_number_that_is_called() -> None:
    """A URI with what was pressed in it goes with it; longer numbers are others."""
    connects = Step(0.0, "call", "connects", ['"sip:4711@192.0.2.7"'], "legs", result="callee")
    other = Step(0.0, "call", "connects", ['"sip:14711@192.0.2.7"'], "legs", result="callee2")
    after = without_numbers(case(press("4711#"), connects, other))
    assert after.steps[1].arguments == ['"sip:1111@192.0.2.7"']
    assert after.steps[2].arguments == ['"sip:14711@192.0.2.7"']


def test_nothing_to_hide() -> None:
    """Then the case is the same."""
    before = case(press("1"), plays("a"), press("22#", at_s=9))
    assert without_numbers(before) is before


def test_source_and_name() -> None:
    """Nowhere in the test, which says what to do."""
    secret = case(plays("pin.wav"), press("4711#"))
    checks = Checks(masks=True)
    name = case_name(secret, checks)
    assert name == "test_bank_1111hash_caller_hangs_up"
    source = case_source(secret, name, checks)
    assert "4711" not in source
    assert 'assert call.keys == "1111#"' in source
    assert "# other numbers were pressed in the call" in source
    assert "4711" in case_source(secret, name)


def test_prompts_that_ask_for_secrets() -> None:
    """By their name, if a number follows."""
    assert asked_for_secret(case(plays("enter_pin.wav"), press("4711#"))) == "enter_pin.wav"
    assert asked_for_secret(case(plays("pin.wav"), press("1"))) == ""
    assert asked_for_secret(case(plays("pin.wav"), plays("city.wav"), press("4711"))) == ""
