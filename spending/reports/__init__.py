"""Reading spend reports: bytes in, `ReportRow`s and `Reject`s out. No database, no clock, no Django."""
