"""Tables and pages in the formats that people read."""
