"""Organisation names: what they are made of, what they are also called, and how alike two of them are."""

from model.identity.names.parse import parse_name
from model.identity.names.parts import OrganisationName

__all__ = ["OrganisationName", "parse_name"]
