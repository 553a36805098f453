"""Legal entities: who they are, their habits, groups and branches; ERP codes are given out here."""

from __future__ import annotations

from random import Random

from data.demo import codes, masters, naming, timing
from data.demo.people import ANCHOR_OWNER
from data.demo.words import CITIES, INDUSTRIES, City
from data.demo.world import Employee, Entity, ErpAccount, World, pick

_TIERS = ("A",) * 2 + ("B",) * 5 + ("C",) * 9 + ("D",) * 4
_ORGANISATION_OF = {
    "华东": (100101, 100102),
    "华南": (100103, 100101),
    "华北": (100101, 100102),
    "西部": (100102, 100103),
}
ANCHOR_CODES = {"C-01187": 100102, "C-02214": 100101}
GROUP = "北辰控股"
_DIAL = {"DE": 49, "US": 1, "SE": 46, "GB": 44, "IT": 39, "CA": 1, "SG": 65, "CH": 41}
_STREETS = ("科技路", "创新大道", "工业园区星湖街", "软件园路", "高新三路", "滨江大道", "长江路", "振兴路")
_MONTHLY, _STAGES, _PREPAID = 0, 5, 4


def _place(city: City) -> str:
    """`江苏省苏州市`, but `上海市` once only."""
    return f"{city.name}市" if city.province == f"{city.name}市" else f"{city.province}{city.name}市"


def _traits(world: World, rng: Random, entity: Entity) -> None:
    years = world.months // 12 + 1
    late, miss = rng.gauss(10, 14), 0.03 + rng.random() * 0.42
    use, mood = 1.0, rng.gauss(0.80, 0.12)
    rows = []
    for _ in range(years):
        rows.append((late, min(0.75, max(0.02, miss)), max(0.15, use), min(0.98, max(0.2, mood))))
        late += rng.gauss(2, 9)
        miss += rng.gauss(0.01, 0.13)
        use *= 1 + rng.gauss(0, 0.35)
        mood += rng.gauss(-0.01, 0.14)
    entity.late, entity.misses, entity.usage, entity.mood = zip(*rows, strict=True)
    entity.size = min(6.0, rng.lognormvariate(-0.25, 0.85) * {"A": 2.6, "B": 1.5, "C": 0.9, "D": 0.5}[entity.tier])


def _terms(rng: Random) -> int:
    choice = rng.random()
    if choice < 0.42:
        return _MONTHLY
    if choice < 0.55:
        return 1
    if choice < 0.67:
        return 2
    if choice < 0.74:
        return 3
    if choice < 0.80:
        return _PREPAID
    return _STAGES if choice < 0.90 else 6


def _entity(world: World, rng: Random, kind: str, name: str, short: str, city: City, industry: str) -> Entity:
    index = len(world.entities)
    owners = [m for m in world.managers if m.region == city.region and (m.active or rng.random() < 0.25)]
    entity = Entity(
        index=index,
        truth_id=f"T{index + 1:06d}",
        kind=kind,
        name=name,
        short=short,
        english="",
        former="",
        uscc=codes.new_uscc(rng, city.code),
        city=city,
        country="CN",
        industry=industry,
        tier=pick(rng, _TIERS),
        owner=pick(rng, owners),
        phone=codes.landline(rng, city.area),
        address=f"{_place(city)}{pick(rng, _STREETS)}{1 + int(rng.random() * 899)}号",
        domain=f"c{index + 1:05d}.example.com",
        since=world.start - int(rng.random() * 2200)
        if rng.random() < 0.68
        else world.start + int(rng.random() * (world.today - world.start - 90)),
        currency="CNY",
        terms=_terms(rng),
    )
    _traits(world, rng, entity)
    world.entities.append(entity)
    return entity


def _abroad(rng: Random, entity: Entity, used: set[str]) -> None:
    name, currency, city, country = naming.foreign(rng, used)
    entity.name = entity.english = name
    entity.short = " ".join(name.split(" ")[:2])
    entity.currency, entity.country, entity.uscc, entity.industry = currency, country, "", "海外"
    entity.city = City(city, country, entity.city.region, "", "")
    entity.address = f"{city}, {country}"
    entity.phone = f"+{_DIAL[country]} {rng.randint(100, 999)} {rng.randint(1000000, 9999999)}"
    entity.terms = 6


