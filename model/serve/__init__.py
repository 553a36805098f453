"""The only door to what is published: typed questions, the viewer first. Row rules and masks hold here."""

from model.serve.acting import ACTIONS, act
from model.serve.aging import aging
from model.serve.alerting import alerts
from model.serve.connection import Served, open_published
from model.serve.customer import customer
from model.serve.find import NotFound, resolve, search
from model.serve.freshness import freshness
from model.serve.overview import overview
from model.serve.people import personas, sign_in
from model.serve.ratios import ratios
from model.serve.renewals import renewal_card, renewals
from model.serve.sources import quarantine, sources, status
from model.serve.timeline import timeline
from model.serve.worklist import worklist

__all__ = [
    "ACTIONS",
    "NotFound",
    "Served",
    "act",
    "aging",
    "alerts",
    "customer",
    "freshness",
    "open_published",
    "overview",
    "personas",
    "quarantine",
    "ratios",
    "renewal_card",
    "renewals",
    "resolve",
    "search",
    "sign_in",
    "sources",
    "status",
    "timeline",
    "worklist",
]
