"""Print requirements.lock: the exact version of every distribution in this environment.

Local version labels (``2.13.0+cpu``) are dropped, so that the same lock serves CPU and GPU builds.
"""

from importlib.metadata import distributions

SKIP = {"motifdesk", "pip", "setuptools", "wheel"}

print("# Written by `make lock`; used as pip constraints by the Makefile. Do not edit by hand.")
names = {d.metadata["Name"].lower().replace("_", "-"): d.version.split("+")[0] for d in distributions()}
for name in sorted(names):
    if name not in SKIP:
        print(f"{name}=={names[name]}")
