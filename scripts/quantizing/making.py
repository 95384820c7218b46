"""One model from its licence to the assistant's settings, each step where the last start ended."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from assistant.commands.models import Reporter
from assistant.machine import size_text
from assistant.one_at_a_time import one_at_a_time
from models.families import OpenedModel, open_blockwise
from models.files.bounded import MOST_DATA_BYTES, read_json
from models.footprint import host_bytes
from quantizer.errors import SettingsError
from quantizer.recipes.recipe import read_recipe
from quantizing import consent, measuring, needs, using
from quantizing.calibration import Calibration, check_choice, forget, prepare, restored
from quantizing.errors import NotDone
from quantizing.look import Look
from quantizing.programs import Programs, run
from quantizing.progress import Warnings, Watch
from quantizing.state import State
from quantizing.wanted import Wanted

RECIPES = ("cmdq", "image-text")
"""For models that see pictures: the first whose rules fit."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user can say.

    calibration: as in `quantizing.calibration.prepare`.
    answer:      asks at the terminal; None where there is none.
    """

    calibration: str = ""
    samples: int | None = None
    device: str = "auto"
    accepted: bool = False
    restart: bool = False
    plan_only: bool = False
    use: bool = True
    answer: Callable[[str], str] | None = None


@dataclass(slots=True)
class Making:
    """The steps; `all` does them in order.

    go_offline: called when nothing more is fetched.
    """

    wanted: Wanted
    choices: Choices
    tell: Callable[[str], None]
    programs: Programs = field(default_factory=Programs)
    go_offline: Callable[[], object] = lambda: None

    def all(self) -> None:
        """Make the model small, or go on where an earlier start ended.

        Raises:
            NotDone: a step was refused or failed.
            AssistantError, ModelsError, QuantizerError, OSError: as they come.
        """
        self.wanted.out.parent.mkdir(parents=True, exist_ok=True)
        state = State(self.wanted)
        busy = NotDone(f"{self.wanted.name} is being made by another command", "wait for that one")
        with one_at_a_time(self.wanted.work / "lock", busy):
            self._all(state)

    def _all(self, state: State) -> None:
        wanted, choices = self.wanted, self.choices
        if choices.restart and not choices.plan_only:
            for name in ("calibration", "finished", "measured"):
                state.put(name, None)
        seen = needs.look_around(self.programs, choices.device, wanted.out.parent, self.tell)
        if not (state.get("finished") and (wanted.out / "report.json").is_file()):
            state.put("finished", None)
            if not self._made(state, seen):
                return
        else:
            self.go_offline()
            self.tell(f"{wanted.out} is there already; --restart makes it anew.")
            if choices.plan_only:
                return
        self.tell("Looking the result over.")
        measuring.inspect(self.programs, wanted, self.tell)
        self._measured(state, seen)
        self._hand_over(state)

    def _made(self, state: State, seen: Look) -> bool:
        """From the licence to the finished folder; False where only the plan was asked for."""
        wanted, choices = self.wanted, self.choices
        if restored(state) is None:
            check_choice(wanted, choices.calibration)
        if not wanted.is_here and not choices.plan_only:
            assert wanted.model is not None, "a folder is here"
            consent.ask(
                wanted.model, state, self.tell, accepted=choices.accepted, answer=choices.answer
            )
        needs.check_before_pull(wanted, seen, choices.device, self.tell)
        if choices.plan_only and wanted.model is not None:
            return False
        if not wanted.is_here:
            run((*self.programs.assistant, "models", "pull", wanted.name), self.tell)
        opened = open_blockwise(wanted.source)
        progress = Reporter(as_json=False).progress
        data = prepare(
            wanted, opened, state, choices.calibration, choices.samples, self.tell, progress
        )
        self.go_offline()
        # A start that was killed between the end of its run and this line has made it.
        if not was_made(wanted, data):
            plan = self._plan(opened, data, seen)
            if choices.plan_only:
                return False
            self._run(opened, data, plan)
        state.put("sees", opened.layout.pictures is not None)
        state.put("measured", None)
        state.put("finished", True)
        return True

    def _measured(self, state: State, seen: Look) -> None:
        """Say how good it is, once."""
        data = restored(state)
        if state.get("measured") is not None or data is None or not self.wanted.source.is_dir():
            return
        sees = bool(state.get("sees"))
        self.tell(measuring.errors_of_layers(self.wanted))
        try:
            measured = measuring.measure(
                self.programs, self.wanted, data, seen, sees=sees, tell=self.tell
            )
        except NotDone as error:
            # It is made and looked over; that alone is no reason to keep it from the user.
            self.tell(f"WARNING: how good it is could not be measured: {error}.")
            self.tell("The same command tries that again.")
            return
        state.put("measured", {} if measured is None else {"value": measured["value"]})

    def _command(self, opened: OpenedModel, data: Calibration) -> list[str]:
        wanted, choices = self.wanted, self.choices
        command = [*self.programs.quantizer, "run", str(wanted.source), "--out", str(wanted.out)]
        command += ["--calibration", str(data.fitting), "--samples", str(data.samples)]
        command += ["--device", choices.device]
        recipe = recipe_for(opened)
        return [*command, "--recipe", recipe] if recipe else command

    def _plan(self, opened: OpenedModel, data: Calibration, seen: Look) -> dict[str, Any]:
        self.tell("Working out what the run takes.")
        command = [*self._command(opened, data), "--dry-run", "--json"]
        plan: dict[str, Any] = json.loads(run(command, self.tell, keep=True).out)
        needs.check_plan(plan, seen, self.choices.device, self.tell)
        return plan

    def _run(self, opened: OpenedModel, data: Calibration, plan: dict[str, Any]) -> None:
        command = self._command(opened, data)
        if self.choices.restart:
            command.append("--restart")
        watch, warnings = Watch(self.wanted.out, plan, self.tell), Warnings(self.tell)
        done = run((*command, "--json"), warnings, keep=True, meanwhile=watch.look)
        warnings.say_rest(self.wanted.out / "report.md")
        totals = json.loads(done.out)
        self.tell(
            f"{totals['modules']} layers are in 4 bits: {size_text(totals['bytes_before'])} became "
            f"{size_text(totals['bytes'])}, in {needs.duration(totals['seconds'])}."
        )

    def _hand_over(self, state: State) -> None:
        wanted = self.wanted
        if not self.choices.use:
            self.tell(f"It lies in {wanted.out}. The settings were left as they are.")
        else:
            using.use(wanted, state, self.tell, sees=bool(state.get("sees")))
            self.tell(f"To undo that: scripts/quantize --undo {_as_given(wanted)}")
        if state.get("measured") is not None:
            forget(wanted)
        if wanted.model is not None and wanted.source.is_dir():
            self.tell(
                f"The full model in {wanted.source} is only needed to make it anew: removing it "
                f"frees {size_text(host_bytes(wanted.source))}."
            )


def was_made(wanted: Wanted, data: Calibration) -> bool:
    """True if the folder that came out is that of a run with just these data."""
    try:
        report = read_json(wanted.out / "report.json", MOST_DATA_BYTES)
        found = (report["source"], report["calibration"]["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return found == (str(wanted.source), str(data.fitting))


def recipe_for(opened: OpenedModel) -> str:
    """The recipe for a model, "" for the usual method.

    Raises:
        NotDone: it sees pictures, and no recipe fits.
    """
    if opened.layout.pictures is None:
        return ""
    for name in RECIPES:
        try:
            read_recipe(name).check(opened.blockwise)
        except SettingsError:
            continue
        return name
    raise NotDone(
        f"{opened.folder}: no recipe fits this model", "write one and give it to quantizer run"
    )


def _as_given(wanted: Wanted) -> str:
    return wanted.name if wanted.model is not None else str(wanted.source)
