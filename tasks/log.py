"""The log of a flow run, which its tasks write to as well.

A task's own logger is as loud as Prefect's engine, which has a line for each mail there:
deployments set that one to WARNING (prefect.yaml).
"""

import logging
from typing import Any

from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.logging.loggers import flow_run_logger

Logger = logging.Logger | logging.LoggerAdapter[Any]


def run_log() -> Logger:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return get_run_logger()
    return flow_run_logger(context.flow_run, context.flow)
