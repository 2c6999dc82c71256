"""The same request in Locust; think times of 1 to 2.5 s when THINK is set."""

import os

from locust import FastHttpUser, between, constant, task


class Predict(FastHttpUser):
    wait_time = between(1, 2.5) if os.environ.get("THINK") else constant(0)

    @task
    def predict(self):
        self.client.post("/predict", json={"features": [5.1, 3.5, 1.4, 0.2]})
