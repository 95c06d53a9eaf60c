"""Examples in docstrings run, and print what they say."""

import doctest
import importlib
import pkgutil

import torch

import rn_graph

#: Modules that need what is not always there.
OPTIONAL = ("rn_graph.graphgym", "rn_graph.ops.triton")


def modules():
    names = ["rn_graph"] + [
        module.name
        for module in pkgutil.walk_packages(rn_graph.__path__, "rn_graph.")
    ]
    return [
        importlib.import_module(name)
        for name in names
        if not name.startswith(OPTIONAL)
    ]


def test_examples_print_what_they_say():
    attempted = 0
    for module in modules():
        result = doctest.testmod(module, extraglobs={"torch": torch})
        assert not result.failed, module.__name__
        attempted += result.attempted
    assert attempted >= 12
