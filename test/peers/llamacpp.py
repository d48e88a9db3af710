"""llama.cpp's own HTTP server, as the package xllamacpp has it: MODEL.gguf PORT, until it is killed."""
import signal
import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.model_alias = {"tiny"}
params.port = int(sys.argv[2])
params.n_parallel = 4
params.n_ctx = 4 * 4096
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
params.endpoint_metrics = True
params.verbosity = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
signal.pause()
