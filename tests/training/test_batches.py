"""Order of the images of an epoch."""

import numpy as np

from variegate.training.batches import Batches

LABELS = np.array([0] * 30 + [1] * 3)


def plan(**more):
    return Batches(LABELS, **({"variants": 4, "batch": 8, "seed": 3} | more))


def test_an_epoch_has_every_image_once_and_the_next_one_its_next_variant():
    first, second = plan().items(0), plan().items(1)
    assert sorted(first // 4) == list(range(33))
    assert first.tolist() != second.tolist()
    variants = [dict(zip(items // 4, items % 4, strict=True)) for items in (first, second)]
    assert all((variants[0][n] + 1) % 4 == variants[1][n] for n in range(33))


def test_variants_do_not_march_in_step():
    assert set(plan().items(0) % 4) == {0, 1, 2, 3}


def test_another_seed_gives_another_order():
    assert plan().items(0).tolist() == plan().items(0).tolist()
    assert plan().items(0).tolist() != plan(seed=4).items(0).tolist()


def test_no_step_has_a_single_image():
    sizes = [len(one) for one in plan()]
    # 33 images in steps of 8 would leave one.
    assert sizes == [8, 8, 8, 9]
    assert plan().steps == 4
    assert [len(one) for one in plan(batch=1)] == [1] * 33


def test_what_goes_on_at_a_step_has_the_rest_of_the_epoch():
    whole, rest = plan(), plan()
    whole.epoch = rest.epoch = 5
    rest.first = 2
    assert list(whole)[2:] == list(rest)
    assert len(rest) == 2


def test_weighted_sampling_draws_classes_alike():
    items = Batches(LABELS, variants=1, batch=8, seed=0, weighted=True, limit=4000).items(0)
    share = (LABELS[items] == 1).mean()
    assert len(items) == 4000
    assert 0.45 < share < 0.55


def test_a_budget_of_images_may_be_more_or_less_than_there_are():
    assert len(plan(limit=10).items(0)) == 10
    counts = np.bincount(plan(limit=66).items(0) // 4)
    assert set(counts) == {2}
