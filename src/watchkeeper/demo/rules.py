"""What the demo's operator wrote: what is watched, who is told, and what may be done about it."""

from __future__ import annotations

import base64
import json
import secrets
import sys
from pathlib import Path

MODEL = "late-flights"
MONITORS = """\
# Applied with: watchkeeper monitors apply monitors.yaml
model: late-flights
window: {every: 1d, zone: America/New_York}
clock: event                  # this is a replay: time is what the flights say
budget: 1 per 600 days        # of false incidents, over all checks together
monitors:
  # Performance opens incidents. A day of flights shares its weather, so days are held against the days of March.
  - {metric: accuracy, segments: [origin], detect: {risk: {tolerance: 0.05}}}
  - {metric: roc_auc, detect: {risk: {tolerance: 0.05}}}
  # So do failures, latency, and traffic that stays away.
  - {metric: failure_rate, detect: {threshold: {warning: "> 1%", critical: "> 5%"}, m_of_n: [2, 3]}}
  - {metric: latency_p99, detect: {threshold: {warning: "> 10s", critical: "> 30s"}, m_of_n: [2, 3]}}
  - {name: traffic, metric: throughput, no_data: critical, detect: {threshold: {warning: "< 0.1x 28d"}}}
  # Drift, quality and what is estimated before labels come explain; they open none.
  - {metric: accuracy, source: estimated, role: evidence, detect: {risk: {tolerance: 0.05}}}
  - {metric: wasserstein, columns: all, role: evidence, detect: calibrated}
  - {metric: jensen_shannon, columns: [weekday, carrier, origin, dest], role: evidence, detect: calibrated}
  - {metric: null_share, columns: all, role: evidence, detect: calibrated}
  - {metric: new_category_share, columns: all, role: evidence, detect: calibrated}
  - {metric: out_of_range_share, columns: all, role: evidence, detect: calibrated}
respond:
  - on: {severity: critical}
    notify: [console, hook]
    act: {do: retrain, then: promote_if_better, approve: auto, limit: 1 per 7 days}
  - on: {severity: warning}
    notify: [console, hook]
"""


def write_rules(folder: Path, store: Path, hook: str) -> tuple[Path, str]:
    """Write the monitors into ``folder``, and the operator's file beside the store with a secret for the webhook.

    Returns
    -------
    The file of monitors, and the secret with which the webhook signs.
    """
    file = folder / "monitors.yaml"
    file.write_text(MONITORS, encoding="utf-8")
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    (store / "hook.secret").write_text(secret, encoding="utf-8")
    (store / "hook.secret").chmod(0o600)
    command = [sys.executable, "-m", "watchkeeper.demo.retrain"]
    operator = {
        "channels": {
            "hook": {"webhook": hook, "secret": {"file": "hook.secret"}, "allow": ["127.0.0.1"]},
            "console": {},
        },
        "actions": {"retrain": {"command": command, "timeout": "10m"}},
    }
    (store / "watchkeeper.yaml").write_text(json.dumps(operator, indent=2), encoding="utf-8")  # JSON is YAML too
    return file, secret
