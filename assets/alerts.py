"""Tells somebody that a run failed: one line of JSON to a web hook, as Slack, Mattermost and most chats take it."""

import json
import os
import urllib.error
import urllib.request
from typing import Final

import dagster as dg

__all__ = ["ALERT_URL", "alert_on_failure"]

ALERT_URL: Final = "OCR_PIPELINE_ALERT_URL"
TIMEOUT_S: Final = 20


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.STOPPED,
    minimum_interval_seconds=30,
    description=f"Posts every failed run to the web hook that {ALERT_URL} names, with the line that says why.",
)
def alert_on_failure(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Post one failed run."""
    url = os.environ.get(ALERT_URL, "")
    if not url.startswith(("https://", "http://")):
        return dg.SkipReason(f"{ALERT_URL} must be the address of a web hook, got `{url}`")
    failures = [event.step_failure_data for event in context.get_step_failure_events()]
    reasons = [
        (failed.user_failure_data.description if failed.user_failure_data else failed.error and failed.error.message)
        or ""
        for failed in failures
    ]
    text = f"run {context.dagster_run.run_id[:8]} of {context.dagster_run.job_name} failed: {'; '.join(filter(None, reasons)) or context.failure_event.message}"
    body = json.dumps({"text": text, "run_id": context.dagster_run.run_id}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 - checked above
            return None
    except (urllib.error.URLError, OSError) as error:
        message = f"the web hook of {ALERT_URL} did not take the alert: {error}"
        raise dg.Failure(message) from None
