"""Cutana over a catalogue: pixels as they are in the tiles, a FITS file each. A line of JSON tells what, a line answers."""

import json
import resource
import sys
import time

from cutana import Orchestrator, get_default_config
from cutana.system_monitor import SystemMonitor

told = json.loads(sys.stdin.readline())
config = get_default_config()
config.source_catalogue = told["catalogue"]
config.output_dir = told["output"]
config.output_format = "fits"
# No resizing, no normalisation, no change of unit.
config.do_only_cutout_extraction = True
config.apply_flux_conversion = False
config.fits_extensions = [told["extension"]]
config.selected_extensions = [{"name": "PRIMARY", "ext": told["extension"]}]
config.channel_weights = {"PRIMARY": [1.0]}
config.target_resolution = told["stamp"]
# The catalogue is known to be right: reading all tiles for that would count.
config.skip_catalogue_validation = True
config.skip_fits_check = True
config.log_level = "WARNING"
# All workers at once, each with its share of the rows, without waiting for what the first one takes.
config.max_workers = told["workers"]
config.loadbalancer.initial_workers = told["workers"]
config.loadbalancer.skip_memory_calibration_wait = True
config.loadbalancer.max_sources_per_process = told["perProcess"]
# It would leave one core free: as many workers as are asked for run beside the process that waits for them.
SystemMonitor.get_cpu_count = lambda self: told["workers"] + 1

began = time.perf_counter()
result = Orchestrator(config).start_processing(told["catalogue"])
seconds = time.perf_counter() - began
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu = sum(each.ru_utime + each.ru_stime for each in used)
print(json.dumps({"seconds": seconds, "cpu": cpu, "status": result["status"]}), flush=True)
