"""What all doors of the REST API share: how errors, pages, filters, fields and kept answers look."""
