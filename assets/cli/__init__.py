"""The `loveloop` command. Its help answers at once: a command's module is imported only when the command runs."""

import importlib
import os
import signal
import sys
from types import FrameType

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("loop:demo", "Run the whole loop on a synthetic world; ends in runs/demo/report.html."),
    "live-demo": ("loop:live_demo", "Play a live product in days: candidate, experiment, erasure, second cycle."),
    "chat": ("chat:chat", "Chat with a run's policies: gateway, experiment, warehouse in one command."),
    "run": ("loop:run", "Run the loop of a recipe, on a synthetic world or on your data."),
    "sweep": ("sweep:sweep", "Train one policy for each Love weight, show the Pareto front, pick the candidate."),
    "report": ("loop:report", "Write a run's report again from what its stages recorded."),
    "ui": ("ui:ui", "Serve the Dagster UI: the same stages as assets."),
    "broker": ("stream:broker", "Start a local broker: Tansu (default) or Apache Kafka."),
    "topics": ("stream:topics", "Create the topics on a broker."),
    "send": ("stream:send", "Send a file of events to the broker."),
    "collect": ("collect:collect", "Take events by HTTP and hand them to the broker: begin with curl."),
    "gateway": ("gateway:gateway", "Serve models by OpenAI's API and record what was served."),
    "replay": ("stream:replay", "Send a file of events at the pace at which they happened, or faster."),
    "ingest": ("stream:ingest", "Move events from the broker into the warehouse, exactly once."),
    "guard": ("stream:guard", "Run the live guard: flags, counts of arms and a kill switch, within seconds."),
    "warehouse": ("warehouse:warehouse", "Migrate or compact the warehouse, or show what it holds."),
    "dead-letters": ("dead_letters:dead_letters", "List lines that broke the contract, show one, judge them again."),
    "import": ("imports:import_", "Store events from files, or rows of another table, exactly once; take it back."),
    "export": ("transfer:export", "Write all events, or one table, to a file."),
    "quarantine": ("quarantine:quarantine", "Show who is left out as an adversary and why; release or confirm."),
    "training-set": ("training_set:training_set", "Freeze clean feedback into a training set, or compare two sets."),
    "train": ("train:train", "Train a policy or a reward model from files, on one rank or many."),
    "erase": ("erase:erase", "Forget a user: warehouse, training sets, runs, bytes included; with a receipt."),
    "signals": ("signals:signals", "Rank feedback signals by how well they foretell that users stay."),
    "retention": ("retention:retention", "Foretell who comes back, and what an experiment does to that."),
    "models": ("models:models", "List reward models, show one with its card's figures, compare two."),
    "evaluate": ("evaluate:evaluate", "Compare policies offline: mean P[Love] on fixed prompts, paired."),
    "sentinel": ("sentinel:sentinel", "Say what one policy's texts do that another's do not, and whether that blocks."),
    "experiment": ("experiment:experiment", "List the experiments in the log, or read one out."),
    "ledger": ("warehouse:ledger", "Show predicted beside measured lift, experiment by experiment."),
    "serve": ("serve:serve", "Serve one policy by OpenAI's API, without vLLM."),
    "vllm": ("vllm:vllm", "Serve policies by a vLLM server, or check what one serves."),
    "simulate": ("world:simulate", "Write a synthetic stream of events, with its hidden truth."),
}
"""Command, the place of its code within this package, and the line that `loveloop --help` shows."""
STARTED_BY_DAGSTER = {"stage": "stage:stage"}
"""Commands that no person types, and that no help lists."""


class LateGroup(click.Group):
    """A click group that imports a command's module on use."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse words that are no text: no file, table or message could hold them."""
        for word in args:
            try:
                whole = "\0" not in word and word.encode()
            except UnicodeEncodeError:  # bytes that are no UTF-8
                whole = False
            if whole is False:
                raise click.UsageError(f"{word!a} is no text in UTF-8, or holds a NUL; write it otherwise")
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """The commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (click's signature)
        """Import the command, or None when there is none of that name."""
        places = STARTED_BY_DAGSTER | {name: place for name, (place, _) in COMMANDS.items()}
        if cmd_name not in places:
            return None
        module, _, name = places[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"assets.cli.{module}"), name)
        return _with_examples(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's signature)
        """List the commands from the table above, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _with_examples(command: click.Command) -> click.Command:
    r"""Docstrings are raw, so click's sign for "keep these lines as they are" arrives as a backslash and a b."""
    if command.help:
        command.help = command.help.replace("\\b\n", "\b\n")
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _with_examples(each)
    return command


@click.command(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="loveloop")
def group() -> None:
    """From the hearts that users give to the model that they talk to, and back.

    Begin with `loveloop demo`: it needs no server, no GPU and no key. To bring your own feedback, post the events
    of streams/events.py to a broker (`loveloop send`), keep `loveloop ingest` running, then `loveloop run`.
    """


class _Terminated(KeyboardInterrupt):
    """SIGTERM came; it unwinds as Ctrl-C does, so that every child is ended on the way."""


def _on_sigterm(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (signal's signature)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # `timeout` sends it twice; the second must not cut off the unwinding
    raise _Terminated


def main() -> None:
    """The entry point: an expected failure is one clear message and exit code 1, never a traceback.

    Ctrl-C and SIGTERM end in good order, with exit codes 130 and 143.
    """
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # spinning threads make torch ten times slower on a shared machine
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        code: object = group(standalone_mode=False)  # of a command that ended by `Exit`; others return None
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        click.echo("\nstopped; run the same command again and it goes on where it was", err=True)
        terminated = isinstance(error, _Terminated) or isinstance(error.__cause__, _Terminated)
        sys.exit(128 + (signal.SIGTERM if terminated else signal.SIGINT))
    except Exception as error:
        from assets.errors import expected, told

        if "LOVELOOP_TRACEBACK" in os.environ or not isinstance(error, expected()):
            raise
        click.echo(f"loveloop: {told(error)}", err=True)
        sys.exit(1)
    if isinstance(code, int) and code:
        sys.exit(code)
