"""Rows of the customers in CRM, ERP and helpdesk, with the spellings, gaps and conflicts real masters have."""

from __future__ import annotations

from random import Random

from data.demo import codes, masters, naming, timing
from data.demo.words import ROLES
from data.demo.world import Entity, ErpAccount, Record, World, pick

ANCHOR_ORG = 58812


def _tax_id(rng: Random, entity: Entity) -> str | None:
    choice = rng.random()
    if not entity.uscc or choice < 0.16:
        return None
    if choice < 0.86 or entity.is_lead:
        return entity.uscc
    if choice < 0.93:
        return codes.old_tax_number(entity.uscc)
    broken = (
        entity.uscc[:17],
        entity.uscc[:5] + ("7" if entity.uscc[5] != "7" else "3") + entity.uscc[6:],
        entity.uscc.replace("0", "O", 1),
        "000000000000000",
        f"{entity.uscc[:6]} {entity.uscc[6:]}".lower(),
    )
    return pick(rng, broken)


def _account(world: World, rng: Random, entity: Entity, name: str, created: int, main: bool) -> str:
    key = world.sf_id("001", "account")
    has_code = bool(entity.erp) and (entity.is_lead or rng.random() < 0.45)
    changed = created + int(rng.random() * max(1, world.as_of - created)) if rng.random() < 0.7 else created
    parent = entity.parent.crm_ids[0] if entity.parent and entity.parent.crm_ids and main else None
    fields: Record = {
        "MasterRecordId": None,
        "Name": name,
        "Short_Name__c": entity.short if rng.random() < 0.75 or entity.is_lead else None,
        "English_Name__c": entity.english or None,
        "Former_Name__c": entity.former or None,
        "Type": "Customer" if entity.erp else "Prospect",
        "Active__c": True,
        "ParentId": parent,
        "OwnerId": entity.owner.user_id,
        "Industry": entity.industry,
        "Tier__c": entity.tier if main or rng.random() < 0.5 else None,
        "Region__c": entity.city.region,
        "Tax_Id__c": _tax_id(rng, entity),
        "ERP_Code__c": entity.erp[0].code if has_code else None,
        "Phone": entity.phone if rng.random() < 0.85 else None,
        "Website": f"www.{entity.domain}" if rng.random() < 0.5 else None,
        "BillingCountry": entity.country,
        "BillingState": entity.city.province,
        "BillingCity": entity.city.name,
        "BillingStreet": entity.address,
        "CurrencyIsoCode": entity.currency,
        "CustomerSince__c": timing.iso(entity.since) if entity.erp else None,
    }
    world.sf("Account", key, created, changed, fields)
    return key


def _crm(world: World, rng: Random, entity: Entity) -> None:
    if not entity.is_lead and entity.erp and rng.random() < 0.06 and entity.kind != "branch" and not entity.group:
        return
    if entity.kind == "bucket":
        return
    created = timing.at(entity.since - 20, 32400 + int(rng.random() * 30000))
    name = entity.name if entity.index < 4 else naming.variant(rng, entity.name, entity.short)
    if rng.random() < 0.5:
        name = entity.name
    entity.crm_ids.append(_account(world, rng, entity, name, created, main=True))
    choice = rng.random()
    if choice < 0.06 and entity.index > 3:
        later = min(created + int(rng.random() * 4e7) + 86400, world.as_of - 86400)
        other = _account(world, rng, entity, naming.variant(rng, entity.name, entity.short), later, main=False)
        if choice < 0.02:
            _merge(world, rng, entity, other, later)
        else:
            entity.crm_ids.append(other)


def double(world: World, rng: Random, entity: Entity, created: int) -> str:
    """A second account of the customer in the CRM, made at the instant `created`; its id."""
    return _account(world, rng, entity, naming.variant(rng, entity.name, entity.short), created, main=False)


def _merge(world: World, rng: Random, entity: Entity, loser: str, created: int) -> None:
    row = world.salesforce["Account"][-1]
    stamp = timing.salesforce(created + int(rng.random() * (world.as_of - created)))
    row.update(IsDeleted=True, MasterRecordId=entity.crm_ids[0], LastModifiedDate=stamp, SystemModstamp=stamp)
    entity.merged_ids.append(loser)


def _contacts(world: World, rng: Random, entity: Entity) -> None:
    count = 4 if entity.is_lead else 1 + int(rng.random() * 3) + (entity.tier == "A")
    for k in range(count):
        name, surname, pinyin = ("陈静怡", "陈", "jingyi.chen") if entity.is_lead and k == 0 else naming.person(rng)
        title, department, role = ROLES[2] if k == 0 else ROLES[1] if entity.is_lead and k == 1 else pick(rng, ROLES)
        if entity.is_lead and k == 1:
            name, surname, pinyin = "王建国", "王", "jianguo.wang"
        number = "13861232170" if entity.is_lead and k == 0 else codes.mobile(rng)
        mail = f"{pinyin}{'' if k == 0 else k}@{entity.domain}"
        person: Record = {"name": name, "mobile": number, "email": mail, "title": title, "id": ""}
        created = timing.at(entity.since, 36000 + k * 600)
        if entity.crm_ids:
            person["id"] = world.sf_id("003", "contact")
            fields = {
                "MasterRecordId": None,
                "AccountId": pick(rng, entity.crm_ids),
                "OwnerId": entity.owner.user_id,
                "Name": name,
                "LastName": surname,
                "FirstName": name[len(surname) :],
                "Title": title,
                "Department": department,
                "Role__c": role,
                "Phone": entity.phone + (f" 转 {801 + k}" if rng.random() < 0.3 else "")
                if rng.random() < 0.5
                else None,
                "MobilePhone": codes.styled_mobile(rng, number) if rng.random() < 0.9 else None,
                "Email": mail if rng.random() < 0.85 or entity.is_lead else None,
                "WeChat__c": f"wx_{pinyin.replace('.', '')}{k}" if rng.random() < 0.4 else None,
                "Is_Primary__c": k == (1 if count > 1 else 0),
                "Is_Finance__c": role == "财务",
                "Active__c": rng.random() < 0.93,
            }
            world.sf("Contact", person["id"], created, created + int(rng.random() * 5e7), fields)
        entity.contacts.append(person)


