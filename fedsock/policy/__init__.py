"""What may leave a worker: facts of values, rules, decisions (floor 2: errors and typing only; pure).

The engine keeps facts with every value, combines them when an op makes a value from others, and asks a policy for a
decision before anything is exported. The policy never sees values.
"""
