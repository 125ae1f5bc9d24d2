"""The kinds of documents that make up a spec, as schemas: targets, profiles, selectors, the fleet's policy.

A target's schema is composed of the sections of the registered remediators, so that a kind is declared, validated and
shown to editors by the module that repairs it. Profiles and selectors take the same sections, in part.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from pydantic import Field, create_model, field_validator
from pydantic.json_schema import models_json_schema
from pydantic_core import PydanticCustomError

from homeostat.core.json import Json, JsonObject
from homeostat.core.model import Consent, KindSection, Mode, Registry, Section
from homeostat.core.policy import Policy
from homeostat.core.profiles import EXTENDS, VARIABLES
from homeostat.core.scalars import MAX_NAME_OF_GROUP, NAME_OF_GROUP, OneOrMany, Scalar
from homeostat.core.selectors import NAME_OF_ALL, Select
from homeostat.core.windows import Window

TARGET_NAME: Final = r"^[a-z0-9-]{1,63}$|^[a-z0-9-]{1,61}--[a-z0-9-]{1,60}$"
PROFILE_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
GUID: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default")


def _never_null(schema: dict[str, Any]) -> None:
    """A key that may be left out, but not be empty."""
    (given,) = (each for each in schema.pop("anyOf") if each != {"type": "null"})
    schema.update(given)
    _without_default(schema)


class Inheriting(Section):
    """The keys by which a document inherits contents."""

    extends: OneOrMany = Field(
        default=(),
        description="Profiles whose contents this document takes over; of several the later wins, over all it itself.",
        examples=["web-baseline"],
    )
    variables: dict[str, Scalar] = Field(
        default_factory=dict,
        description="Texts by name, for ${name} in any key or value; the nearer definition wins.",
        examples=[{"env": "prod"}],
    )


class Declaring(Inheriting):
    """The keys besides the remediators' sections."""

    mode: Mode = Field(
        default=Mode.ENFORCE,
        description="enforce repairs, alert reports, ignore does not look. Sections and items may differ.",
    )
    approval: Consent | None = Field(
        default=None,
        description="required: each repair waits for a person's approval.",
        json_schema_extra=_never_null,
    )
    windows: dict[str, Window] | None = Field(
        default=None,
        description="When this target may be repaired, by names of your choice; in the place of the policy's windows.",
        json_schema_extra=_never_null,
    )

    @field_validator("windows", "approval", mode="before")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        """A key without a value is an error: most likely its contents were lost."""
        if value is None:
            raise PydanticCustomError("empty_key", "must not be empty")
        return value


class Located(Declaring):
    """Where a web app is."""

    resource_group: str = Field(
        description="The web app's resource group.", pattern=NAME_OF_GROUP, max_length=MAX_NAME_OF_GROUP
    )
    subscription: str | None = Field(
        default=None,
        description="The subscription's id; by default the one of the environment (AZURE_SUBSCRIPTION_ID).",
        pattern=GUID,
    )


class Document(Located):
    """A web app whose network posture is declared. The remediators' sections join these fields."""

    target: str = Field(
        pattern=TARGET_NAME, description="Unique in the fleet; a slot's target is app--slot.", examples=["app-flask"]
    )
    web_app: str = Field(
        description="The web app's name; app/slot for a deployment slot.",
        pattern=r"^[A-Za-z0-9-]{2,60}(/[A-Za-z0-9-]{1,59})?$",
        examples=["app-flask", "app-flask/staging"],
    )


class Profile(Located):
    """What several targets have in common. It declares nothing by itself, and may be half of something."""

    profile: str = Field(pattern=PROFILE_NAME, description="Unique among profiles.", examples=["web-baseline"])


class Selector(Declaring):
    """Web apps that are found in Azure, each of which becomes a target with what this document says."""

    select: Select = Field(description="Which web apps.", examples=[{"tags": {"homeostat": "prod"}}])
    name: str = Field(
        default=NAME_OF_ALL,
        description="The targets' names, each with a variable of its web app in it; a slot's `/` becomes `--`.",
        examples=[NAME_OF_ALL],
    )


