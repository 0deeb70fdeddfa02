"""Names: what learners call the arrays, and which of them is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_WORDS = {
    "X": "x a0 images input inputs xtrain xbatch data pixels features",
    "Y": "y t labels label target targets ytrain onehot onehoty yonehot ytrue truth ybatch",
    "W1": "w1 syn0 weights1 weight1 wih w1old wh wxh whidden fc1weight l1weight layer1weight "
    "linear1weight theta1",
    "b1": "b1 bias1 biases1 bh bhidden fc1bias l1bias layer1bias linear1bias",
    "W2": "w2 syn1 weights2 weight2 who w2old wo wout woutput why fc2weight l2weight "
    "layer2weight linear2weight theta2",
    "b2": "b2 bias2 biases2 bo bout boutput by fc2bias l2bias layer2bias linear2bias",
    "Z1": "z1 hiddeninputs hin hiddenin hiddeninput hiddensum net1 netinput1 preact1 "
    "preactivation1 s1 z1s",
    "A1": "a1 hiddenoutputs l1 h h1 hidden hiddenout hiddenoutput act1 activation1 activations1 "
    "out1 relu1",
    "Z2": "z2 finalinputs logits outin outputinput net2 preact2 preactivation2 scores s2 zout",
    "A2": "a2 al l2 finaloutputs yhat ypred pred preds prob probs probabilities output outputs "
    "out softmaxout act2 activation2 out2 p yh o predictions",
    "loss": "loss cost j l crossentropy error lossvalue ce nll",
    "dZ2": "dz2 l2delta outputerrors delta2 d2 deltaout deltaoutput dout outputdelta dlogits "
    "dscores dz2s outputerror e2 error2 errors2",
    "dW2": "dw2 syn1grad gradw2 w2grad dweights2 nablaw2 gw2 fc2weightgrad l2weightgrad "
    "layer2weightgrad linear2weightgrad dwo dtheta2 theta2grad weights2grad dwout dwho gradientw2 "
    "deltaw2",
    "db2": "db2 gradb2 b2grad dbias2 nablab2 gb2 fc2biasgrad l2biasgrad layer2biasgrad "
    "linear2biasgrad dbo bias2grad dbout gradientb2 deltab2 dbiases2",
    "dA1": "da1 l1error hiddenerrors dh dhidden da1s dh1 hiddenerror grada1 gradh errorhidden",
    "dZ1": "dz1 l1delta delta1 d1 deltahidden hiddendelta dz1s e1 error1 errors1 dhraw",
    "dW1": "dw1 syn0grad gradw1 w1grad dweights1 nablaw1 gw1 fc1weightgrad l1weightgrad "
    "layer1weightgrad linear1weightgrad dwh dtheta1 theta1grad weights1grad dwhidden dwih "
    "gradientw1 deltaw1",
    "db1": "db1 gradb1 b1grad dbias1 nablab1 gb1 fc1biasgrad l1biasgrad layer1biasgrad "
    "linear1biasgrad dbh bias1grad dbhidden gradientb1 deltab1 dbiases1",
    "rate": "rate lr learningrate alpha eta stepsize",
}
_LOOKUP = {word: name for name, words in _WORDS.items() for word in words.split()}
_AFTER = re.compile(
    r"^(?:(?:new|next|updated)(.+)|(.+?)(?:new|next|updated|after|n|upd|out|step1))$"
)
_GRADIENT = re.compile(r"^(?:d(?:l|j|c|e|loss|cost)d|grad(?:ient)?s?(?:of)?|nabla|g)(.+)$")


def meant(name: str) -> str | None:
    """Return which array a learner's name means, as in `formulas`; None for one not known.

    Case counts for nothing, nor do underlines, dots, dashes and brackets; `W1_new`, `new_w1` and
    `W1_after` are what W1 is after the step.
    """
    word = re.sub(r"[^a-z0-9']", "", name.lower()).replace("'", "new").replace("grads", "grad")
    if word in _LOOKUP:
        return _LOOKUP[word]
    if (found := _AFTER.match(word)) and _LOOKUP.get(found[1] or found[2]) in _WEIGHTS:
        return _LOOKUP[found[1] or found[2]] + "_new"
    if (found := _GRADIENT.match(word)) and "d" + found[1] in _LOOKUP:
        return _LOOKUP["d" + found[1]]
    return None


_OF_THIRD = re.compile(r"(?:d?[za]|delta|d)_?3", re.IGNORECASE)
_OF_LAYER = re.compile(r"(?:d?[za]|delta|d)_?[23]", re.IGNORECASE)
_WEIGHTS = ("W1", "b1", "W2", "b2")


def renamed(names: Iterable[str], told: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what each name means, by name; those that mean nothing here are left out.

    told: what the learner says that names mean. Layers counted from 0 are noticed: W0 and W1
    without W2, `0.weight` and `2.weight` as PyTorch's Sequential has them.
    """
    told = dict(told or {})
    given = [name for name in names if name not in told]
    plain = {name: meant(name) for name in given}
    if any(_OF_THIRD.fullmatch(name) for name in given):  # layers counted from the images: z2, z3
        plain |= {n: meant(re.sub("[23]", _one_less, n)) for n in given if _OF_LAYER.fullmatch(n)}
        plain |= dict.fromkeys((n for n in given if n == "h"), "A2")  # what is supposed
    found = [name for name in plain.values() if name]
    if not any(name.strip("dZAWb_new") == "2" for name in found):
        lifted = {name: meant(_lift(name)) for name in given if _lift(name) != name}
        from_zero = [name for name in given if "0" in name and plain[name] != "X"]
        if from_zero and any(lifted.get(name) for name in from_zero):
            plain |= {name: other for name, other in lifted.items() if other}
    for name in given:  # bias0 and bias1 without bias2
        first, second = name.replace("0", "1"), name.replace("0", "2")
        if not plain[name] and first in plain and second not in plain and meant(first):
            plain |= {name: meant(first), first: meant(second)}
    meanings = {name: other for name, other in plain.items() if other}
    return {**meanings, **told}


def _lift(name: str) -> str:
    """Return a name with its layer counted from 1."""
    if found := re.fullmatch(r"(?:net\.|layers?\.|model\.)?([02])\.(weight|bias)(\.grad)?", name):
        return f"fc{1 if found[1] == '0' else 2}.{found[2]}{found[3] or ''}"
    return re.sub(r"(?<![0-9])[01](?![0-9])", lambda m: str(int(m[0]) + 1), name)


def _one_less(found: re.Match[str]) -> str:
    return str(int(found[0]) - 1)
