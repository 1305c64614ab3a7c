"""Value files: written, or with `--verify` among a generator's arguments held against what is made anew, and left as they are."""
import json
import math
import sys

VERIFY = "--verify" in sys.argv
if VERIFY:
    sys.argv.remove("--verify")


def keep(path, text):
    """Writes a value file, or fails naming what of it is no longer so. How the generator is called is not compared."""
    if not VERIFY:
        path.write_text(text)
        return
    if path.suffix == ".json":
        old, new = (json.loads(content) for content in (path.read_text(), text))
        found = list(differences(old, new, ""))
    else:
        found = [] if path.read_text() == text else ["its text"]
    if found:
        raise SystemExit(f"{path.name} is no longer what is made: {'; '.join(found[:5])}{' …' if len(found) > 5 else ''}")
    print(f"{path.name} is as recorded", file=sys.stderr)


def differences(old, new, where):
    if where == "/command":
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            if key not in old or key not in new:
                yield f"{where}/{key} is {'new' if key in new else 'gone'}"
            else:
                yield from differences(old[key], new[key], f"{where}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new)):
            yield from differences(a, b, f"{where}/{i}")
    elif old != new and not (isinstance(old, float) and isinstance(new, float) and math.isnan(old) and math.isnan(new)):
        yield f"{where} was {str(old)[:40]}, is {str(new)[:40]}"
