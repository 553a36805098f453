"""The installed base: instruments with serial numbers as the CRM's assets, and tickets that name them.

Runs after everything else and only adds: assets, words and a custom field of tickets that are there already. What
people type differs from the plate (case, blanks, width); `world.contradictions` names the claims that a
reconciliation should find without cover.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from random import Random

from data.demo import timing
from data.demo.words import PRODUCTS
from data.demo.world import Entity, Record, World, pick

SMALLEST = 40  # customers; a smaller company has devices, and no claims planted on purpose
SHIPPED, OLDER = 4, 3  # devices of a customer from its newest shipments, and older ones that its tickets are about
_INSTRUMENTS = {code for _, code, line, _, _ in PRODUCTS if line in {"测量设备", "在线检测"}}
_ROOMS = ("一号车间", "二号车间", "计量室", "实验室", "来料检验区", "装配线")
_CLAIM = "您好，设备仍在保修期内，请安排免费维修，谢谢。"
_FIELD = 4  # place of the serial number among a ticket's custom fields


@dataclass(slots=True)
class Device:
    """One asset row with what the planting needs to know of it; days are ordinals."""

    serial: str
    product: Record
    begun: int
    row: Record


class Shop:
    """Makes devices; knows the products, and each customer's newest service contract."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world, self.rng = world, rng
        goods = world.kingdee["BD_MATERIAL"]
        self.materials = {one["FMATERIALID"]: one for one in goods if _code(one) in _INSTRUMENTS}
        self.by_code = {one["FNumber"]: one for one in self.materials.values()}
        self.every = {one["FNumber"]: one for one in goods}
        self.products = {one["Name"]: one for one in world.salesforce["Product2"]}
        self.contracts: dict[str, str] = {}
        for row in world.salesforce["Contract"]:
            if row["Contract_Kind__c"] == "Service":
                number = int(row["ContractNumber"].rpartition("-")[2])
                row["Service_Level__c"] = ("5×8，次工作日到场", "7×24，8 小时到场")[number % 3 == 0]
                self.contracts[row["AccountId"]] = row["ContractNumber"]

    def serial(self, product: Record, day: int) -> str:
        """The next serial number, as it stands on the plate."""
        year = date.fromordinal(day).year % 100
        return f"{product['FNumber'].replace('-', '')}-{year:02d}{self.world.next('serial', 10001)}"

    def make(
        self, entity: Entity, product: Record, day: int, shipment: str = "", fields: Record | None = None
    ) -> Device:
        """A device delivered on `day`, with a warranty as its product has it and now and then a word about it."""
        rng, world = self.rng, self.world
        known = self.products[product["FName"]]
        months = int(known["Warranty_Months__c"])
        installed = min(day + 5 + int(rng.random() * 20), world.today - 1) if rng.random() < 0.75 else 0
        extended = rng.random() < 0.12
        ends = timing.add_months(installed or day, months + 12 * extended) - 1
        covered = self.contracts.get(entity.crm_ids[0]) if rng.random() < 0.6 else None
        choice = rng.random()
        state = (
            "Returned" if choice < 0.03 else "Obsolete" if choice < 0.06 else "Installed" if installed else "Shipped"
        )
        since = day + int(rng.random() * max(1, world.today - day)) if state in {"Returned", "Obsolete"} else 0
        serial = self.serial(product, day)
        row: Record = {
            "AccountId": entity.crm_ids[0], "ContactId": None, "Product2Id": known["Id"],
            "ProductCode": known["ProductCode"], "Name": product["FName"], "SerialNumber": self.plate(serial),
            "Status": state, "InstallDate": timing.iso(installed) if installed else None,
            "PurchaseDate": timing.iso(day), "UsageEndDate": None, "Quantity": 1.0, "Description": None,
            "Status_Date__c": timing.iso(since) if since and rng.random() < 0.9 else None, "Replaced_By__c": None,
            "Ship_Date__c": None if shipment else timing.iso(day), "Shipment_Number__c": shipment or None,
            "Order_Number__c": None, "Warranty_Kind__c": "Extended" if extended else "Standard",
            "Warranty_Start__c": None,
            "Warranty_End__c": timing.iso(ends) if extended or rng.random() < 0.5 else None,
            "Warranty_Months__c": None, "Warranty_Terms__c": "整机，测针与光源除外" if extended else None,
            "Contract_Number__c": covered, "Location__c": pick(rng, _ROOMS) if rng.random() < 0.7 else None,
            **(fields or {}),
        }  # fmt: skip
        moment = timing.at(installed or day, 40000)
        world.sf("Asset", world.sf_id("02i", "asset"), moment, moment + 3600, row)
        return Device(serial, product, day, world.salesforce["Asset"][-1])

    def plate(self, serial: str) -> str:
        """How the CRM has the number: one in twenty as somebody typed it."""
        return serial.lower().replace("-", " ") if self.rng.random() < 0.05 else serial

    def typed(self, serial: str) -> str:
        """How a customer gives the number on the phone."""
        choice = self.rng.random()
        if choice < 0.7:
            return serial
        if choice < 0.82:
            return serial.lower()
        if choice < 0.92:
            return serial.replace("-", " ")
        return "".join(chr(ord(sign) + 0xFEE0) for sign in serial)


