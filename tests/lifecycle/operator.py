"""What a person does in Prefect's UI, by the requests that it makes: of a sender, whatever its engine."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

SUSPEND_SECONDS = 300
"""The UI's own time-out for Suspend, unless a person types another one."""


class Operator:
    """Someone with Prefect's UI; `auth` is user and word where its server asks for them."""

    def __init__(self, api: str, auth: tuple[str, str] | None = None) -> None:
        self._api, self._auth = api, auth

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(method, self._api + path, json=body, auth=self._auth, timeout=30)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    # --- a run --------------------------------------------------------------------------

    def run(self, run: UUID) -> Any:
        return self.ask("GET", f"/flow_runs/{run}")

    def suspend(self, run: UUID) -> None:
        until = datetime.now(UTC) + timedelta(seconds=SUSPEND_SECONDS)
        details = {"pause_timeout": until.isoformat(), "pause_reschedule": True}
        self.force(run, "PAUSED", "Suspended", state_details=details)

    def pause(self, run: UUID) -> None:
        self.force(run, "PAUSED", "Paused")

    def resume(self, run: UUID) -> None:
        self.ask("POST", f"/flow_runs/{run}/resume", {})

    def retry(self, run: UUID) -> None:
        self.force(run, "SCHEDULED", "AwaitingRetry")

    def cancel(self, run: UUID) -> None:
        self.force(run, "CANCELLING", "Cancelling", force=False)

    def force(
        self, run: UUID, kind: str, name: str | None = None, *, force: bool = True, **more: Any
    ) -> None:
        """Change state, as the UI's menu of a run does."""
        state = {"type": kind, "name": name or kind.capitalize(), **more}
        self.ask("POST", f"/flow_runs/{run}/set_state", {"state": state, "force": force})

    def artifacts(self, run: UUID) -> list[str]:
        """Their keys."""
        of_run = {"artifacts": {"flow_run_id": {"any_": [str(run)]}}}
        return [found["key"] for found in self.ask("POST", "/artifacts/filter", of_run)]

    # --- a deployment -------------------------------------------------------------------

    def deployment(self, name: str) -> Any:
        return self.ask("GET", f"/deployments/name/{name}")

    def automations(self, deployment: str) -> Any:
        return self.ask("GET", f"/automations/related-to/prefect.deployment.{deployment}")
