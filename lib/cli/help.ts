import { environmentName, flagName, type Kind } from '../config/schema.js';
import { FLAG_OPTIONS } from './flags.js';

const WIDTH = 100;

export const HELP = `Usage: inference-health <command> [options]

  serve       answer health probes for this host
  worker      serve a GGUF model with llama.cpp: OpenAI's API, health, drain
  frontend    OpenAI's API in front of workers; streams of a lost worker go on at another
  check       probe a health service: exit 0 when it passes, else 1 (for Docker HEALTHCHECK)

  --version   print the version of this package
  --help      with a command: its options
`;

export const CHECK_HELP = `Usage: inference-health check [--live | --ready] [--timeout-ms N] [URL]

  URL             http://host:port[/path] or unix:/path. Without it: the first listener that
                  INFERENCE_HEALTH_LISTENERS, _HOST and _PORT name, else http://127.0.0.1:8081
  --live          ask /livez, the default where URL has no path
  --ready         ask /readyz
  --timeout-ms N  longest wait in milliseconds (2000)

Exit code: 0 on a 2xx answer, 1 on anything else, wrong flags included.
`;

export function serveHelp(): string {
  const rows = FLAG_OPTIONS.map(({ name, kind, meaning, fallback }) => {
    const suffix = fallback === null || fallback === '' || fallback === false ? '' : ` (${String(fallback)})`;
    return [`${flagName(name)}${placeholder(kind)}`, `${meaning.replaceAll('`', '')}${suffix}`] as const;
  });
  const indent = Math.max(...rows.map(([flag]) => flag.length)) + 4;
  return `Usage: inference-health serve [options]

${rows.map(([flag, meaning]) => `  ${flag.padEnd(indent - 2)}${wrap(meaning, indent)}`).join('\n')}

Every flag can be a variable instead: --sample-hz is ${environmentName('sampleHz')}.
The signals SIGTERM and SIGINT drain and stop it.

Exit codes: 0 stopped by a signal, 1 uncaught error, 64 usage, 69 cannot bind,
75 requests were still in flight at the end of the grace period, 78 configuration.
`;
}

function placeholder(kind: Kind): string {
  switch (kind.type) {
    case 'integer':
    case 'number':
      return ' N';
    case 'boolean':
    case 'section':
      return '';
    case 'choice':
      return ` ${kind.values.join('|')}`;
    case 'list':
    case 'devices':
      return ' A,B';
    case 'listeners':
      return ' LIST';
    case 'string':
      return ' TEXT';
    case 'json':
      return ' JSON';
  }
}

function wrap(text: string, indent: number): string {
  let line = '';
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}