def _code(material: Record) -> str:
    return str(material["FNumber"].partition("-")[0])


def _shipments(world: World, shop: Shop) -> dict[int, list[tuple[int, str, Record]]]:
    """Kingdee customer id → its newest instruments shipped: (day, shipment, material)."""
    found: dict[int, list[tuple[int, str, Record]]] = defaultdict(list)
    for row in world.kingdee.get("SAL_OUTSTOCK", ()):
        if row["FDocumentStatus"] == "C" and row["FCancelStatus"] == "A":
            day = date.fromisoformat(row["FDate"][:10]).toordinal()
            for line in row["FEntity"]:
                if line["FMaterialID"] in shop.materials and day < world.today:
                    found[row["FCustomerID"]].append((day, row["FBillNo"], shop.materials[line["FMaterialID"]]))
    return found


def _tickets(world: World) -> dict[int, list[Record]]:
    """Organisation → its tickets with a sound instant, oldest first."""
    found: dict[int, list[Record]] = defaultdict(list)
    for row in world.zendesk["tickets"]:
        if row["organization_id"] and row["created_at"] != "not a time" and row["status"] != "deleted":
            found[row["organization_id"]].append(row)
    return found


def _opened(ticket: Record) -> int:
    return timing.day_of(timing.parse_utc(ticket["created_at"]))


def _name(ticket: Record, serial: str) -> None:
    ticket["custom_fields"][_FIELD]["value"] = serial


def _installed(
    shop: Shop, entity: Entity, shipped: dict[int, list[tuple[int, str, Record]]], tickets: list[Record]
) -> list[Device]:
    """The devices of one customer; tickets about one of their products name it, most of the time."""
    rng = shop.rng
    newest = sorted((one for account in entity.erp for one in shipped[account.id]), key=lambda one: (one[0], one[1]))
    made = [shop.make(entity, material, day, number) for day, number, material in newest[-SHIPPED:]]
    about = {device.product["FNumber"] for device in made}
    for ticket in tickets:
        product = shop.by_code.get(ticket["custom_fields"][0]["value"])
        if product is not None and product["FNumber"] not in about and len(made) < len(newest[-SHIPPED:]) + OLDER:
            about.add(product["FNumber"])
            made.append(shop.make(entity, product, _opened(ticket) - 20 - int(rng.random() * 700)))
    for ticket in tickets:
        code, day = ticket["custom_fields"][0]["value"], _opened(ticket)
        fit = [device for device in made if device.product["FNumber"] == code and device.begun <= day]
        if fit and rng.random() < 0.65:
            _name(ticket, shop.typed(pick(rng, fit).serial))
    return made


def _lead(world: World, shop: Shop, entity: Entity, tickets: list[Record]) -> None:
    """The anchor's devices: one of every kind of verdict; some of its open tickets name them."""
    today, contract = world.today, shop.contracts[entity.crm_ids[0]]
    plain: Record = {
        "Status": "Installed", "InstallDate": None, "Status_Date__c": None, "Warranty_Kind__c": "Standard",
        "Warranty_End__c": None, "Warranty_Terms__c": None, "Contract_Number__c": None,
    }  # fmt: skip
    made = {
        code: shop.make(entity, shop.every[code], today - ago, fields={**plain, **fields})
        for code, ago, fields in (
            ("CMM-500", 395, {"Warranty_End__c": timing.iso(today)}),
            ("VMS-100", 366, {"Warranty_End__c": timing.iso(today - 1)}),
            ("LDS-300", 900, {"Contract_Number__c": contract}),
            ("THK-300", 200, {"Contract_Number__c": contract}),
            ("RND-100", 1000, {}),
            ("MVS-300", 300, {"Status": "Returned", "Status_Date__c": timing.iso(today - 100)}),
            ("SRP-300", 120, {}),
            ("LKT-300", 60, {"Warranty_Start__c": timing.iso(today + 10)}),
        )
    }  # fmt: skip
    wanted = {48213: "LDS-300", 47951: "CMM-500", 48102: "VMS-100"}
    for ticket in tickets:
        if ticket["id"] in wanted:
            _name(ticket, shop.typed(made[wanted[ticket["id"]]].serial))


