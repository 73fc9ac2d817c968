"""The command line: one subcommand per stage, result on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from igdt_planner.cli import curves, evidence, files, plans
from igdt_planner.cli.exits import BAD_INPUT, NO_PLAN, NOT_AS_ASKED
from igdt_planner.errors import InputError, PlannerError

COMMANDS: dict[str, Callable[..., None]] = {
    "solve": plans.solve_command,
    "robust": plans.robust_command,
    "opportunity": plans.opportunity_command,
    "sweep": curves.sweep_command,
    "search": plans.search_command,
    "pareto": curves.pareto_command,
    "check": plans.check_command,
    "robustness": curves.robustness_command,
    "drivers": curves.drivers_command,
    "tradeoff": curves.tradeoff_command,
    "worth": curves.worth_command,
    "evidence": evidence.evidence_command,
    "calibrate": evidence.calibrate_command,
    "alternatives": evidence.alternatives_command,
    "report": files.report_command,
    "import": files.import_command,
    "cases": files.cases_command,
    "models": files.models_command,
    "run": files.run_command,
    "demo": curves.demo_command,
}
"""Every command by its name, in the order of the help."""

app = typer.Typer(
    help="Which plan still holds when the forecast is wrong, and how wrong may it be?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for name, command in COMMANDS.items():
    app.command(name)(command)


def main() -> None:
    """Entry point: bad input is one message and exit status 2, never a traceback."""
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except PlannerError as error:
        print(f"failed: {error}", file=sys.stderr)
        sys.exit(NOT_AS_ASKED)
    except OSError as error:
        print(f"error: {error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        print("cancelled", file=sys.stderr)
        sys.exit(NO_PLAN)
