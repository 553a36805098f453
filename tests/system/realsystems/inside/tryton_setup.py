"""Runs inside Tryton's own environment: a company with a chart of accounts, products and an open fiscal year."""

import datetime as dt
import sys
from decimal import Decimal

from proteus import Model, config
from trytond.modules.account.tests.tools import create_chart, create_fiscalyear, get_accounts
from trytond.modules.account_invoice.tests.tools import set_fiscalyear_invoice_sequences
from trytond.modules.company.tests.tools import create_company, get_company


def main(conf: str, database: str) -> None:
    settings = config.set_trytond(database, config_file=conf)
    create_company(currency="CNY", config=settings)
    company = get_company(config=settings)
    today = dt.datetime.now(tz=dt.UTC).date()
    span = (dt.date(today.year - 1, 1, 1), dt.date(today.year + 1, 12, 31))
    year = create_fiscalyear(company, today=span, config=settings)
    set_fiscalyear_invoice_sequences(year, config=settings).click("create_period")
    create_chart(company, config=settings)
    accounts = get_accounts(company, config=settings)
    _products(accounts)
    _payment_method(accounts, company)
    _employee(company)


def _products(accounts) -> None:
    category_model = Model.get("product.category")
    category = category_model(name="Instruments", accounting=True)
    category.account_expense, category.account_revenue = accounts["expense"], accounts["revenue"]
    category.save()
    unit = Model.get("product.uom").find([("name", "=", "Unit")])[0]
    for name, price in (("Flow meter", "1250.00"), ("Level gauge", "480.50")):
        template = Model.get("product.template")(name=name, default_uom=unit, type="goods", salable=True)
        template.list_price, template.account_category = Decimal(price), category
        template.save()


def _payment_method(accounts, company) -> None:
    journal = Model.get("account.journal").find([("type", "=", "cash")])[0]
    method = Model.get("account.invoice.payment.method")(name="Cash", journal=journal, company=company)
    method.credit_account = method.debit_account = accounts["cash"]
    method.save()
    terms = Model.get("account.invoice.payment_term")(name="30% now, rest in 60 days")
    now = terms.lines.new(type="percent_on_total", ratio=Decimal("0.30"))
    now.relativedeltas.new(days=0)
    later = terms.lines.new(type="remainder")
    later.relativedeltas.new(days=60)
    terms.save()


def _employee(company) -> None:
    party = Model.get("party.party")(name="Robin Sales")
    party.save()
    employee = Model.get("company.employee")(party=party, company=company)
    employee.save()
    user_model = Model.get("res.user")
    user = user_model.find([("login", "=", "admin")])[0]
    user.employees.append(employee)
    user.employee = user.employees[0]
    user.save()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