class Claims:
    """Plants claims of warranty, one kind after the other, on closed tickets of customers with devices."""

    def __init__(self, shop: Shop, homes: list[tuple[Entity, list[Record]]]) -> None:
        self.shop, self.homes = shop, homes
        self.taken: set[int] = set()

    def ticket(self) -> tuple[Entity, Record, Record]:
        """The next customer with a ticket of this year about an instrument that claims nothing yet, and its product."""
        for place in range(len(self.homes)):
            entity, tickets = self.homes[place]
            for ticket in tickets:
                product = self.shop.by_code.get(ticket["custom_fields"][0]["value"])
                if product is not None and ticket["id"] not in self.taken:
                    self.taken.add(ticket["id"])
                    self.homes.append(self.homes.pop(place))
                    return entity, ticket, product
        raise StopIteration

    def claim(self, ticket: Record, serial: str, entity: Entity, *, covered: bool = False) -> None:
        """The ticket claims warranty on `serial`; one that is not `covered` is what a reconciliation should find."""
        ticket["description"] = _CLAIM
        _name(ticket, serial)
        if not covered:
            self.shop.world.contradictions.append(
                {
                    "rule": "warranty_serial",
                    "class": "missing",
                    "number": str(ticket["id"]),
                    "truth_id": entity.truth_id,
                }
            )

    def plant(self) -> None:
        """One claim of every kind: unknown, run out, another customer's, sold on, returned; and two that are right."""
        shop = self.shop
        plain: Record = {"Status": "Installed", "Status_Date__c": None, "Contract_Number__c": None}
        entity, ticket, product = self.ticket()
        self.claim(ticket, f"{product['FNumber'].replace('-', '')}-00{90000 + len(self.taken)}", entity)
        for ends, covered in ((-1, False), (0, True), (-170, False)):
            entity, ticket, product = self.ticket()
            day = _opened(ticket)
            own = {**plain, "Warranty_End__c": timing.iso(day + ends)}
            self.claim(
                ticket, shop.make(entity, product, day - 500, fields=own).serial.lower(), entity, covered=covered
            )
        holder, _, product = self.ticket()
        entity, ticket, product = self.ticket()
        day = _opened(ticket)
        theirs = shop.make(holder, product, day - 90, fields=plain)
        self.claim(ticket, theirs.serial, entity)
        entity, ticket, product = self.ticket()
        day = _opened(ticket)
        gone = {**plain, "Status": "Returned", "Status_Date__c": timing.iso(day - 30)}
        self.claim(ticket, shop.make(entity, product, day - 200, fields=gone).serial, entity)
        entity, ticket, product = self.ticket()
        day = _opened(ticket)
        sold = shop.make(holder, product, day - 400, fields=plain)
        again = shop.make(entity, product, day - 100, fields={**plain, "Warranty_End__c": timing.iso(day + 60)})
        again.row["SerialNumber"] = sold.row["SerialNumber"] = sold.serial
        self.claim(ticket, sold.serial, entity, covered=True)


def build(world: World) -> None:
    """Devices of every customer the CRM knows, tickets that name them, and claims planted once per 200 customers."""
    rng = world.rng("devices")
    shop = Shop(world, rng)
    shipped, tickets = _shipments(world, shop), _tickets(world)
    homes: list[tuple[Entity, list[Record]]] = []
    for entity in world.entities:
        if not entity.crm_ids or entity.kind == "bucket":
            continue
        mine = tickets.get(entity.org_id, []) if entity.org_id else []
        if entity.is_lead:
            _lead(world, shop, entity, mine)
            continue
        made = _installed(shop, entity, shipped, mine)
        late = [one for one in mine if _opened(one) > world.today - 300 and one["status"] in {"closed", "solved"}]
        if made and late and entity.index > 3 and not entity.churned_on:
            homes.append((entity, late))
    if world.customers < SMALLEST:
        return
    claims = Claims(shop, homes)
    for _ in range(max(1, world.customers // 200)):
        claims.plant()
