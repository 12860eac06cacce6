"""The command's use of Prefect, imported on demand: a flow run there, or the flow here."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import UUID

from outreach import commands
from outreach.cli.lines import note
from outreach.deployment_names import SEND, run_name, run_tag
from outreach.errors import ConfigurationError
from outreach.urls import split

if TYPE_CHECKING:
    from deployments.temporary_server import TemporaryServer

TEMPORARY = {
    # Prefect's own 20 s are too short for a busy machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}
"""For the server of a run without PREFECT_API_URL."""


@dataclass(frozen=True, slots=True)
class Created:
    id: UUID
    url: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    name: str
    """The state's name: only `Completed` means that all is done."""
    message: str


def api_address() -> str | None:
    """PREFECT_API_URL, from the environment or Prefect's profile.

    Raises ConfigurationError for an invalid one: Prefect's own error is a traceback.
    """
    _refuse_no_address(os.environ.get("PREFECT_API_URL"))  # before Prefect reads it at its import
    from prefect.settings import get_current_settings

    address = get_current_settings().api.url
    _refuse_no_address(address)
    return address


def _refuse_no_address(address: str | None) -> None:
    if address and split(address) is None:
        raise ConfigurationError(
            "PREFECT_API_URL is no web address", "it looks like http://127.0.0.1:4200/api"
        )


def _failure(error: Exception) -> str:
    """Why Prefect gave no usable response; ends with the remedy."""
    from deployments.server_checks import refusal

    if (refused := refusal(error)) is not None:
        return f"Prefect {refused}; set it to the server's"
    return f"Prefect cannot be reached ({type(error).__name__}); correct PREFECT_API_URL"


def credentials_failure(client: Any) -> Exception | None:
    """The error of a request with credentials; the health check needs none, so is no proof."""
    import httpx

    try:
        client.hello()
    except httpx.HTTPError as error:
        return error
    return None


def use_own_password() -> None:
    """Use the password of this home's `outreach up`; call it before the first import of Prefect.

    Leaves a configured password or key unchanged, and sends ours to no other server.
    """
    from outreach import settings as settings_module
    from outreach.local import access

    api = os.environ.get("PREFECT_API_URL")
    if not api or os.environ.get("PREFECT_API_AUTH_STRING") or os.environ.get("PREFECT_API_KEY"):
        return
    home = settings_module.load().outreach_home / "prefect"
    if (password := access.password_for(api, home)) is not None:
        os.environ["PREFECT_API_AUTH_STRING"] = password


def find_deployment(campaign: UUID) -> None:
    """Raises ConfigurationError when no Prefect is available to run the campaign."""
    use_own_password()
    address = api_address()
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    instead = f"or send it from here with {commands.start_here(campaign)}"
    if address is None:
        raise ConfigurationError(
            "Nothing was started, since PREFECT_API_URL is not set", f"set it, {instead}"
        )
    try:
        with get_client(sync_client=True) as client:
            client.read_deployment_by_name(SEND)
    except ObjectNotFound:
        raise ConfigurationError(
            f"Nothing was started, since Prefect has no deployment {SEND}",
            f"make it with `prefect deploy --all`, {instead}",
        ) from None
    except httpx.HTTPError as error:
        raise ConfigurationError(
            f"Nothing was started, since {_failure(error)}, {instead}."
        ) from None


def create(campaign: UUID, name: str) -> Created:
    """Create a run for a worker, named after the campaign. Raises ConfigurationError."""
    import httpx
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound
    from prefect.utilities.urls import url_for

    try:
        run: Any = run_deployment(
            SEND,
            parameters={"campaign_id": str(campaign)},
            flow_run_name=run_name(name),
            tags=[run_tag(campaign)],
            timeout=0,
            as_subflow=False,
        )
    except (httpx.HTTPError, ObjectNotFound) as error:
        raise ConfigurationError(
            f"The campaign is started in the database, but Prefect made no run for it "
            f"({type(error).__name__})",
            "the dispatcher will within five minutes, or send it from here with "
            f"{commands.start_here(campaign)}",
        ) from None
    return Created(run.id, url_for("flow-run", run.id))


def cancel(flow_run: str) -> None:
    """End a run of a cancelled campaign at once; on its own it would notice in seconds.

    Needed when a thread of it does not return. Prefect may be away, or have no such run.
    """
    use_own_password()
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import get_current_settings
    from prefect.states import Cancelling

    if get_current_settings().api.url is None:
        return
    known = (httpx.HTTPError, ObjectNotFound, ValueError)  # the last for an invalid run id
    with suppress(*known), get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(flow_run)).state
        if state is not None and state.is_running():
            client.set_flow_run_state(UUID(flow_run), Cancelling())


def launch_server(stack: ExitStack) -> "TemporaryServer | None":
    """Launch the server that a run in this process may need; it comes up beside all other work.

    None where PREFECT_API_URL names one. It ends by itself where Prefect's profile does, and with
    the stack.
    """
    for name, value in TEMPORARY.items():
        os.environ.setdefault(name, value)
    if os.environ.get("PREFECT_API_URL") or "prefect" in sys.modules:
        return None
    from deployments.temporary_server import launched

    return stack.enter_context(launched({}))


def prepare_here(
    stack: ExitStack, server: "TemporaryServer | None", *, verbose: bool
) -> Callable[[], None]:
    """Set Prefect up for a run in this process, before its first import elsewhere.

    `server`: of `launch_server`. Returns what waits until Prefect's server answers. Raises
    ConfigurationError when PREFECT_API_URL leads nowhere.
    """
    if not verbose:
        # Prefect logs every failure with its traceback: right for its UI, wrong for this terminal.
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    use_own_password()
    if api_address() is None:
        note("PREFECT_API_URL is not set: the run is kept in a Prefect server of its own.")
        own = server or _launched_late(stack)
        stack.enter_context(own.used())
        import_module("flows.send_campaign")  # while the server comes up
        return own.wait
    if server is not None:
        server.end()
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        failure = client.api_healthcheck() or credentials_failure(client)
    if failure is not None:
        raise ConfigurationError(
            f"Nothing was started, since {_failure(failure)}, or unset PREFECT_API_URL to do "
            "without a server."
        )
    return lambda: None


def _launched_late(stack: ExitStack) -> "TemporaryServer":
    """With the settings that this process has set in Prefect."""
    from prefect.settings import get_current_settings

    from deployments.temporary_server import launched

    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    return stack.enter_context(launched(settings))


def run_here(campaign: UUID) -> Ended:
    """Run the flow to its end. Closing the terminal stops it as SIGTERM does."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    from flows.send_campaign import send_campaign

    state = send_campaign(campaign, return_state=True)
    return Ended(state.name or "", state.message or f"The run ended as {state.name}.")
