"""Watch a training run: what is recorded of it is one value, a `Run`, and every detector is a pure function of that.

Collectors (``pytorch``, and the callbacks in :mod:`watchkeeper.integrations`) add to a run; detectors read it; a run can
be written, read again and judged anew, with the same findings.
"""
