"""`python -m deployments.worker POOL [--name NAME] [--limit N]`: what `outreach worker` runs."""

import argparse

from deployments.worker.process import serve

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m deployments.worker", description=__doc__)
    parser.add_argument("pool")
    parser.add_argument("--name", help="as Prefect's UI shows this worker")
    parser.add_argument("--limit", type=int, help="campaigns at once in this process")
    chosen = parser.parse_args()
    serve(chosen.pool, chosen.name, chosen.limit)
