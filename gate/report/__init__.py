"""A verdict for people and for machines: one renderer a file, each a pure function of a Verdict.

Messages are free text written by kernels that nobody trusts. `text` makes them visible and bounded;
each renderer escapes what is left for its own medium. JSON is `gate.documents.verdict_json`.
"""
