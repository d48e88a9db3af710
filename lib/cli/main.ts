#!/usr/bin/env node
import { helpText, usageOf } from './help.js';

const EXIT_USAGE = 64;
/** Names that belong to later parts: an unknown-command error should not suggest a typing mistake. */
const RESERVED = ['worker', 'frontend', 'sidecar', 'top', 'doctor'];

async function main(args: readonly string[]): Promise<number | undefined> {
  const [command, ...rest] = args;
  // Each command is loaded only when it runs: `check` starts in Docker's HEALTHCHECK every few seconds.
  switch (command) {
    case 'serve':
      if (rest.includes('--help')) return print(helpText('serve'));
      return (await import('./serve.js')).serve(rest);
    case 'check':
      if (rest.includes('--help')) return print(helpText('check'));
      return (await import('./check.js')).check(rest);
    case '--version':
    case '-v':
      return print(`${(await import('../config/build-info.js')).packageVersion()}\n`);
    case '--help':
    case '-h':
    case 'help':
      return print(usageOf());
    default:
      process.stderr.write(
        command === undefined
          ? usageOf()
          : RESERVED.includes(command)
            ? `inference-health: '${command}' is reserved and does not exist in this version\n`
            : `inference-health: unknown command '${command}'\n\n${usageOf()}`,
      );
      return EXIT_USAGE;
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => {
    if (code !== undefined) process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(
      `inference-health: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = 1;
  },
);
