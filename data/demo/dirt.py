"""Damage done last: records that do not parse, deletes, merges, leavers. What was broken is written down."""

from __future__ import annotations

from random import Random

from data.demo import timing
from data.demo.world import Record, World, pick

SHARE = 0.001


def _note(world: World, system: str, table: str, key: object, field: str, value: object) -> None:
    world.unparsable.append({"system": system, "object": table, "id": str(key), "field": field, "value": value})


def _bills(world: World, rng: Random) -> None:
    """Bills nobody has paid yet get an amount that is no number; the truth leaves them out."""
    touched = {match.bill for match in world.ledger.matches}
    calm = [
        b
        for b in world.ledger.bills.values()
        if b.live and b.kind == "invoice" and b.id not in touched and not b.entity.is_lead
    ]
    for bill in rng.sample(calm, min(len(calm), max(1, round(len(world.ledger.bills) * SHARE)))):
        junk = f"{bill.row['FALLAMOUNTFOR']:.2f}".replace("0", "O", 1).replace(".", ",,")
        bill.row["FALLAMOUNTFOR"] = junk
        for entry in bill.row["FEntityPlan"]:
            entry["FPAYAMOUNTFOR"] = junk
        bill.live = False
        _note(world, "kingdee", "AR_receivable", bill.id, "FALLAMOUNTFOR", junk)


def _orders(world: World, rng: Random) -> None:
    rows = world.kingdee["SAL_SaleOrder"]
    for row in rng.sample(rows, max(1, round(len(rows) * SHARE))):
        row["FDate"] = pick(rng, ("0001-13-45T00:00:00", "2026/02/30", "待定"))
        _note(world, "kingdee", "SAL_SaleOrder", row["FID"], "FDate", row["FDate"])


def _crm(world: World, rng: Random) -> None:
    rows = [row for row in world.salesforce["Opportunity"] if row["Amount"]]
    for row in rng.sample(rows, max(1, round(len(rows) * SHARE))):
        field, value = pick(rng, (("Amount", "十二万"), ("CloseDate", "2026-02-31"), ("Amount", "1.2.3")))
        row[field] = value
        _note(world, "salesforce", "Opportunity", row["Id"], field, value)


def _other(world: World, rng: Random) -> None:
    tickets = [t for t in world.zendesk["tickets"] if t["status"] == "closed"]
    for row in rng.sample(tickets, min(len(tickets), max(1, round(len(tickets) * SHARE)))):
        row["created_at"] = "not a time"
        _note(world, "zendesk", "tickets", row["id"], "created_at", row["created_at"])
    issues = [i for i in world.jira["issues"] if not i["key"].startswith("BC")]
    for row in rng.sample(issues, min(len(issues), max(1, round(len(issues) * SHARE)))):
        row["fields"]["duedate"] = "2026-99-01"
        _note(world, "jira", "issues", row["id"], "duedate", "2026-99-01")


def _deletes(world: World, rng: Random) -> None:
    anchors = {key for e in world.entities if e.index < 4 for key in e.crm_ids}
    broken = {item["id"] for item in world.unparsable}
    for table, share in (("Task", 0.005), ("Opportunity", 0.007), ("Contact", 0.008)):
        for row in world.salesforce[table]:
            if rng.random() < share and row["AccountId"] not in anchors and row["Id"] not in broken:
                delete(world, row, world.clip(timing.parse_utc(row["SystemModstamp"]) + int(rng.random() * 9e6)))
    contacts = [row for row in world.salesforce["Contact"] if row["IsDeleted"]]
    by_account: dict[str, str] = {
        row["AccountId"]: row["Id"] for row in world.salesforce["Contact"] if not row["IsDeleted"]
    }
    for row in contacts[::3]:
        row["MasterRecordId"] = by_account.get(row["AccountId"])


def delete(world: World, row: Record, moment: int) -> None:
    """Mark a Salesforce row deleted."""
    stamp = timing.salesforce(moment)
    row.update(IsDeleted=True, LastModifiedDate=stamp, SystemModstamp=stamp)


def scrub(row: Record, moment: int) -> None:
    """Delete a ticket the way the helpdesk does: the row stays, its words go."""
    row.update(status="deleted", subject="SCRUBBED", raw_subject="SCRUBBED", description="SCRUBBED")
    row.update(updated_at=timing.utc(moment), generated_timestamp=moment, stamp=moment)
    row["history"].append((moment, -1, "status", "closed", "deleted"))


def _helpdesk(world: World, rng: Random) -> None:
    anchors = {e.org_id for e in world.entities if e.is_lead}
    broken = {item["id"] for item in world.unparsable}
    for row in world.zendesk["tickets"]:
        if row["organization_id"] in anchors or str(row["id"]) in broken or row["status"] != "closed":
            continue
        choice = rng.random()
        if choice < 0.006:
            scrub(row, world.clip(row["stamp"] + int(rng.random() * 5e6)))
        elif choice < 0.014:
            row["tags"] = ["closed_by_merge"]
    for row in world.zendesk["users"]:
        if row["role"] == "end-user" and row["organization_id"] not in anchors and rng.random() < 0.01:
            row["active"] = False


def build(world: World) -> None:
    """Break about one record in a thousand of the main objects, then delete and merge some others."""
    rng = world.rng("dirt")
    _bills(world, rng)
    _orders(world, rng)
    _crm(world, rng)
    _other(world, rng)
    _deletes(world, rng)
    _helpdesk(world, rng)
