import pytest
from rich.console import Console

from credit.demo.steps import Runner, Step
from credit.errors import StepError
from credit.platform import Home


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "platform")


def run(home, *steps):
    runner = Runner(home, Console(quiet=True))
    for step in steps:
        runner.run(step)
    return [result.skipped for result in runner.results]


def step(name="version", command=("--version",), outputs=(), inputs=()):
    return Step(name, "Print the version", command, ("credit",), outputs, inputs)


def test_a_finished_step_is_skipped_until_its_inputs_change(home, tmp_path):
    source = tmp_path / "table.csv"
    source.write_text("a")
    steps = step("one", inputs=(source,)), step("two")
    assert run(home, *steps) == [False, False]
    assert run(home, *steps) == [True, True]
    source.write_text("changed")
    assert run(home, *steps) == [False, False]


def test_a_changed_argument_runs_the_step_and_those_after_it(home):
    assert run(home, step("one"), step("two")) == [False, False]
    assert run(home, step("one", ("--help",)), step("two")) == [False, False]


def test_a_lost_output_runs_the_step_again(home, tmp_path):
    output = tmp_path / "output"
    output.touch()
    assert run(home, step(outputs=(output,))) == [False]
    output.unlink()
    with pytest.raises(StepError, match="did not write"):
        run(home, step(outputs=(output,)))


def test_a_forgotten_step_runs_again(home):
    assert run(home, step("one")) == [False]
    Runner(home, Console(quiet=True)).forget("one")
    assert run(home, step("one")) == [False]


def test_a_failure_names_step_cause_and_command(home):
    with pytest.raises(StepError, match=r"(?s)'broken'.*exit code 1.*creditctl nonsense"):
        run(home, step("broken", ("nonsense",)))
    with pytest.raises(StepError):
        run(home, step("broken", ("nonsense",)))
