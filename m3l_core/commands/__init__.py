"""The commands of `m3l`, one module each: `add_arguments(parser)` and `run(arguments)`.

The module's name is the command's name and its docstring the help. A module is imported even for
`m3l --help`, so whatever is slow or optional is imported inside `run`.
"""
