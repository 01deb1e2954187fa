"""Model instances from a raw SELECT, for statements so frequent that composing them anew costs more than they do."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, models

M = TypeVar("M", bound=models.Model)


class Columns(Generic[M]):
    """Some columns of a model: how a SELECT names them, and the instance that their values make.

    What is not read is loaded when it is asked for, as after `QuerySet.only`.
    """

    def __init__(self, model: type[M], *names: str) -> None:
        self._model = model
        wanted = {model._meta.get_field(name) for name in names}
        self._fields = [field for field in model._meta.concrete_fields if field in wanted]  # the order of from_db
        self._names = [field.attname for field in self._fields]

    def __len__(self) -> int:
        return len(self._fields)

    def sql(self, alias: str) -> str:
        return ", ".join(f"{alias}.{field.column}" for field in self._fields)

    def read(self, values: Sequence[Any]) -> M:
        """The instance with these values, which are in the order of `sql`."""
        read = list(values)
        for number, expression, converters in self._converters:
            for convert in converters:
                read[number] = convert(read[number], expression, connection)
        return self._model.from_db(DEFAULT_DB_ALIAS, self._names, read)

    @cached_property
    def _converters(self) -> list[tuple[int, Any, list[Callable[..., Any]]]]:
        """For the columns whose values the driver does not give as the model has them."""
        found = []
        for number, field in enumerate(self._fields):
            expression = field.get_col(self._model._meta.db_table)
            converters = [*connection.ops.get_db_converters(expression), *expression.get_db_converters(connection)]
            if converters:
                found.append((number, expression, converters))
        return found
