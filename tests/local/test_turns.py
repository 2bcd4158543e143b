"""Busy streams and others in one event loop."""

import asyncio

from neuro_sync.local.turns import Turns

from .execution import run


def test_one_goes_on_in_each_round_in_the_order_of_coming():
    async def scenario():
        turns = Turns()
        done = []

        async def work(name):
            for number in range(3):
                await turns.wait()
                done.append((name, number, rounds[0]))

        rounds = [0]

        async def count():
            while True:
                rounds[0] += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        await asyncio.gather(*(work(name) for name in "abc"))
        counting.cancel()
        assert [(name, number) for name, number, _ in done] == [
            (name, number) for number in range(3) for name in "abc"
        ]
        moments = [moment for _, _, moment in done]
        assert len(set(moments)) == len(moments)

    run(scenario())


def test_who_gives_up_is_passed_over():
    async def scenario():
        turns = Turns()
        first, second, third = (asyncio.ensure_future(turns.wait()) for _ in range(3))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await third
        assert first.cancelled()
        assert second.cancelled()
        await turns.wait()

    run(scenario())