def _ordinary(world: World, rng: Random, used: set[str]) -> None:
    city = pick(rng, CITIES)
    industry = pick(rng, tuple(INDUSTRIES))
    choice = rng.random()
    parents = [
        e for e in world.entities[-40:] if e.kind == "company" and e.country == "CN" and not e.parent and e.index > 3
    ]
    if choice < 0.06 and parents:
        _branch(world, rng, pick(rng, parents), city)
        return
    name, short = naming.company(rng, city, industry, used)
    entity = _entity(world, rng, "company", name, short, city, industry)
    if choice > 0.955:
        _abroad(rng, entity, used)
    elif 0.06 <= choice < 0.12 and parents:
        entity.parent = pick(rng, parents)
        entity.group = entity.parent.group = entity.parent.short[:2] + "集团"
    elif 0.12 <= choice < 0.15:
        entity.former = naming.company(rng, city, industry, used)[0]
    elif 0.15 <= choice < 0.20:
        entity.currency = "USD" if rng.random() < 0.6 else "EUR"


def _branch(world: World, rng: Random, parent: Entity, city: City) -> None:
    name = f"{parent.name}{city.name}分公司"
    if name in {e.name for e in world.entities[-60:]}:
        return
    entity = _entity(world, rng, "branch", name, f"{parent.short}{city.name}", city, parent.industry)
    entity.parent, entity.group = parent, parent.group
    entity.size *= 0.5


def _anchor_group(world: World, rng: Random) -> None:
    by_name = {city.name: city for city in CITIES}
    owner: Employee = next(m for m in world.managers if m.name == ANCHOR_OWNER)
    rows = (
        ("北辰控股集团有限公司", "北辰控股", "上海", "MA1FYB3K", "B"),
        ("北辰精密仪器（苏州）有限公司", "北辰精密", "苏州", "MA1WFTQ2", "A"),
        ("北辰传感科技（深圳）有限公司", "北辰传感", "深圳", "MA5DK8XR", "C"),
        ("北辰计量检测（成都）有限公司", "北辰计量", "成都", "MA6CQ7HD", "C"),
    )
    for name, short, place, body, tier in rows:
        entity = _entity(world, rng, "company", name, short, by_name[place], "装备制造")
        entity.uscc = codes.uscc(by_name[place].code, body)
        entity.owner, entity.tier, entity.group, entity.currency = owner, tier, GROUP, "CNY"
        entity.parent = world.entities[0] if entity.index else None
    anchor = world.entities[1]
    anchor.english, anchor.former = (
        "Beichen Precision Instruments (Suzhou) Co., Ltd.",
        "苏州北辰仪器仪表有限公司",
    )
    anchor.domain, anchor.phone, anchor.address = (
        "beichen.example.com",
        "0512-67890123",
        "江苏省苏州市工业园区星湖街328号",
    )
    anchor.since, anchor.terms, anchor.size, anchor.is_lead = (
        timing.add_months(world.today, -74),
        0,
        4.5,
        True,
    )
    years = len(anchor.late)
    anchor.late, anchor.misses = (6.0,) * (years - 2) + (12.0, 18.0), (0.12,) * (years - 1) + (0.3,)
    anchor.usage, anchor.mood = (1.0,) * years, (0.85,) * years


def _codes(world: World, rng: Random) -> None:
    reserved = set(ANCHOR_CODES)
    for entity in world.entities:
        if entity.is_lead:
            shared = world.next("erp customer", 102001)
            for code, organisation in ANCHOR_CODES.items():
                entity.erp.append(
                    ErpAccount(shared if not entity.erp else world.next("erp customer"), code, organisation, shared)
                )
            continue
        if entity.index > 3 and rng.random() > 0.86:
            continue
        count = 1 if rng.random() < 0.85 else 2 if rng.random() < 0.8 else 3
        shares_master = rng.random() < 0.5
        first = 0
        home = _ORGANISATION_OF[entity.city.region]
        organisations = (*home, *(o for o in masters.ORGANISATIONS if o not in home))
        for organisation in organisations[:count]:
            key = world.next("erp customer", 102001)
            first = first or key
            entity.erp.append(ErpAccount(key, _code(world, reserved), organisation, first if shares_master else key))


def _code(world: World, reserved: set[str]) -> str:
    while True:
        code = f"C-{world.next('erp code'):05d}"
        if code not in reserved:
            return code


def build(world: World) -> None:
    """`world.customers` entities (the anchor group first, one retail bucket last) with traits and ERP codes."""
    rng = world.rng("customers")
    used: set[str] = set()
    _anchor_group(world, rng)
    while len(world.entities) < world.customers - 1:
        _ordinary(world, rng, used)
    bucket = _entity(world, rng, "bucket", "零售散户", "散户", CITIES[0], "零售")
    bucket.uscc, bucket.tier, bucket.terms = "", "D", _PREPAID
    _codes(world, rng)
    if not bucket.erp:
        key = world.next("erp customer", 102001)
        bucket.erp.append(ErpAccount(key, _code(world, set(ANCHOR_CODES)), 100101, key))
