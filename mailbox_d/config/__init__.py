"""The configuration: from an operator's YAML to one frozen, typed, checked value.

The rules of the room:

- Nothing in a file is ever executed, and no file can cost more than its limits (`source.DocumentLimits`).
- Every fault of a file is found in one run and told as `file:line:column: key: what is wrong, what was expected`.
- A `Configuration` that exists is whole: paths are absolute, endpoints parsed, certificates match their keys.
- The value is passed down to who needs it, never imported as a global; nothing here knows a socket.

The flow: `source` (text to plain values with places) → `model` (types and units; `explain` turns its refusals into
faults) → `draft` (what stands of a file with faults) → `checks` and `disk_checks` (what only shows across keys and on
the disk), all of it called by `load`.
"""
