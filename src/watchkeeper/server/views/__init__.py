"""The documents that the live page draws: one a page, as columns of numbers, made from what the store tells."""

from watchkeeper.server.views.routes import ROUTES

__all__ = ["ROUTES"]
