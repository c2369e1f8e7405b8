"""Reports: tables computed from templates' rows."""
