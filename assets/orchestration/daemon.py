"""The daemon of `loveloop ui`: Dagster's own, once it was told what the run finished without it.

One process does both, one after the other: Dagster is loaded once, and no sensor tells the same history meanwhile.

python -m assets.orchestration.daemon WORKSPACE
"""

import sys
import time


def serve(workspace: str) -> None:
    """1. Tell Dagster what was finished without it. 2. Run schedules, sensors and queued runs until ended.

    Args:
        workspace: The file that names the code server to Dagster.
    """
    import dagster as dg
    from dagster._daemon.cli import main

    from assets.asset import RunResource
    from assets.orchestration import history

    with dg.DagsterInstance.get() as instance:
        started = time.monotonic()
        count = history.tell(instance, RunResource.from_environment().seen())
        print(f"{count} events of the run's history told in {time.monotonic() - started:.1f} s", flush=True)
    sys.argv = ["dagster-daemon", "run", "--workspace", workspace]
    main()


if __name__ == "__main__":
    serve(sys.argv[1])
