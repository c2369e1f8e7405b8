"""Shapley values of the two games that attention flow makes (Ethayarajh & Jurafsky 2021), exact.

The tokens are the players. In the one game a set earns what its tokens send in a fixed maximum flow of all:
it is additive, so that these flows are its Shapley values, whichever maximum flow that is. In the other a set
earns the maximum flow from its tokens alone: there they are not.
"""

from math import factorial

import numpy as np

from ipgraph.extractor.methods.attention_flow.flow import maximum_flow, maximum_flows
from ipgraph.extractor.methods.attention_flow.matrices import Floats
from ipgraph.extractor.methods.attention_flow.network import UNIT, Bools, Network
from ipgraph.graphstore.common.errors import UsageError

MAX_PLAYERS = 12
"""A game of N players has 2^N sets."""


def shapley_values(payoffs: Floats) -> Floats:
    """Return each player's Shapley value [N] of a game by its payoffs [2^N], in the order of `members`."""
    players = _players(len(payoffs))
    belongs = members(players)
    before = np.arange(players)
    weight = np.array([factorial(s) * factorial(players - s - 1) / factorial(players) for s in before])
    values = np.empty(players)
    for player in range(players):
        without = np.flatnonzero(~belongs[:, player])
        gains = payoffs[without | 1 << player] - payoffs[without]
        values[player] = (weight[belongs[without].sum(-1)] * gains).sum()
    return values


def members(players: int) -> Bools:
    """Return who is in each set, [2^N, N]: player i in those whose number has bit i.

    Raises UsageError for more than MAX_PLAYERS.
    """
    if players > MAX_PLAYERS:
        raise UsageError(
            f"exact Shapley values take one flow per set of tokens; the text has {players} tokens, and at "
            f"most {MAX_PLAYERS} are allowed"
        )
    belongs: Bools = (np.arange(1 << players)[:, None] >> np.arange(players) & 1).astype(np.bool_)
    return belongs


def flow_game(network: Network) -> Floats:
    """Return the maximum flow from every set of tokens alone, [2^N]."""
    sets = members(len(network.tokens))
    return maximum_flows(network, sets)[0]


def fixed_flow_game(network: Network) -> Floats:
    """Return what every set of tokens sends in one maximum flow from all of them, [2^N].

    Which one is the solver's choice, so that this is not a result to keep.
    """
    sets = members(len(network.tokens))
    found = maximum_flow(network, np.ones(len(network.tokens), np.bool_)).found
    payoffs: Floats = sets @ (found[[network.nodes]].toarray()[0, network.tokens] / UNIT)
    return payoffs


def _players(payoffs: int) -> int:
    players = payoffs.bit_length() - 1
    if payoffs != 1 << players:
        raise ValueError(f"a game has a payoff for each of its 2^N sets, not {payoffs}")
    return players
