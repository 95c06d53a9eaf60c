"""What the examples' tests share."""

import re

import torch


def accuracies(example, argv, capsys):
    """What the command prints of each network: its accuracies in %."""
    example.main(argv)
    lines = capsys.readouterr().out.splitlines()
    return {
        line.split("  ")[0].strip(): [
            float(v) for v in re.findall(r"([\d.]+) %", line)
        ]
        for line in lines
    }


def check_sizes(nets, least=0.4):
    """Networks that are compared have about as many parameters."""
    sizes = [sum(p.numel() for p in net.parameters()) for net in nets.values()]
    assert min(sizes) >= least * max(sizes)


def check_all_learn(nets, train):
    """Training moves every parameter of each network."""
    for name, net in nets.items():
        before = [p.clone() for p in net.parameters()]
        train(net)
        for p, old in zip(net.parameters(), before, strict=True):
            assert not torch.equal(p, old), name
