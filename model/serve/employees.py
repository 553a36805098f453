"""The employee crosswalk: who is one person in which system, and equal names that only a person can decide."""

from __future__ import annotations

from typing import Any

from model.policy import Viewer
from model.serve.connection import Served

_EMPLOYEES = """
    select e.employee_key, e.code, e.name, e.email, e.department, e.team, e.region, e.is_active, m.name as manager,
           (select count(*) from core.dim_customer as c where c.owner_key = e.employee_key) as customers,
           list(struct_pack(source := x.source, source_id := x.source_id, rule := x.rule)
                order by x.source, x.source_id) as records
    from core.dim_employee as e
    join identity.employee_crosswalk as x on x.employee_key = e.employee_key
    left join core.dim_employee as m on m.employee_key = e.manager_key
    where $everybody or e.employee_key = $me
    group by all order by e.name, e.employee_key
"""
_PROPOSALS = """
    select p.left_key, p.right_key, p.name, p.department, l.email as left_email, r.email as right_email,
           l.code as left_code, r.code as right_code, l.is_active as left_active, r.is_active as right_active
    from identity.employee_proposal as p
    join core.dim_employee as l on l.employee_key = p.left_key
    join core.dim_employee as r on r.employee_key = p.right_key
    order by p.name, p.left_key, p.right_key
"""


def employees(viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """{employee_key, code, name, email, department, team, region, is_active, manager, customers, records} by name.

    records: {source, source_id, rule} of every system's user; customers: how many this person looks after. Who does not
    see all customers sees only the own entry.
    """
    return db.rows(_EMPLOYEES, {"everybody": viewer.scope == "all", "me": viewer.employee_key or ""})


def employee_proposals(viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """Pairs of employees of one name in one department that no mail, staff number or phone links.

    {left_key, right_key, name, department, left_email, right_email, left_code, right_code, left_active, right_active}.
    A line in config/employees.csv makes them one. Only for who sees all customers.
    """
    return db.rows(_PROPOSALS) if viewer.scope == "all" else []
