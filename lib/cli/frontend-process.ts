/** What `frontend --processes` runs N times: the URL of all, then its own arguments. */
import { runFrontendProcess } from '../frontend/processes/child.js';
import { writeStderr } from '../stderr.js';
import { parseFleetFlags } from './fleet-flags.js';
import { FRONTEND_FLAGS } from './frontend-flags.js';
import { commandOptions, processesOf, shareOf } from './frontend-options.js';
import { createServeLog } from './serve-log.js';
import { outliveReaders, painter, usesColor } from './terminal.js';

outliveReaders();
// They come to all processes of a terminal; what follows from them comes from the process that has started this one.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined);

const { stderr, env } = process;
const [, , url = '', ...args] = process.argv;
const logger = createServeLog(stderr.isTTY ? painter(usesColor(stderr, env)) : null);
const { values, health } = parseFleetFlags(args, FRONTEND_FLAGS, env);
const processes = processesOf(values);
const options = { ...shareOf(commandOptions(values, health, env), processes), logger };
runFrontendProcess(options, { processes, url }).catch((error: unknown) => {
  writeStderr(`inference-health frontend: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
