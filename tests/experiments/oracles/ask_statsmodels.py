"""What statsmodels says of the cases on standard input, as JSON; runs in an environment that has it."""

import json
import sys

import numpy as np
import statsmodels.api as sm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.rates import test_poisson_2indep as poisson_test

Arm = dict[str, list[float]]


def clustered(arms: tuple[Arm, Arm]) -> tuple[float, float]:
    """The logarithm of the ratio of rates and its robust error: Poisson regression over users, HC0."""
    x, y = (np.concatenate([arm[name] for arm in arms]) for name in ("loves", "exposures"))
    treated = np.repeat([0.0, 1.0], [len(arm["loves"]) for arm in arms])
    model = sm.GLM(x, sm.add_constant(treated), family=sm.families.Poisson(), exposure=y)
    fit = model.fit(cov_type="HC0", tol=1e-14, maxiter=200)
    return float(fit.params[1]), float(fit.bse[1])


def interacted(arms: tuple[Arm, Arm], per: str | None) -> tuple[float, float]:
    """The log ratio of rates, or of means, adjusted by regression on the centred past within each arm (Lin 2013).

    What is regressed is each user's influence on the logarithm of the arm's rate. With the error by HC2.
    """
    influence, logs = [], []
    for arm in arms:
        x = np.array(arm["loves"], dtype=float)
        y = np.array(arm[per], dtype=float) if per else np.ones_like(x)
        influence.append((x - x.sum() / y.sum() * y) / x.mean())
        logs.append(np.log(x.sum() / y.sum()))
    before = np.column_stack([[*arms[0][name], *arms[1][name]] for name in ("past_loves", "past_exposures")])
    treated = np.repeat([0.0, 1.0], [len(each) for each in influence])
    centred = before - before.mean(axis=0)
    columns = np.column_stack([np.ones_like(treated), treated, centred, treated[:, None] * centred])
    fit = sm.OLS(np.concatenate(influence), columns).fit(cov_type="HC2")
    return float(logs[1] - logs[0] + fit.params[1]), float(fit.bse[1])


def said(case: dict[str, Arm]) -> dict[str, object]:
    arms = case["control"], case["treatment"]
    (loves, exposures), (treated_loves, treated_exposures) = [
        (int(sum(arm["loves"])), int(sum(arm["exposures"]))) for arm in arms
    ]
    exact = poisson_test(treated_loves, treated_exposures, loves, exposures, method="exact-cond")
    return {
        "exact": float(exact.pvalue),
        "clustered": clustered(arms),
        "ratio": interacted(arms, "exposures"),
        "mean": interacted(arms, None),
    }


asked = json.load(sys.stdin)
several = {
    method: [list(map(bool, multipletests(p, alpha=0.05, method=method)[0])) for p in asked["p_values"]]
    for method in ("holm", "fdr_bh")
}
print(json.dumps({"cases": [said(case) for case in asked["cases"]], "several": several}))
