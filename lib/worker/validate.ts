import { checkHost } from '../config/host.js';
import { keysOf, rejectUnknown, requireObject } from '../config/keys.js';
import { checkValue, invalid } from '../config/values.js';
import type { WorkerOptions } from './options.js';

const OPTIONS = keysOf<WorkerOptions>({
  engine: true,
  port: true,
  host: true,
  tls: true,
  token: true,
  tokenFile: true,
  events: true,
  name: true,
  maxBodyBytes: true,
  health: true,
  discovery: true,
  logger: true,
});
const ENGINE = 'an engine, or a function that makes one';

/** @throws InferenceHealthError ERR_CONFIG_INVALID */
export function validateWorker(options: WorkerOptions): void {
  requireObject('options', options);
  rejectUnknown('option', options, OPTIONS);
  const { engine, name, maxBodyBytes } = options;
  if (typeof engine !== 'function') requireObject('engine', engine, ENGINE);
  if (typeof engine === 'object' && typeof engine.generate !== 'function')
    throw invalid('engine', `${ENGINE}: generate is a function`, engine.generate);
  checkHost('host', options.host);
  if (name !== undefined) checkValue('name', { type: 'string' }, name);
  if (maxBodyBytes !== undefined)
    checkValue('maxBodyBytes', { type: 'number', min: 1, max: Number.MAX_SAFE_INTEGER }, maxBodyBytes);
}
