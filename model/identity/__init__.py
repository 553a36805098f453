"""Which records are one customer, one employee, one product, and which customer a project belongs to."""
