"""Makes the CustomResourceDefinition out of the models; nothing in it is written by hand."""

from preftrain_api.crd.definition import custom_resource_definition, render

__all__ = ["custom_resource_definition", "render"]
