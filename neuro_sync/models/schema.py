"""The marshmallow schema of a data class, as dataclasses-json's ``schema()`` has it."""

import json
from typing import Any, Type

__all__ = ["schema_of"]


def schema_of(cls: Type[Any], *, many: bool, **kw: Any) -> Any:
    """A schema that goes by the same code as ``from_dict`` and ``to_dict``."""
    from marshmallow import Schema

    class ModelSchema(Schema):
        def load(self, data: Any, *, many: Any = None, **kw: Any) -> Any:
            if self.many if many is None else many:
                return [cls.from_dict(item) for item in data]
            return cls.from_dict(data)

        def loads(self, json_data: Any, *, many: Any = None, **kw: Any) -> Any:
            return self.load(json.loads(json_data), many=many)

        def dump(self, obj: Any, *, many: Any = None) -> Any:
            if self.many if many is None else many:
                return [item.to_dict() for item in obj]
            return obj.to_dict()

        def dumps(self, obj: Any, *args: Any, many: Any = None, **kw: Any) -> Any:
            return json.dumps(self.dump(obj, many=many), *args, **kw)

    ModelSchema.__name__ = cls.__name__ + "Schema"
    return ModelSchema(many=many, **kw)
