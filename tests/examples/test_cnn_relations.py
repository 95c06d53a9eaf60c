import torch

from examples import cnn_relations as example


def images(count: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return example.draw_images(count, generator)


def test_answers_are_those_of_the_images():
    pictures, answers = images(300)
    assert 0.4 < answers.float().mean() < 0.6
    for picture, answer in zip(pictures, answers, strict=True):
        # The middle of each cell is its square's color, or black.
        colors = picture[:, 2::4, 2::4].flatten(1).t().tolist()
        squares = [tuple(c) for c in colors if any(c)]
        assert len(squares) == 4
        assert (len(set(squares)) < 4) == bool(answer)


def test_networks_are_of_one_size_and_see_images_alone():
    sizes = []
    for kind in (example.WithoutRN, example.WithRN):
        torch.manual_seed(0)
        model = kind().double().eval()
        sizes.append(sum(p.numel() for p in model.parameters()))
        pictures = images(5)[0].double()
        out = model(pictures)
        assert out.shape == (5, 2)
        torch.testing.assert_close(model(pictures[2:3]), out[2:3])
    assert abs(sizes[0] / sizes[1] - 1) < 0.1


def test_training_moves_every_parameter():
    for kind in (example.WithoutRN, example.WithRN):
        torch.manual_seed(0)
        model = kind()
        before = [p.clone() for p in model.parameters()]
        example.train(model, 3, 8, seed=0)
        for p, old in zip(model.parameters(), before, strict=True):
            assert not torch.equal(p, old)
        assert 0 <= example.accuracy(model, 512, seed=1) <= 1


def test_command(capsys):
    example.main(["--steps", "2", "--batch-size", "4"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == [
        "CNN without RN",
        "CNN with RN",
    ]
    assert all(line.endswith("%") for line in lines)
