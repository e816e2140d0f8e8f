"""Which strategy of ours is which one of a peer.

A line is (our name, package, what it is called there, the call). Strategies that a peer has in a sense of its own stand
here too when a user would take one for the other; the tests of the zoo say where definitions differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.micro import peers_modal as modal
from benchmarks.micro import peers_skactiveml as skactiveml
from benchmarks.micro import peers_small_text as small_text
from benchmarks.micro.inputs import Inputs

SKACTIVEML, MODAL, SMALL_TEXT = "scikit-activeml", "modAL-python", "small-text"


class Pair(NamedTuple):
    strategy: str
    package: str
    call: str
    prepare: Callable[[Inputs], Callable[[], Any]]


def _pair(package: str) -> Callable[..., Pair]:
    def make(strategy: str, call: str, function: Callable[..., Any], *args: Any, **options: Any) -> Pair:
        return Pair(strategy, package, call, lambda inputs: function(inputs, *args, **options))

    return make


def _pairs() -> list[Pair]:
    a, m, s = _pair(SKACTIVEML), _pair(MODAL), _pair(SMALL_TEXT)
    pool, given, members = skactiveml.pool, skactiveml.with_classifier, skactiveml.with_committee
    return [
        a("random", "RandomSampling", pool, "RandomSampling"),
        s("random", "RandomSampling", small_text.strategy, "RandomSampling"),
        a("least_confidence", "UncertaintySampling('least_confident')", skactiveml.uncertainty, "least_confident"),
        m("least_confidence", "uncertainty_sampling", modal.uncertainty, "uncertainty_sampling"),
        s("least_confidence", "LeastConfidence", small_text.strategy, "LeastConfidence"),
        a("margin", "UncertaintySampling('margin_sampling')", skactiveml.uncertainty, "margin_sampling"),
        m("margin", "margin_sampling", modal.uncertainty, "margin_sampling"),
        s("margin", "BreakingTies", small_text.strategy, "BreakingTies"),
        a("entropy", "UncertaintySampling('entropy')", skactiveml.uncertainty, "entropy"),
        m("entropy", "entropy_sampling", modal.uncertainty, "entropy_sampling"),
        s("entropy", "PredictionEntropy", small_text.strategy, "PredictionEntropy"),
        a("expected_cost", "UncertaintySampling(cost_matrix=...)", skactiveml.expected_cost),
        a("vote_entropy", "QueryByCommittee('vote_entropy')", members, "QueryByCommittee", method="vote_entropy"),
        m("vote_entropy", "vote_entropy_sampling", modal.committee, "vote_entropy_sampling"),
        m("consensus_entropy", "consensus_entropy_sampling", modal.committee, "consensus_entropy_sampling"),
        m("max_disagreement", "max_disagreement_sampling", modal.committee, "max_disagreement_sampling"),
        a(
            "variation_ratio",
            "QueryByCommittee('variation_ratios')",
            members,
            "QueryByCommittee",
            method="variation_ratios",
        ),
        a("bald", "GreedyBALD", members, "GreedyBALD"),
        a("bald", "QueryByCommittee('KL_divergence')", members, "QueryByCommittee", method="KL_divergence"),
        s("bald", "BALD", small_text.strategy, "BALD", "stochastic"),
        # Theirs estimates with one sample a member unless told otherwise: compared at that and at our default.
        a("batch_bald(samples=5)", "BatchBALD", members, "BatchBALD"),
        a("batch_bald", "BatchBALD(n_MC_samples=1000)", members, "BatchBALD", n_MC_samples=1000),
        a("expected_error_reduction", "MonteCarloEER", skactiveml.lookahead, "MonteCarloEER"),
        m("expected_error_reduction", "expected_error_reduction", modal.expected_error),
        a("value_of_information", "ValueOfInformationEER", skactiveml.lookahead, "ValueOfInformationEER", False),
        m("information_density", "information_density", modal.density),
        s("k_means", "EmbeddingKMeans", small_text.strategy, "EmbeddingKMeans"),
        a("typiclust", "TypiClust", pool, "TypiClust"),
        a("prob_cover", "ProbCover", pool, "ProbCover"),
        a("max_herding", "MaxHerding", pool, "MaxHerding"),
        a("k_center", "CoreSet", pool, "CoreSet"),
        s("k_center", "GreedyCoreset", small_text.strategy, "GreedyCoreset"),
        a("badge", "Badge", given, "Badge"),
        a("falcun", "Falcun", given, "Falcun"),
        a("contrastive", "ContrastiveAL", given, "ContrastiveAL"),
        s("contrastive", "ContrastiveActiveLearning", small_text.strategy, "ContrastiveActiveLearning", pbar=None),
        a("drop_query", "DropQuery", skactiveml.drop_query),
        a("discriminative(features=0)", "DiscriminativeAL", skactiveml.discriminative, False),
        a(
            "discriminative(features=0, rounds=1)",
            "DiscriminativeAL(greedy_selection=True)",
            skactiveml.discriminative,
            True,
        ),
        s("discriminative(features=0, rounds=1)", "DiscriminativeActiveLearning", small_text.discriminative),
        a("clue", "Clue", given, "Clue", "fit_estimator"),
        a("greedy_x", "GreedySamplingX", skactiveml.regression, "GreedySamplingX"),
        a("greedy_y", "GreedySamplingTarget('GSy')", skactiveml.greedy_target, "GSy"),
        a("improved_greedy", "GreedySamplingTarget('GSi')", skactiveml.greedy_target, "GSi"),
        a("committee_variance", "QueryByCommittee", skactiveml.regression_committee),
        m("committee_variance", "max_std_sampling", modal.regressors),
        a("expected_model_change_regression", "ExpectedModelChangeMaximization", skactiveml.model_change),
        s(
            "category_vector_inconsistency",
            "CategoryVectorInconsistencyAndRanking",
            small_text.strategy,
            "CategoryVectorInconsistencyAndRanking",
            "label_proba",
            pbar=None,
        ),
        a("stream_random", "StreamRandomSampling", skactiveml.stream, "StreamRandomSampling", False),
        a("stream_fixed_uncertainty", "FixedUncertainty", skactiveml.stream, "FixedUncertainty"),
        a("stream_variable_uncertainty", "VariableUncertainty", skactiveml.stream, "VariableUncertainty"),
        a("stream_split", "Split", skactiveml.stream, "Split"),
        a("stream_density", "StreamDensityBasedAL", skactiveml.stream, "StreamDensityBasedAL"),
    ]


PAIRS = _pairs()
PEERS = {(pair.package, pair.call): pair.prepare for pair in PAIRS}
