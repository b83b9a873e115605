"""The schedulers of ``torch.optim.lr_scheduler``, under their names (in lower case) and arguments.

Where PyTorch takes an optimizer, these take ``lr``, the learning rate of that optimizer. PyTorch's schedulers are stepped
once an epoch, mostly: their lengths are in calls of ``scheduler.step()``. Optax counts optimizer steps. So lengths here are in
epochs of ``steps_per_epoch`` steps, 1 by default: then an epoch is one optimizer step, as where ``scheduler.step()`` is
called after every batch. `cyclic_lr` and `one_cycle_lr` are stepped after every batch in PyTorch, too.

The formulas are the closed ones of PyTorch's documentation; its own recurrences give the same, up to rounding.
``MultiplicativeLR`` is left out: its factors have no closed form; use `lambda_lr` with their product.
"""

from ._annealing import cosine_annealing_lr as cosine_annealing_lr
from ._annealing import cosine_annealing_warm_restarts as cosine_annealing_warm_restarts
from ._annealing import linear_lr as linear_lr
from ._annealing import polynomial_lr as polynomial_lr
from ._combined import chained_scheduler as chained_scheduler
from ._combined import sequential_lr as sequential_lr
from ._cyclic_lr import cyclic_lr as cyclic_lr
from ._one_cycle_lr import one_cycle_lr as one_cycle_lr
from ._reduce_lr_on_plateau import reduce_lr_on_plateau as reduce_lr_on_plateau
from ._steps import constant_lr as constant_lr
from ._steps import exponential_lr as exponential_lr
from ._steps import lambda_lr as lambda_lr
from ._steps import multi_step_lr as multi_step_lr
from ._steps import step_lr as step_lr
