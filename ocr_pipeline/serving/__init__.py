"""The judge as a service: an RL stack asks over HTTP what a program is worth, in the words that it already knows.

``requests.py`` reads the bodies of SandboxFusion, NeMo Gym, code-judge and our own batch form; ``work.py`` runs in worker
processes and calls the judge; ``replies.py`` answers in the asker's form; ``server.py`` puts it behind HTTP with limits.
How a program is isolated and judged is the judge's business.

::

    Refused     a request that is answered with a status and one line: too large, malformed, unknown, too many
    └── NotRun  nobody could judge the program: 503, never a wrong answer
"""
