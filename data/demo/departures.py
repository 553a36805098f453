"""What happened lately to customers in one system only, and what two systems say differently of one customer.

Planted once per 200 customers, the larger the company the more. `world.notices` names the event and every record of
another system that somebody has to look at; `world.conflicts` names customer and field.
"""

from __future__ import annotations

from random import Random

from data.demo import accounts, dirt, timing
from data.demo.world import Entity, Record, World, pick

_ID = {"salesforce": ("Account", "Id"), "kingdee": ("BD_Customer", "FCUSTID"), "zendesk": ("organizations", "id")}


def _row(world: World, system: str, key: object) -> Record:
    table, column = _ID[system]
    return next(row for row in getattr(world, system)[table] if row[column] == key)


def _records(entity: Entity) -> list[tuple[str, str]]:
    found = [("salesforce", key) for key in entity.crm_ids] + [("kingdee", str(one.id)) for one in entity.erp]
    return [*found, ("zendesk", str(entity.org_id))] if entity.org_id else found


def _expect(world: World, entity: Entity, system: str, key: object, kind: str) -> None:
    others = [[name, other] for name, other in _records(entity) if name != system]
    world.notices.append(
        {"system": system, "id": str(key), "kind": kind, "truth_id": entity.truth_id, "others": others}
    )  # fmt: skip


def _touch(row: Record, moment: int) -> None:
    row.update(LastModifiedDate=timing.salesforce(moment), SystemModstamp=timing.salesforce(moment))


def _former(world: World, _rng: Random, entity: Entity) -> None:
    """Sales gave the customer up; ERP and helpdesk still have it."""
    row = _row(world, "salesforce", entity.crm_ids[0])
    row.update(Type="Former Customer", Active__c=False)
    _touch(row, timing.at(world.today - 8, 36000))
    _expect(world, entity, "salesforce", entity.crm_ids[0], "deactivated")


def _forbidden(world: World, _rng: Random, entity: Entity) -> None:
    """Finance disabled the customer in the ERP."""
    row = _row(world, "kingdee", entity.erp[0].id)
    row.update(FForbidStatus="B", FModifyDate=timing.wall(timing.at(world.today - 5, 40000)))
    _expect(world, entity, "kingdee", entity.erp[0].id, "deactivated")


def _held(world: World, _rng: Random, entity: Entity) -> None:
    """Finance stopped deliveries."""
    row = _row(world, "kingdee", entity.erp[0].id)
    row.update(F_PAEZ_Hold=True, FModifyDate=timing.wall(timing.at(world.today - 3, 41000)))
    _expect(world, entity, "kingdee", entity.erp[0].id, "blocked")


def _merged(world: World, rng: Random, entity: Entity) -> None:
    """Sales merged a double; the helpdesk still names the record that is gone."""
    created = timing.at(world.today - 90, 36000)
    loser = accounts.double(world, rng, entity, created)
    row = _row(world, "salesforce", loser)
    dirt.delete(world, row, timing.at(world.today - 6, 39000))
    row["MasterRecordId"] = entity.crm_ids[0]
    entity.merged_ids.append(loser)
    organisation = _row(world, "zendesk", entity.org_id)
    organisation["external_id"] = loser
    _expect(world, entity, "salesforce", loser, "merged")


def _other_seller(world: World, rng: Random, entity: Entity) -> None:
    """CRM and ERP name different people."""
    others = [one for one in world.managers if one.active and one is not entity.owner]
    row = _row(world, "kingdee", entity.erp[0].id)
    row.update(FSELLER=pick(rng, others).erp_id, FModifyDate=timing.wall(timing.at(world.today - 20, 38000)))
    world.conflicts.append({"field": "owner", "truth_id": entity.truth_id})


def build(world: World) -> None:
    """Plant events and contradictions at customers that all three systems know by code."""
    rng = world.rng("departures")
    accounts_of = {row["Id"]: row for row in world.salesforce["Account"]}
    fit = [
        entity
        for entity in world.entities
        if len(entity.erp) == 1 and len(entity.crm_ids) == 1 and entity.org_id and entity.kind == "company"
        and not entity.is_lead and entity.index > 3 and not entity.merged_ids and entity.owner.active
    ]  # fmt: skip
    rng.shuffle(fit)
    plants = (_former, _forbidden, _held, _merged, _other_seller)
    for number in range(max(1, round(world.customers / 200)) * len(plants)):
        if not fit:
            return
        entity = fit.pop()
        accounts_of[entity.crm_ids[0]]["ERP_Code__c"] = entity.erp[0].code
        _row(world, "zendesk", entity.org_id)["organization_fields"]["erp_code"] = entity.erp[0].code
        plants[number % len(plants)](world, rng, entity)
