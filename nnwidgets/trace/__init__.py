"""One traced program of the user's loss: layers, source lines, activations."""

from ._arguments import argument_names as argument_names
from ._arguments import argument_positions as argument_positions
from ._jax import Frame as Frame
from ._jax import bind as bind
from ._jax import call_body as call_body
from ._jax import custom_rule_name as custom_rule_name
from ._jax import frames as frames
from ._jax import inner_programs as inner_programs
from ._jax import is_key as is_key
from ._jax import is_literal as is_literal
from ._jax import is_transposed as is_transposed
from ._jax import scan_counts as scan_counts
from ._jax import scopes as scopes
from ._replay import Replay as Replay
from ._source import Source as Source
from ._source import source_of as source_of
from ._source import user_source as user_source
from ._stacks import Finder as Finder
from ._stacks import layer_finder as layer_finder
from ._trace import Layer as Layer
from ._trace import Operation as Operation
from ._trace import Trace as Trace
from ._trace import trace_objective as trace_objective
from ._watched import Watched as Watched
