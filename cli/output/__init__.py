"""How answers look: tables, YAML, JSON, JSONPath, custom columns."""
