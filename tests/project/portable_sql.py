"""The portable SQL subset as an allow-list over sqlglot's syntax tree (design rules: DECISIONS.md, "Portable SQL").

Both engines accept these forms with the same meaning; anything else is refused before it can differ silently.
"""

from __future__ import annotations

from pathlib import Path

import sqlglot
from sqlglot import exp

ROOT = Path(__file__).parent.parent.parent
MODELS = sorted([*(ROOT / "model/core").glob("*.sql"), *(ROOT / "model/marts").glob("*.sql")])

FORBIDDEN: dict[type[exp.Expression], str] = {
    exp.Pivot: "PIVOT has no portable form; use sum(case when …)",
    exp.Lambda: "lambdas differ between engines; do it in conform",
    exp.Map: "MAP literals differ between engines",
    exp.Div: "wrap a division: cast both sides to DECIMAL, guard zero, cast the result",
}
SCHEMAS = {"staging", "identity", "core", "marts", "meta"}


def models() -> list[Path]:
    """Every model file, core before marts."""
    return MODELS


def parse(path: Path) -> exp.Expression:
    """The one SELECT of a model file."""
    statements = [item for item in sqlglot.parse(path.read_text(encoding="utf-8"), read="duckdb") if item is not None]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        msg = f"{path.name}: a model is exactly one SELECT"
        raise ValueError(msg)
    return statements[0]


def _is_cast(node: exp.Expression | None) -> bool:
    while isinstance(node, exp.Paren | exp.Coalesce | exp.Nullif):
        node = node.parent
    return isinstance(node, exp.Cast | exp.TryCast | exp.Round)


def _guarded(node: exp.Div) -> bool:
    divisor = node.expression
    while isinstance(divisor, exp.Paren | exp.Cast):
        divisor = divisor.this
    if isinstance(divisor, exp.Nullif) or (isinstance(divisor, exp.Literal) and divisor.name not in {"0", "0.0"}):
        return True
    branch = node.find_ancestor(exp.If)
    if branch is None:
        return False
    return any(
        check.this == divisor and check.expression.name == "0" for check in branch.this.find_all(exp.GT, exp.NEQ)
    )


def problems(path: Path) -> list[str]:
    """What `path` uses outside the subset, as readable sentences."""
    tree = parse(path)
    names = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    found: list[str] = []
    for kind, reason in FORBIDDEN.items():
        for node in tree.find_all(kind):
            if isinstance(node, exp.Div) and _guarded(node) and _is_cast(node.parent):
                continue
            found.append(f"{node.sql('duckdb')[:60]}: {reason}")
    for star in tree.find_all(exp.Star):
        if star.args.get("except_") or star.args.get("replace") or star.args.get("except"):
            found.append("SELECT * EXCLUDE/REPLACE is not portable; name the columns")
        if tree.find(exp.Qualify):
            found.append("SELECT * with QUALIFY is not portable; name the columns")
    joins = [join.sql("duckdb").upper().split(" JOIN ", maxsplit=1)[0] for join in tree.find_all(exp.Join)]
    found += ["ASOF JOIN is not portable; densify, then equi-join" for join in joins if "ASOF" in join]
    unions = [union for union in tree.find_all(exp.SetOperation) if union.args.get("by_name")]
    found += ["UNION BY NAME is not portable" for _ in unions]
    for table in tree.find_all(exp.Table):
        if table.name and not table.db and table.name not in names and not isinstance(table.this, exp.Func):
            found.append(f"table {table.name} is not schema-qualified; one of {sorted(SCHEMAS)}")
        elif table.db and table.db not in SCHEMAS:
            found.append(f"schema {table.db} is unknown; one of {sorted(SCHEMAS)}")
    found += _functions(tree) + _windows(tree)
    return found


def _functions(tree: exp.Expression) -> list[str]:
    banned = {
        "now": "nothing stored is relative to today",
        "current_date": "nothing stored is relative to today",
        "current_timestamp": "nothing stored is relative to today",
        "today": "nothing stored is relative to today",
        "random": "a build is repeatable",
        "list_transform": "no lambdas",
        "list_filter": "no lambdas",
        "columns": "COLUMNS() is not portable",
    }
    found = []
    for node in tree.find_all(exp.Func):
        name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        if name in banned:
            found.append(f"{name}(): {banned[name]}")
        if isinstance(node, exp.RegexpReplace) and "g" not in str(node.args.get("modifiers") or ""):
            found.append("regexp_replace needs 'g': the engines' defaults differ")
    return found


def _windows(tree: exp.Expression) -> list[str]:
    ordered = (exp.RowNumber, exp.Ntile, exp.FirstValue, exp.LastValue, exp.Lag, exp.Lead)
    return [
        f"{window.this.sql('duckdb')} has no ORDER BY: add one with a unique tie-break"
        for window in tree.find_all(exp.Window)
        if isinstance(window.this, ordered) and not window.args.get("order")
    ]
