"""A comparison for people and programs: words, tables, a document, a page."""
