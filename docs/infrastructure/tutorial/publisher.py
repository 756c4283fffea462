"""Score a stream of events with a small model that learns as it goes, and publish every score."""

import asyncio
import math
import os
import random
import time

from plumbline.streaming import Client
from plumbline.streaming.client import NoAnswerError

GATEWAY = "ws://127.0.0.1:8765/"
EVERY_S = 0.2


class Model:
    """Logistic regression, trained one event at a time."""

    def __init__(self, features: int, rate: float = 0.05) -> None:
        self.weights = [0.0] * (features + 1)
        self.rate = rate

    def score(self, features: list[float]) -> float:
        z = self.weights[0] + sum(w * x for w, x in zip(self.weights[1:], features))
        return 1 / (1 + math.exp(-z))

    def learn(self, features: list[float], happened: bool) -> None:
        error = happened - self.score(features)
        for index, value in enumerate([1.0, *features]):
            self.weights[index] += self.rate * error * value


def next_event() -> tuple[list[float], bool]:
    """What your platform would see: three features now, and what became of it later."""
    features = [random.gauss(0, 1) for _ in range(3)]
    chance = 1 / (1 + math.exp(-(0.5 + 2 * features[0] - features[1])))
    return features, random.random() < chance


async def main() -> None:
    model, loss, run = Model(3), math.log(2), int(time.time())
    async with Client(GATEWAY, token=os.environ.get("PLUMBLINE_TOKEN")) as client:
        number = 0
        while True:
            number += 1
            features, happened = next_event()
            score = model.score(features)
            loss += 0.02 * (-math.log(score if happened else 1 - score) - loss)
            model.learn(features, happened)
            said = {"model": "churn-1", "n": number, "score": round(score, 3), "log_loss": round(loss, 3)}
            while True:  # the same key is stored once, however often it is sent
                try:
                    await client.publish("scores", said, key=f"churn-1-{run}-{number}")
                    break
                except NoAnswerError as error:
                    print(f"once more: {error}", flush=True)
            if number == 1:
                print("the first score is out", flush=True)
            await asyncio.sleep(EVERY_S)


asyncio.run(main())
