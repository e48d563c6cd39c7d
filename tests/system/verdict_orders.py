# SPDX-License-Identifier: Apache-2.0
"""An order of the operator, given and in force."""
from lab import wait_for


def order(weir, *words):
    """Gives the action's id when the verdict stands."""
    action = weir.json(*words)
    action = action[0] if isinstance(action, list) else action
    wait_for(lambda: any(a['id'] == action['id'] and a['state'] == 'standing' for a in weir.actions()), 5,
             f'weir {" ".join(words)} to stand')
    return str(action['id'])
