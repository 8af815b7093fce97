"""The line that says how gradients were checked."""


from ..numbers import grouped, significant


def checked(proof):
    """How far the gradients agree with the complex step, or why that was not found out: one line."""
    if proof.problem:
        return f"not checked: {proof.problem}"
    some = "all" if proof.checked == proof.numbers else f"{proof.checked} of"
    passes = f" in {proof.passes} of {proof.all_passes} passes" if proof.passes < proof.all_passes else ""
    close = "agrees to" if proof.disagreement < 1e-6 else "differs by"
    exact = f"{close} {significant(proof.disagreement, 1)}" if proof.disagreement else "agrees to the last digit"
    return f"checked: complex step {exact}, {some} {grouped(proof.numbers)} numbers{passes}"
