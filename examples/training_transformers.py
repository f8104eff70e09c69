"""A tiny GPT-2, made from a configuration, in the Trainer: once as it should be, once with a learning rate far too high."""

from __future__ import annotations

import tempfile
import warnings

import torch
import transformers

from watchkeeper.integrations.transformers import WatchCallback
from watchkeeper.training.finding import Findings

WORDS, LENGTH = 64, 16


def train(rate: float) -> Findings:
    """Train it to count in threes, and return what was found."""
    transformers.set_seed(0)
    start = torch.randint(0, WORDS, (512, 1))
    texts = [{"input_ids": text, "labels": text} for text in (start + 3 * torch.arange(LENGTH)) % WORDS]
    config = transformers.GPT2Config(
        vocab_size=WORDS, n_positions=LENGTH, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    watch = WatchCallback(stop_on="critical")
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            folder, max_steps=120, per_device_train_batch_size=16, learning_rate=rate, use_cpu=True, report_to=[],
            disable_tqdm=True, save_strategy="no", logging_steps=20, logging_nan_inf_filter=False,
        )  # fmt: skip
        trainer = transformers.Trainer(
            transformers.GPT2LMHeadModel(config), arguments, train_dataset=texts, callbacks=[watch]
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return watch.findings


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    for rate in (1e-3, 10.0):
        print(f"learning rate {rate}:", *train(rate) or ["nothing found"], sep="\n  ")
