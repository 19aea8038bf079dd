"""What tea-tasting says of the cases on standard input, as JSON; runs in an environment that has it."""

import json
import sys

import pyarrow as pa
import tea_tasting as tt


def said(case: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    arms = [case["control"], case["treatment"]]
    columns = {name: [value for arm in arms for value in arm[name]] for name in arms[0]}
    columns["arm"] = [number for number, arm in enumerate(arms) for _ in arm["loves"]]
    found = tt.Experiment(
        {
            "ratio": tt.RatioOfMeans("loves", "exposures", use_t=False),
            "mean": tt.Mean("loves", use_t=False),
            "mean_adjusted": tt.Mean("loves", "past_loves", use_t=False),
            "ratio_adjusted": tt.RatioOfMeans("loves", "exposures", "past_loves", "past_exposures", use_t=False),
        },
        variant="arm",
    ).analyze(pa.table(columns))
    return {name: {key: float(value) for key, value in found[name]._asdict().items()} for name in found}


print(json.dumps([said(case) for case in json.load(sys.stdin)]))