def _erp_row(world: World, rng: Random, entity: Entity, account: ErpAccount, first: bool) -> None:
    created = timing.at(max(entity.since, world.start - 1400), 34000 + int(rng.random() * 20000))
    name = entity.name if first or entity.is_lead else naming.variant(rng, entity.name, entity.short)
    choice = rng.random()
    clean = choice < 0.82 or entity.is_lead
    limit = 1_200_000.0 if entity.is_lead else round(entity.size * 40, 0) * 10000 + 50000.0
    crm = entity.crm_ids[0] if entity.crm_ids and (entity.is_lead or rng.random() < 0.3) else ""
    changed = created + int(rng.random() * max(1, world.as_of - created)) if rng.random() < 0.6 else created
    row: Record = {
        "FCUSTID": account.id,
        "FMasterID": account.master,
        "FNumber": account.code,
        "FName": name,
        "FShortName": entity.short if rng.random() < 0.6 or entity.is_lead else "",
        "FSOCIALCRECODE": entity.uscc if clean else "",
        "FTAXREGISTERCODE": entity.uscc
        if clean
        else codes.old_tax_number(entity.uscc)
        if choice < 0.94 and entity.uscc
        else "",
        "FCreateOrgId": account.organisation,
        "FUseOrgId": account.organisation,
        "FGroup": masters.INDUSTRY_GROUPS[entity.industry],
        "FSELLER": entity.owner.erp_id if rng.random() < 0.95 or entity.is_lead else pick(rng, world.managers).erp_id,
        "FRECCONDITIONID": masters.TERMS[entity.terms][0],
        "FTRADINGCURRID": masters.CURRENCIES[entity.currency][0],
        "FADDRESS": entity.address,
        "FTEL": entity.phone.replace("-", "—") if rng.random() < 0.2 else entity.phone,
        "FINVOICEBANKNAME": "模拟银行示例支行" if entity.country == "CN" else "",
        "FINVOICEBANKACCOUNT": codes.bank_account(rng),
        "F_PAEZ_CreditLimit": limit if entity.is_lead or rng.random() < 0.8 else None,
        "F_PAEZ_CreditCurr": masters.CURRENCIES[entity.currency][0],
        "F_PAEZ_Hold": not entity.is_lead and rng.random() < 0.02,
        "F_PAEZ_CrmId": crm,
        "FDocumentStatus": "C",
        "FForbidStatus": "B" if not first and rng.random() < 0.1 and not entity.is_lead else "A",
        "FCreateDate": timing.wall(created),
        "FModifyDate": timing.wall(world.clip(changed)),
    }
    world.add("kingdee", "BD_Customer", row)


def _helpdesk(world: World, rng: Random, entity: Entity) -> None:
    if entity.kind == "bucket" or (not entity.is_lead and (not entity.erp or rng.random() > 0.85)):
        return
    entity.org_id = ANCHOR_ORG if entity.is_lead else 60000 + entity.index * 13
    created = timing.at(max(entity.since, world.start - 900), 35000)
    linked = entity.crm_ids and (entity.is_lead or rng.random() < 0.8)
    pool = entity.merged_ids if entity.merged_ids and rng.random() < 0.5 else entity.crm_ids
    external = pick(rng, pool) if linked else None
    coded = bool(entity.erp) and (entity.is_lead or rng.random() < 0.4)
    name = entity.name if entity.is_lead else naming.variant(rng, entity.name, entity.short)
    row: Record = {
        "id": entity.org_id,
        "name": name,
        "external_id": external,
        "domain_names": [entity.domain],
        "details": "",
        "notes": "",
        "group_id": 4410,
        "tags": [f"tier_{entity.tier.lower()}"],
        "organization_fields": {
            "erp_code": pick(rng, entity.erp).code if coded else None,
            "short_name": entity.short if rng.random() < 0.5 else None,
            "tier": entity.tier,
        },
        "created_at": timing.utc(created),
        "updated_at": timing.utc(created),
        "stamp": created,
    }
    world.add("zendesk", "organizations", row)
    for person in entity.contacts:
        entity.requesters.append(_requester(world, entity, person, created + 3600))


def _requester(world: World, entity: Entity, person: Record, created: int) -> int:
    key = world.next("zendesk user", 30200100)
    row: Record = {
        "id": key,
        "name": person["name"],
        "email": person["email"],
        "phone": "+86" + person["mobile"] if entity.country == "CN" else entity.phone,
        "role": "end-user",
        "organization_id": entity.org_id,
        "active": True,
        "suspended": False,
        "external_id": None,
        "user_fields": {"position": person["title"]},
        "created_at": timing.utc(created),
        "updated_at": timing.utc(created),
        "stamp": created,
    }
    world.add("zendesk", "users", row)
    return key


def build(world: World) -> None:
    """Accounts and contacts (CRM), customers (ERP), organisations and end users (helpdesk)."""
    rng = world.rng("accounts")
    for entity in world.entities:
        _crm(world, rng, entity)
        _contacts(world, rng, entity)
        for position, account in enumerate(entity.erp):
            _erp_row(world, rng, entity, account, first=position == 0)
        _helpdesk(world, rng, entity)
