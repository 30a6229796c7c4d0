"""What watches a run: pure functions over the logged records, a family a module.

`table` lists them, `book` holds what they remember of one run and turns what they say into
findings. Thresholds and actions are the contract's: `preftrain_api.guards`.
"""
