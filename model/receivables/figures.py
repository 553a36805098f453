"""The documents behind the ratios, as SQL with one row per document: what a figure adds up is what it opens.

Each statement gives customer_key, entity, record_key, number, currency, source, source_id, dated_on, due_on, amount.
Parameters: `$as_of`, or `$start` and `$end` (both days count).
"""

from __future__ import annotations

from model.receivables.items import open_credits_sql, open_items_sql

BILLS = "('bank_bill', 'commercial_bill')"
_COLUMNS = "customer_key, entity, record_key, number, currency, source, source_id, dated_on, due_on, amount"


def open_rows_sql(where: str, *, received: bool = False) -> str:
    """Open items (never negative ones) that meet `where`, a condition over their columns, as of `$as_of`."""
    return f"""
    select customer_key, 'invoice' as entity, record_key, invoice_number as number, currency, source, source_id,
           posted_on as dated_on, due_on, open_amount as amount
    from ({open_items_sql(received=received)}) where open_amount > 0 and ({where})"""


def unallocated_sql() -> str:
    """What is left of receipts as of `$as_of`, as amounts that lower the balance."""
    return f"""
    select customer_key, 'receipt' as entity, record_key, number, currency, source, source_id, dated_on,
           cast(null as date) as due_on, -left_amount as amount
    from ({open_credits_sql()}) where class = 'unallocated'"""


def credits_sql(*, received: bool = False) -> str:
    """Unused credit notes and red invoices and overpaid rows as of `$as_of`, as amounts that lower the balance."""
    return f"""
    select customer_key, 'credit_note' as entity, record_key, number, currency, source, source_id, dated_on,
           cast(null as date) as due_on, -left_amount as amount
    from ({open_credits_sql()}) where class = 'credits'
    union all
    select customer_key, 'invoice', record_key, invoice_number, currency, source, source_id, posted_on, due_on,
           open_amount
    from ({open_items_sql(received=received)}) where open_amount < 0 and kind <> 'provisional'"""


def bills_sql(*, customer: bool = False) -> str:
    """Acceptance bills that have settled receivables and are not mature on `$as_of`: a claim still.

    amount: what of the bill is used (an unallocated bill leaves its invoice open, which is counted already).
    is_contingent: endorsed or discounted with recourse. A bill endorsed or discounted without recourse, settled or
    dishonoured is none; a state without a day counts as having held all along, settlement as at maturity.
    """
    only = "and r.customer_key = $customer_key" if customer else ""
    return f"""
    select r.customer_key, 'receipt' as entity, r.record_key, r.number, r.currency, r.source, r.source_id,
           r.received_on as dated_on, r.bill_matures_on as due_on,
           cast(r.amount - case when capability.gives_allocations is false then 0 else coalesce(open.left_amount, 0) end
                as decimal(18, 2)) as amount,
           coalesce(r.bill_state in ('endorsed', 'discounted') and coalesce(r.bill_state_on <= $as_of, true), false)
               as is_contingent
    from core.fct_receipt as r
    left join ({open_credits_sql(customer=customer)}) as open
        on open.record_key = r.record_key and open.class = 'unallocated'
    left join meta.source_capability as capability on capability.source = r.source
    where r.known_to is null and r.excluded_reason is null and r.amount > 0 and r.method in {BILLS} {only}
      and r.posted_on <= $as_of and (r.bill_matures_on is null or r.bill_matures_on > $as_of)
      and (r.dishonoured_on is null or r.dishonoured_on > $as_of)
      and not (coalesce(r.bill_state, '') = 'settled'
               and (r.bill_state_on <= $as_of or (r.bill_state_on is null and r.bill_matures_on is null)))
      and not (coalesce(r.bill_state, '') in ('endorsed', 'discounted') and not r.has_recourse
               and coalesce(r.bill_state_on <= $as_of, true))
      and r.amount > case when capability.gives_allocations is false then 0 else coalesce(open.left_amount, 0) end"""


def sales_sql(*, prepaid: bool = False) -> str:
    """Tax-included invoices less red invoices and credit notes posted from `$start` to `$end`.

    Without `prepaid` less what of them was paid before they were invoiced (receipts posted earlier, or prepayments of
    the same day, as allocated by `$end`). Opening balances and provisional receivables are no sales.
    """
    paid_before = """
        select s.invoice_key, sum(s.amount) as amount
        from core.fct_settlement as s
        join core.fct_receipt as r on r.record_key = s.document_key and r.known_to is null
        join core.fct_invoice as i on i.record_key = s.invoice_key
        where s.document_class = 'unallocated' and s.kind = 'receipt' and s.moved_on <= $end
          and i.posted_on between $start and $end
          and (r.posted_on < i.posted_on
               or (r.posted_on = i.posted_on and coalesce(r.purpose, '') in ('prepayment', 'deposit')))
        group by s.invoice_key"""
    taken = "0" if prepaid else "coalesce(prepaid.amount, 0)"
    join = "" if prepaid else f"left join ({paid_before}) as prepaid on prepaid.invoice_key = i.record_key"
    return f"""
    select i.customer_key, 'invoice' as entity, i.record_key, i.number, i.currency, i.source, i.source_id,
           i.posted_on as dated_on, i.due_on, cast(i.gross_amount - {taken} as decimal(18, 2)) as amount
    from core.fct_invoice as i {join}
    where i.excluded_reason is null and i.kind not in ('provisional', 'opening')
      and i.posted_on between $start and $end
    union all
    select customer_key, 'credit_note', record_key, number, currency, source, source_id, posted_on, null, -gross_amount
    from core.fct_credit_note
    where known_to is null and excluded_reason is null and posted_on between $start and $end"""


def write_offs_sql(*, recovered: bool) -> str:
    """Bad debt written off from `$start` to `$end`, or (`recovered`) write-offs taken back, as positive amounts."""
    return f"""
    select i.customer_key, 'invoice' as entity, i.record_key, i.number, i.currency, i.source, i.source_id,
           s.moved_on as dated_on, i.due_on, {"-" if recovered else ""}s.amount as amount
    from core.fct_settlement as s
    join core.fct_invoice as i on i.record_key = s.invoice_key
    where s.kind = 'write_off' and s.amount {"<" if recovered else ">"} 0 and s.moved_on between $start and $end"""


def payments_sql() -> str:
    """Money that settled dated items from `$start` to `$end`, retention apart, with `days_late` (early: negative).

    The days count to the receipt's own day, however late it was allocated.
    """
    return """
    select customer_key, 'invoice' as entity, record_key, invoice_number as number, currency, source,
           split_part(substr(invoice_key, length(source) + 2), '#', 1) as source_id, received_on as dated_on, due_on,
           amount, date_diff('day', due_on, received_on) as days_late
    from marts.mart_payment
    where due_on is not null and not coalesce(is_retention, false) and moved_on between $start and $end"""


def of_viewer(sql: str, rule: str, columns: str = _COLUMNS, where: str = "true") -> str:
    """The rows of `sql` whose customer meets the row `rule`, with the customer's name."""
    named = ", ".join(f"f.{column.strip()}" for column in columns.split(","))
    return f"""select {named}, customer.name from ({sql}) as f
        join core.dim_customer as customer on customer.customer_key = f.customer_key where {rule} and {where}"""
