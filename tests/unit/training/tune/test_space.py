from optuna.distributions import FloatDistribution, IntDistribution

from training.settings import TrainingSettings
from training.tune.space import search_space, settings_with, starting_point


def test_the_defaults_are_inside_and_trees_stay_cheap_to_explain():
    settings = TrainingSettings()
    space = search_space(settings)
    for name, value in starting_point(settings).items():
        assert space[name].low <= value <= space[name].high
    assert space["max_depth"].high <= 6
    assert space["leaves"].high <= 32


def test_a_starting_point_outside_widens_the_space():
    settings = TrainingSettings(learning_rate=0.3, leaves=64, leaf_shrinkage=0)
    space = search_space(settings)
    assert space["learning_rate"] == FloatDistribution(0.02, 0.3, log=True)
    assert space["leaves"] == IntDistribution(6, 64)
    assert space["leaf_shrinkage"] == FloatDistribution(0.0, 200.0)  # no logarithm of 0


def test_a_trial_becomes_settings_that_say_what_trees_can_be():
    settings = TrainingSettings(seed=7)
    point = starting_point(settings)
    assert settings_with(settings, point) == settings
    shallow = settings_with(settings, point | {"max_depth": 3, "leaves": 20, "learning_rate": 0.1})
    assert (shallow.leaves, shallow.learning_rate, shallow.seed) == (8, 0.1, 7)
