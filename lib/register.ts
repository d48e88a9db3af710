import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';

// `node --import inference-health/register server.js` (or --require): health from the environment, with no code.
// Node runs this on every thread and, through NODE_OPTIONS, in every child process; so each loads only what it needs.
type Side = typeof import('./register/process.js') | typeof import('./register/thread.js');
const side = createRequire(__filename)(
  isMainThread ? './register/process.js' : './register/thread.js',
) as Side;
side.register();
