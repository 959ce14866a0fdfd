"""Reading a function: which of its parameters are the job's own, which is the context, which are resources."""

import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from docstring_parser import parse
from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import PydanticJsonSchemaWarning
from pydantic_core import PydanticUndefined, to_jsonable_python

from runlane.define.context import Context, SyncContext
from runlane.define.params import Params, holds_secret
from runlane.define.refusal import DefinitionError, refused
from runlane.define.resource import SharedResource

Schema = dict[str, Any]


@dataclass(frozen=True)
class Signature:
    """A function as a job sees it.

    ``model`` validates the job's parameters; ``whole``: the function takes the model itself, under this name, else
    each of ``fields`` (parameter by field of the model) by its name. ``result`` is the annotation of what it returns,
    ``summary`` the first line of its docstring, ``description`` the rest.
    """

    model: type[BaseModel]
    fields: Mapping[str, str]
    whole: str | None
    context: str | None
    resources: Mapping[str, SharedResource[Any]]
    result: Any
    summary: str
    description: str
    schema: Schema
    defaults: dict[str, Any]

    def arguments(self, params: BaseModel) -> dict[str, Any]:
        """What of the parameters the function is called with."""
        if self.whole is not None:
            return {self.whole: params}
        return {name: getattr(params, field) for name, field in self.fields.items()}


def read(fn: Callable[..., Any]) -> Signature:
    """The signature of a function that is to be a job.

    Raises:
        DefinitionError: it cannot be one; the message says why, where, and what to do.
    """
    _check_is_function(fn)
    hints = _hints(fn)
    context, resources, own = None, {}, {}
    for name, parameter in inspect.signature(fn).parameters.items():
        annotation = hints.get(name, Any)
        if isinstance(parameter.default, SharedResource):
            resources[name] = parameter.default
        elif _is_context(annotation):
            if context is not None:
                raise refused(fn, f"{name!r} is a second Context; one is enough.")
            context = name
        else:
            _check_parameter(fn, name, parameter)
            own[name] = (annotation, parameter.default)
    about = parse(inspect.getdoc(fn) or "")
    helps = {each.arg_name: each.description or "" for each in about.params}
    whole = _whole(own)
    if whole is not None:
        model, fields = own[whole][0], dict[str, str]()
    else:
        model, fields = _model(fn, own, helps)
    schema = _schema(fn, model)
    return Signature(
        model=model,
        fields=fields,
        whole=whole,
        context=context,
        resources=resources,
        result=hints.get("return", Any),
        summary=re.sub(r"\s+", " ", about.short_description or "").strip(),
        description=(about.long_description or "").strip(),
        schema=schema,
        defaults=_defaults(fn, model),
    )


def _check_is_function(fn: Any) -> None:
    if not inspect.isfunction(fn):
        raise refused(fn, f"@job is for functions, and this is a {type(fn).__name__}.")
    if fn.__name__ == "<lambda>":
        raise refused(fn, "A lambda cannot be a job; give it a name with def.")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise refused(fn, "A generator cannot be a job; report what it yields with ctx.step, and return the result.")
    if "<locals>" in fn.__qualname__ and not inspect.iscoroutinefunction(fn):
        raise refused(fn, "A plain def runs in a process that imports it: move it to the top level of its module.")


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(fn, include_extras=True)
    except Exception as exc:  # an annotation is code
        raise refused(
            fn, f"Its annotations cannot be read: {exc}. Import what they name outside of functions."
        ) from exc


def _is_context(annotation: Any) -> bool:
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return isinstance(bare, type) and issubclass(bare, Context | SyncContext)


def _check_parameter(fn: Callable[..., Any], name: str, parameter: inspect.Parameter) -> None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise refused(fn, f"*{name} has no names for a form; name each parameter, or take one pydantic model.")
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise refused(fn, f"{name!r} can only be given by position; a job's parameters are given by name.")
    if name.startswith("_"):
        raise refused(fn, f"{name!r} begins with an underscore; parameters of jobs are public, so rename it.")


def _whole(own: Mapping[str, tuple[Any, Any]]) -> str | None:
    """The only parameter, if it is a model without a default."""
    if len(own) != 1:
        return None
    [(name, (annotation, default))] = own.items()
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return name if is_model and default is inspect.Parameter.empty else None


def _model(
    fn: Callable[..., Any], own: Mapping[str, tuple[Any, Any]], helps: Mapping[str, str]
) -> tuple[type[BaseModel], dict[str, str]]:
    """A model of these parameters, and its field for each: another name where pydantic's models have their own."""
    fields: dict[str, Any] = {}
    named: dict[str, str] = {}
    for name, (annotation, default) in own.items():
        info = (
            default if isinstance(default, FieldInfo) else Field(... if default is inspect.Parameter.empty else default)
        )
        more: dict[str, Any] = {}
        if helps.get(name):
            more["description"] = helps[name]
        field = name
        if hasattr(Params, name):
            field = f"{name}_"
            more["alias"] = name
        fields[field] = (_with_help(annotation, more), info)
        named[name] = field
    camel = "".join(part.capitalize() for part in fn.__name__.split("_"))
    try:
        made = create_model(f"{camel}Params", __base__=Params, __module__=fn.__module__, **fields)
    except Exception as exc:  # whatever an annotation may raise
        raise _no_json(fn, {name: annotation for name, (annotation, _) in own.items()}, exc) from exc
    return made, named


def _with_help(annotation: Any, more: Mapping[str, Any]) -> Any:
    """The annotation with what its docstring says; what its own ``Field`` says counts more."""
    if not more:
        return annotation
    if get_origin(annotation) is Annotated:
        bare, *notes = get_args(annotation)
        return Annotated[(bare, Field(**more), *notes)]
    return Annotated[annotation, Field(**more)]


def _schema(fn: Callable[..., Any], model: type[BaseModel]) -> Schema:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PydanticJsonSchemaWarning)  # of a default; it is refused below
            return model.model_json_schema()
    except Exception as exc:  # as above
        raise _no_json(fn, {name: info.annotation for name, info in model.model_fields.items()}, exc) from exc


def _no_json(fn: Callable[..., Any], annotations: Mapping[str, Any], exc: Exception) -> DefinitionError:
    wrong = [name for name, annotation in annotations.items() if not _has_schema(annotation)]
    if not wrong:
        return refused(fn, f"Its parameters cannot be validated: {_first_line(exc)}")
    name = getattr(annotations[wrong[0]], "__name__", annotations[wrong[0]])
    return refused(
        fn,
        f"The parameter {wrong[0]!r} is of a type that JSON cannot hold, {name}. "
        "Take a text, a number, a list, a dictionary or a pydantic model, or make it a Resource.",
    )


def _has_schema(annotation: Any) -> bool:
    try:
        create_model("Probe", it=(annotation, ...)).model_json_schema()
    except Exception:  # whatever a type may raise: it has none
        return False
    return True


def _defaults(fn: Callable[..., Any], model: type[BaseModel]) -> dict[str, Any]:
    defaults = {}
    for name, info in model.model_fields.items():
        if info.is_required():
            continue
        default = info.get_default(call_default_factory=True, validated_data={})
        if default is PydanticUndefined or holds_secret(default):  # the worker's own model fills it in
            continue
        try:
            defaults[info.alias or name] = to_jsonable_python(default)
        except Exception as exc:  # whatever a default's own serializer may raise
            raise refused(fn, f"The default of {name!r} is nothing that JSON can hold: {_first_line(exc)}") from exc
    return defaults


def _first_line(exc: BaseException) -> str:
    return str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
