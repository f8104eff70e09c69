"""What to do about each problem of a training run, in a sentence or two."""

from __future__ import annotations

ADVICE: dict[str, str] = {
    "non_finite": "Look at the batch and the module named first: a division, a logarithm or a root of 0, an overflow of half "
    "precision, or a learning rate that is too high. Skip the batch, clip gradients or lower the rate; restore a checkpoint.",
    "divergence": "Lower the learning rate (by 3 to 10 times), warm it up, or clip gradients; restore the best checkpoint.",
    "loss_spike": "Look at the batch of that step. If it is broken, skip it; if spikes go on, lower the learning rate or clip.",
    "gradient_spike": "Clip gradients by their norm, and look at the batch of that step.",
    "exploding_gradient": "Clip gradients by their norm (1.0 is common), lower the learning rate, or use normalisation, "
    "gates (LSTM, GRU) or an orthogonal start in recurrent layers.",
    "vanishing_gradient": "Use ReLU-like activations with He initialisation, residual connections or normalisation layers.",
    "update_ratio": "A step should move weights by about a thousandth of their size: change the learning rate accordingly.",
    "unused_parameter": "Hand the parameter to the optimizer, join its branch to the loss, or set requires_grad=False if "
    "freezing it is meant.",
    "dead_units": "Lower the learning rate, use LeakyReLU, GELU or SELU, and look at biases that have become very negative.",
    "saturation": "Scale inputs to about unit variance, use smaller initial weights, or another activation than "
    "sigmoid or tanh.",
    "initialisation": "Use the framework's own initialisation (He for ReLU, Glorot for tanh), each unit drawn anew.",
    "initial_loss": "Before training the loss should be that of a guess: check the last layer's initialisation and the loss.",
    "not_learning": "Check that gradients reach the weights, try learning rates over several powers of ten "
    "(lr_range_test), and see whether the model can fit one batch (fit_one_batch).",
    "plateau": "Lower the learning rate (by ten), or stop: this may be all that there is to learn.",
    "oscillation": "Lower the learning rate, use larger batches or momentum, and shuffle the rows.",
    "overfitting": "Stop at the best step and restore its weights; more data, regularisation or a smaller model help.",
    "high_bias": "The model cannot even fit its training rows. Try a larger model, better features, less regularisation or a "
    "longer training, once the learning rate and the gradients are right.",
    "high_variance": "More rows, regularisation or a smaller model.",
    "label_noise": "Look at the rows with the greatest losses: labels may be wrong.",
    "leakage": "Take the rows or the feature out, and split again.",
    "split_shift": "Split anew, at random or by time as the model will be used; or see what changed between the two sets.",
    "input_scale": "Scale each feature to mean 0 and standard deviation 1 with the training set's own "
    "numbers (images to 0..1).",
    "stale_gradient": "Call optimizer.zero_grad() before each backward pass, or once per accumulation window.",
    "head_mismatch": "Hand raw scores (logits) to losses that take logits, and give output and target the same shape.",
    "loss_range": "Check the sign of the loss, and that targets and outputs are what this loss takes.",
    "learning_rate": "Check the schedule: its length, and in which units (steps or epochs) it counts.",
    "evaluation_mode": "Call model.train() before training steps and model.eval() before evaluation.",
    "train_eval_gap": "Batch normalisation or dropout makes the model another one in evaluation: check the running "
    "statistics (their momentum, the size of batches) and the mode.",
    "mixed_precision": "Use a GradScaler with float16, or bfloat16; a scale that goes on falling means overflows in each step.",
    "not_told": "Call watch.step(loss) after each optimizer.step(); without it nothing is recorded.",
    "no_step": "Call optimizer.step(). A gradient scaler skips it while gradients overflow: begin with a smaller scale "
    "(65,536 is usual), and let it halve (backoff_factor=.5).",
    "over_regularised": "Lower the weight decay (1e-4 to 1e-1 is usual, less where it is added to the gradient).",
    "clipping": "Nearly every gradient is clipped, so the learning rate is what the limit makes it: raise the limit or lower "
    "the rate.",
    "rank_desync": "Seed every rank alike before the model is made, hand it to DistributedDataParallel, and change "
    "parameters only in the optimizer.",
    "class_collapse": "Weight the classes or sample them evenly, and judge by balanced accuracy or F1, not accuracy.",
    "unshuffled": "Shuffle the rows before each epoch (DataLoader(shuffle=True)).",
    "boosting_overfit": "Stop early (early_stopping_rounds), lower the learning rate, or use shallower trees.",
    "importance_concentration": "A feature that decides nearly everything often leaks the label: look at how it is made.",
    "too_few_trees": "Grow more trees (n_estimators): they cost time, and never overfit.",
    "watching_failed": "Please report it: watching stopped, and the run went on.",
}
