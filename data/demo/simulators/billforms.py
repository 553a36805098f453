"""Fields of the forms and entries that a small company may have none of: known to the tenant, and empty."""

from __future__ import annotations

from data.demo.world import Record

_STAMPS = ("FDocumentStatus", "FCancelStatus", "FCreateDate", "FModifyDate", "FApproveDate", "FCancelDate")
_HEADERS: dict[str, tuple[str, ...]] = {
    "SAL_RETURNSTOCK": (
        *("FID", "FBillNo", "FDate", "FRetcustId", "FSalesManId", "FSaleOrgId", "FSettleCurrID", "FBillAllAmount"),
        *("FReturnReason", "F_PAEZ_OrderNo", *_STAMPS),
    ),
    "AR_REFUNDBILL": (
        *("FID", "FBillNo", "FDATE", "FCONTACTUNIT", "FCURRENCYID", "FEXCHANGERATE", "FREFUNDTOTALAMOUNTFOR"),
        *("FSETTLEORGID", "FSALEERID", "F_PAEZ_SrcRecBillNo", *_STAMPS),
    ),
    "IV_SALESIC": (
        *("FID", "FBillNo", "FDATE", "FCUSTOMERID", "FINVOICENO", "FINVOICEDATE", "FSETTLEORGID", "FCURRENCYID"),
        *("FALLAMOUNTFOR", "F_PAEZ_ArBillNo", *_STAMPS),
    ),
}
_ENTRIES: dict[str, dict[str, tuple[str, ...]]] = {
    "SAL_RETURNSTOCK": {
        "FEntity": ("FEntity_FENTRYID", "FMaterialID", "FRealQty", "FAllAmount", "FSrcBillNo", "FOrderNo")
    },
    "AR_RECEIVEBILL": {
        "FRECEIVEBILLSRCENTRY": (
            *("FRECEIVEBILLSRCENTRY_FEntryID", "FSRCBILLTYPEID", "FSRCBILLNO", "FSRCBILLID"),
            *("FREALRECAMOUNTFOR_S", "FPLANRECAMOUNTFOR_S"),
        )
    },
}


def catalogue(tables: dict[str, list[Record]]) -> tuple[dict[str, list[str]], dict[str, dict[str, list[str]]]]:
    """(form → header fields, form → entry → fields) of every form the tenant knows, filled or not."""
    headers: dict[str, list[str]] = {form: list(fields) for form, fields in _HEADERS.items()}
    entries = {form: {entry: list(fields) for entry, fields in _ENTRIES.get(form, {}).items()} for form in headers}
    for form, rows in tables.items():
        headers[form] = [key for key, value in rows[0].items() if not isinstance(value, list) and key[0] == "F"]
        entries[form] = {entry: list(fields) for entry, fields in _ENTRIES.get(form, {}).items()}
        for entry, lines in ((key, value) for key, value in rows[0].items() if isinstance(value, list) and value):
            entries[form][entry] = [key for key in lines[0] if key[0] == "F"]
    return headers, entries
