import { rejectUnknown, requireObject } from './keys.js';
import type { HealthOptions } from './options.js';
import { invalid } from './values.js';

const ACTIONS = ['ignore', 'watch', 'restart', 'reset', 'reboot', 'contact'];
const SEVERITIES = ['degraded', 'unhealthy'];

/** `gpu.xids` and `gpu.findings`. Throws ERR_CONFIG_INVALID that names the entry. */
export function checkGpuOverrides({ xids = {}, findings = {} }: NonNullable<HealthOptions['gpu']>): void {
  requireObject('option gpu.xids', xids);
  for (const [xid, value] of Object.entries(xids)) {
    const where = `option gpu.xids[${xid}]`;
    if (!/^\d{1,4}$/.test(xid)) throw invalid(where, 'an XID number as the key', xid);
    if (typeof value !== 'object') {
      if (!ACTIONS.includes(value)) throw invalid(where, `${ACTIONS.join(', ')} or an object`, value);
      continue;
    }
    rejectUnknown(where, value, ['action', 'severity', 'threshold']);
    const { action, severity, threshold } = value;
    if (action !== undefined && !ACTIONS.includes(action))
      throw invalid(`${where}.action`, ACTIONS.join(', '), action);
    if (severity !== undefined && !SEVERITIES.includes(severity))
      throw invalid(`${where}.severity`, SEVERITIES.join(', '), severity);
    if (threshold !== undefined && !(Number.isInteger(threshold) && threshold >= 1)) {
      throw invalid(`${where}.threshold`, 'an integer of at least 1', threshold);
    }
  }
  requireObject('option gpu.findings', findings);
  for (const [code, value] of Object.entries(findings)) {
    const allowed = [...SEVERITIES, 'ignore'];
    if (!code.startsWith('gpu.'))
      throw invalid(`option gpu.findings['${code}']`, 'a code that begins with gpu.', code);
    if (!allowed.includes(value)) throw invalid(`option gpu.findings['${code}']`, allowed.join(', '), value);
  }
}
