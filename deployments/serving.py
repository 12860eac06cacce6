"""The worker of `outreach up`: `python -m deployments.serving`.

Its deployments are made meanwhile, by a process that ends: what that loads would stay here.
"""

import signal

from outreach.deployment_names import POOL
from outreach.gc_tuning import rarely_collected
from outreach.local.processes import STOPS, meanwhile
from outreach.loopback import never_through_a_proxy


def main() -> None:
    """Serve until a signal. Needs PREFECT_API_URL and our settings."""
    never_through_a_proxy()
    with rarely_collected(), meanwhile("deployments.served"):
        # Until `serve` answers: a dispatch that is cut short leaves campaigns to wait for minutes.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        from deployments.worker.process import serve
        from outreach.wiring import current_settings
    serve(POOL, limit=current_settings().campaigns_at_once)


if __name__ == "__main__":
    main()
