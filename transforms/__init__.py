"""Pure functions from Arrow tables to Arrow tables: no Beam, torch, files or clock."""
