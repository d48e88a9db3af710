// The tables of docs/xid.md and docs/gpu.md, from the data that they are given: npm run docs has it from dist/, the test that
// compares from lib/.

const code = (text) => `\`${text}\``;
const dash = (text) => (text === '' || text === undefined ? '–' : text);

function sinceRelease(release) {
  return release === undefined ? '–' : release === 0 ? 'always' : `R${release}`;
}

function effect({ action, scope, threshold, wordDecides, unhealthy, solo, untilReset, detailOf, cancels }) {
  const parts = [code(action)];
  if (scope === 'application') parts.push('of the process that met it');
  if (threshold !== undefined) parts.push(`from ${threshold} on, before that \`watch\``);
  if (wordDecides) parts.push('if fatal, else `watch`');
  if (unhealthy) parts.push('and unhealthy');
  if (solo) parts.push('if alone');
  if (untilReset) parts.push('and degraded until the next reset');
  if (detailOf !== undefined) parts.push(`unless ${detailOf} is there`);
  if (cancels !== undefined) parts.push(`and takes back ${cancels}`);
  return parts.join(' ');
}

/** @returns {[string[], string[][]]} head and rows */
export function xidTable(xids) {
  return [
    [
      'XID',
      'what',
      'A100 H100 B100 GB200',
      'NVIDIA: at once',
      'NVIDIA: then',
      'here',
      'overruled by "none" since',
      'note',
    ],
    xids.map((row) => [
      String(row.xid),
      row.name,
      row.source === 'driver' ? 'not in the catalogue' : [...row.applies].join(' '),
      dash(row.immediate),
      dash(row.followUp),
      effect(row),
      sinceRelease(row.recoveryActionSince),
      dash(row.note),
    ]),
  ];
}

export function actionTable(actions) {
  return [
    ['class', 'what cures it', 'a restart of the process helps'],
    actions.map(({ action, meaning, restartHelps }) => [code(action), meaning, restartHelps ? 'yes' : 'no']),
  ];
}

export function recoveryTable(recoveryActions) {
  return [
    ['value', 'the driver asks for', 'class', 'severity'],
    recoveryActions.map(({ value, name, action, severity }) => [
      String(value),
      name,
      value === 0 ? '–' : code(action),
      value === 0 ? '–' : severity,
    ]),
  ];
}

export function findingTable(findings) {
  return [
    ['code', 'meaning', 'severity', 'class', 'found', 'ends'],
    findings.map(({ code: name, meaning, severity, action, found, ends }) => [
      code(name),
      meaning,
      severity,
      action === 'as listed' ? action : code(action),
      found,
      ends,
    ]),
  ];
}
