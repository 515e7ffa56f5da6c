"""The command line: asyncclick commands that parse, call the engine and render. Nothing heavy is imported by it."""
