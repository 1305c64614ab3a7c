"""Makes everything anew that is recorded in test/oracle/sky, and fails where anything is no longer so; writes nothing.

    pip install -r tools/oracle/requirements.txt   # and Debian's libcfitsio-bin, fitsverify, stiff, swarp, wcslib-dev, gcc; Node 24
    python tools/oracle/verify.py ../shared/samples/sky
"""
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
samples = str(Path(sys.argv[1]).resolve())
OF_SAMPLES = {"sky_wcs.py", "sky_inherit.py"}

failed = []
for generator in sorted(HERE.glob("sky_*.py")):
    arguments = [samples] if generator.name in OF_SAMPLES else []
    run = subprocess.run([sys.executable, generator, *arguments, "--verify"], capture_output=True, text=True,
                         env={**os.environ, "SKY_SAMPLES": samples})
    last = (run.stderr.strip().splitlines() or ["nothing said"])[-1]
    print(f"{'ok  ' if run.returncode == 0 else 'FAIL'} {generator.name}: {last}", flush=True)
    if run.returncode != 0:
        failed.append(generator.name)
sys.exit(f"{len(failed)} differ: {', '.join(failed)}" if failed else 0)