@cache
def with_sections[D: Section](base: type[D], sections: tuple[tuple[str, type[KindSection]], ...]) -> type[D]:
    """The model of a document that may have these sections."""
    # A section without a value is an error: most likely its contents were lost.
    fields: dict[str, Any] = {
        kind: (section, Field(default=None, json_schema_extra=_without_default)) for kind, section in sections
    }
    return create_model(f"Homeostat{base.__name__}", __base__=base, **fields)


def sections_of(registry: Registry) -> tuple[tuple[str, type[KindSection]], ...]:
    return tuple((kind, remediator.section) for kind, remediator in registry.items())


# --- for editors ----------------------------------------------------------------------------------------------------


def json_schema(registry: Registry) -> JsonObject:
    """JSON Schema (draft 2020-12) of a document of any kind."""
    kinds = sections_of(registry)
    models = {key: with_sections(base, kinds) for key, base in (("profile", Profile), ("select", Selector))}
    target = with_sections(Document, kinds)
    given = [(model, "validation") for model in (target, *models.values(), Policy)]
    _, whole = models_json_schema(given, title="Homeostat spec")  # type: ignore[arg-type]  # the literal is one of its modes
    definitions = dict(whole["$defs"])
    strict = {"$ref": f"#/$defs/{target.__name__}"}
    definitions |= {_in_part(name): _loosened(schema) for name, schema in definitions.items()}
    choice: JsonObject = _if(EXTENDS, _in_part_of(target), _if(VARIABLES, _in_part_of(target), strict))
    for key, model in models.items():
        choice = _if(key, _in_part_of(model), choice)
    choice = _if("policy", {"$ref": f"#/$defs/{Policy.__name__}"}, choice)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Homeostat spec",
        "$defs": definitions,
        **choice,
    }


def _if(key: str, then: JsonObject, otherwise: JsonObject) -> JsonObject:
    return {"if": {"required": [key]}, "then": then, "else": otherwise}


def _in_part(name: str) -> str:
    return f"{name}InPart"


def _in_part_of(model: type[Section]) -> JsonObject:
    return {"$ref": f"#/$defs/{_in_part(model.__name__)}"}


_MARKS: Final = ("target", "web_app", "profile", "select")
"""Keys that a document cannot inherit."""

_REFERENCE: Final[JsonObject] = {"type": "string", "pattern": r"\$\{"}


def _loosened(schema: Json) -> Json:
    """A schema that also accepts parts of an object, null to remove what is inherited, and variables everywhere."""
    if isinstance(schema, list):
        return [_loosened(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    loose = {key: _LOOSENED.get(key, _loosened)(value) for key, value in schema.items()}
    if "required" in loose and not loose["required"]:
        del loose["required"]
    return loose


def _each_loosened(schemas: Json) -> Json:
    assert isinstance(schemas, Mapping), "properties are a mapping"
    return {name: _loosened(schema) if name in _MARKS else _one_loosened(schema) for name, schema in schemas.items()}


def _one_loosened(schema: Json) -> Json:
    if not isinstance(schema, Mapping):
        return schema
    told = {"description": schema["description"]} if "description" in schema else {}
    return {**told, "anyOf": [_loosened(schema), {"type": "null"}, _REFERENCE]}


def _still_required(names: Json) -> Json:
    return [name for name in names if name in _MARKS] if isinstance(names, list) else names


def _reference_in_part(reference: Json) -> Json:
    return _in_part(str(reference))


_LOOSENED: Final[Mapping[str, Callable[[Json], Json]]] = {
    "properties": _each_loosened,
    "additionalProperties": _one_loosened,
    "items": _one_loosened,
    "required": _still_required,
    "$ref": _reference_in_part,
    "enum": lambda values: values,
    "examples": lambda values: values,
    "default": lambda value: value,
}
