import { environmentName, flagName, OPTIONS } from '../config/schema.js';

export function usageOf(): string {
  return `Usage: inference-health <command> [options]

Commands:
  serve    answer health probes for this host (--help lists the options)
  check    probe a health service: exit 0 when it passes, else 1 (for Docker HEALTHCHECK)

  inference-health --version
`;
}

export function helpText(command: 'serve' | 'check'): string {
  if (command === 'check') {
    return `Usage: inference-health check [--live | --ready] [--timeout-ms N] [URL]

  URL          http://host:port[/path] or unix:/path; default http://127.0.0.1:$INFERENCE_HEALTH_PORT (8081)
  --live       /livez (default); --ready: /readyz. Both only where URL has no path
  --timeout-ms longest wait, default 2000

Exit code: 0 on a 2xx answer, 1 on anything else.
`;
  }
  const rows = OPTIONS.filter(({ kind }) => kind.type !== 'shutdown').map(({ name, meaning, fallback }) => {
    const shown =
      name === 'host' ? '127.0.0.1' : fallback === null || fallback === '' ? '' : String(fallback);
    return `  ${flagName(name).padEnd(28)} ${meaning}${shown === '' ? '' : ` (${shown})`}\n  ${''.padEnd(28)} ${environmentName(name)}`;
  });
  return `Usage: inference-health serve [options]

${rows.join('\n')}

Exit codes: 0 stopped by a signal, 64 usage, 69 cannot bind, 75 drain deadline passed, 78 configuration.
`;
}
