"""The device that a benchmark of a GPU runs on."""


def named(*, quick: bool) -> str:
    """Its name.

    Args:
        quick: A tiny model, which the processor may run, too.

    Raises:
        SystemExit: Torch sees no GPU, and the model is large.
    """
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    if quick:
        return "cpu"
    raise SystemExit(
        "torch sees no GPU here, and this benchmark measures one with an 8B model: run it where there is one, with "
        "at least 80 GB, or give --quick for a tiny model on the processor (to see that the code runs)"
    )
