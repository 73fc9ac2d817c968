"""The shipped JSON Schema is the one that the request classes state."""

import json
from importlib.resources import files

from igdt_planner.request import request_schema


def test_shipped_schema_is_the_generated_one():
    shipped = json.loads(files("igdt_planner").joinpath("request.schema.json").read_text(encoding="utf-8"))
    assert shipped == request_schema()


def test_schema_names_the_fields_other_programs_rely_on():
    properties = request_schema()["properties"]
    assert {"schema", "id", "case", "model", "study", "options"} == set(properties)
