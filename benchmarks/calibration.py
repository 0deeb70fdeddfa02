"""How far a network's certainty is from the truth, before and after its temperature is fitted.

    python benchmarks/calibration.py [--data FOLDER] [--set mnist] [--seeds 3] [--epochs 5 20]

784-128-10, Adam at 0.001, batches of 64, on nine tenths of the training images. The temperature
is fitted on the tenth that was held out, and judged on the test images, which took no part.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from full_batch import default_data
from original_recipe import load

from nnengine import Dataset, Network, TrainingConfig, training
from nnengine.analysis.calibration import calibration_error, fit_temperature, tempered


def trained(train: Dataset, epochs: int, seed: int) -> Network:
    """Return a network trained by the dashboard's quick recipe for so many epochs."""
    network = Network.build([train.inputs, 128, train.classes], rng=seed)
    config = TrainingConfig(
        epochs=epochs, optimizer="adam", learning_rate=0.001, seed=seed, evaluate_every=10**9
    )
    for _ in training(network, train, config):
        pass
    return network


def judged(network: Network, test: Dataset) -> tuple[float, float]:
    """Return (expected calibration error, mean loss) on the test images."""
    error = calibration_error(network.predict_proba(test), test.labels)
    return error, network.loss(test, test.labels)[0] / len(test)


def main() -> None:
    """Print a line a network and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--set", default="mnist", help="folder of four IDX files")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 20])
    arguments = parser.parse_args()
    train, test = (load(arguments.data / arguments.set, part) for part in ("train", "t10k"))
    rest, held_out = train.split(0.1, rng=0)
    print(f"{arguments.set}, 784-128-10, test images; ECE of 15 bins, loss in nats")
    print("epochs  seed  accuracy  temperature  ECE before  after   loss before  after")
    for epochs in arguments.epochs:
        errors = []
        for seed in range(arguments.seeds):
            network = trained(rest, epochs, seed)
            t = fit_temperature(network.logits(held_out), held_out.labels)
            before, after = judged(network, test), judged(tempered(network, t), test)
            errors.append((before[0], after[0]))
            print(
                f"{epochs:6}  {seed:4}  {network.accuracy(test):8.2%}  {t:11.2f}"
                f"  {before[0]:10.2%}  {after[0]:5.2%}  {before[1]:11.4f}  {after[1]:.4f}",
                flush=True,
            )
        means = [statistics.mean(column) for column in zip(*errors, strict=True)]
        print(f"{epochs:6}  mean {'':22} {means[0]:10.2%}  {means[1]:5.2%}")


if __name__ == "__main__":
    main()
