"""The pages of ``help``, and the schemas: files alone (:mod:`cli.output.pages`)."""
